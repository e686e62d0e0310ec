//! How items are written: derives in alphabetical order, no aliases of types, no `get_`, no panics
//! in published code.

use super::finding::Finding;
use super::source::Source;
use crate::rules::PUBLISHED;

/// What ends a process or a task without an error that the caller can handle.
///
/// `expect` and `unreachable!` with words are not here: they state why it cannot happen.
const PANICS: &[&str] = &[
    ".unwrap()",
    ".unwrap_err()",
    "panic!(",
    "todo!(",
    "unimplemented!(",
    "unreachable!()",
];

pub(super) fn check(source: &Source, findings: &mut Vec<Finding>) {
    let published = is_published(&source.path);
    let mut report = |line, rule, message| {
        findings.push(Finding::new(source, line, rule, message));
    };
    for (number, line) in source.numbered() {
        if let Some(sorted) = unsorted_derive(source, number) {
            report(
                number,
                "derives",
                format!("derives are in alphabetical order: `derive({sorted})`"),
            );
        }
        if line.in_module && item(&line.code).starts_with("type ") {
            report(
                number,
                "aliases",
                "no alias of a type at the level of a module: write the type, or make it a struct"
                    .into(),
            );
        }
        if !line.in_tests
            && let Some(name) = getter(&line.code)
        {
            report(
                number,
                "names",
                format!("`{name}` begins with `get_`: name it after what it returns"),
            );
        }
        if published
            && !line.in_tests
            && let Some(panic) = PANICS.iter().find(|panic| has_call(&line.code, panic))
        {
            report(
                number,
                "panics",
                format!(
                    "`{panic}` in published code: return an error, or say with `expect` why it cannot happen"
                ),
            );
        }
    }
}

fn is_published(path: &str) -> bool {
    PUBLISHED
        .iter()
        .any(|(name, _)| path.starts_with(&format!("crates/{name}/src/")))
}

/// The derives that begin on this line in their proper order, if they are in another one.
fn unsorted_derive(source: &Source, number: usize) -> Option<String> {
    let code = &source.lines[number - 1].code;
    let at = code.find("derive(")?;
    if !code[..at].contains("#[") {
        return None;
    }
    let mut text = code[at + "derive(".len()..].to_owned();
    for line in &source.lines[number..] {
        if text.contains(')') {
            break;
        }
        text.push_str(&line.code);
    }
    let names: Vec<&str> = text
        .split(')')
        .next()?
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    let mut sorted = names.clone();
    sorted.sort_by_key(|name| name.rsplit("::").next());
    (sorted != names).then(|| sorted.join(", "))
}

/// The line without a visibility.
fn item(code: &str) -> &str {
    let code = code.trim_start();
    let Some(rest) = code.strip_prefix("pub") else {
        return code;
    };
    match rest.strip_prefix('(') {
        Some(scope) => scope.split_once(')').map_or(rest, |(_, rest)| rest),
        None => rest,
    }
    .trim_start()
}

/// The name of a function that is declared here and begins with `get_`; `get_ref` and `get_mut` are
/// tower's words.
fn getter(code: &str) -> Option<&str> {
    let at = code.find("fn get_")?;
    let name = code[at + "fn ".len()..].split(['(', '<']).next()?;
    (!matches!(name, "get_ref" | "get_mut")).then_some(name)
}

/// Whether the code has the call, and not another name that ends like it.
fn has_call(code: &str, call: &str) -> bool {
    code.match_indices(call).any(|(at, _)| {
        call.starts_with('.') || !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::fixture::{clean, red, red_in};

    #[test]
    fn tidy_items_are_clean() {
        clean(
            check,
            "#[derive(clap::Args, Clone, Debug)]\nstruct A;\n\
             impl Service for A {\n    type Error = ();\n    fn get_ref(&self) {}\n}\n\
             fn f() {\n    type Local = u8;\n    a.expect(\"it was checked\");\n    b.unwrap_or_default();\n    unreachable!(\"why\");\n    my_panic!();\n    \"panic!( .unwrap()\"; // .unwrap()\n}\n\
             #[cfg(test)]\nmod tests {\n    fn g() {\n        a.unwrap();\n        panic!();\n    }\n}\n",
        );
    }

    #[test]
    fn derives_in_another_order_are_red() {
        red(
            check,
            "#[derive(Debug, Clone)]\nstruct A;\n",
            1,
            "`derive(Clone, Debug)`",
        );
        red(
            check,
            "#[derive(\n    Debug,\n    clap::Args,\n)]\nstruct A;\n",
            1,
            "`derive(clap::Args, Debug)`",
        );
        red(
            check,
            "#[cfg_attr(test, derive(PartialEq, Debug))]\nstruct A;\n",
            1,
            "`derive(Debug, PartialEq)`",
        );
    }

    #[test]
    fn an_alias_of_a_type_in_a_module_is_red() {
        red(check, "type BoxError = Box<dyn Error>;\n", 1, "alias");
        red(check, "pub(super) type A<T> = Vec<T>;\n", 1, "alias");
        red_in(
            check,
            "crates/civic-lock/tests/it/a.rs",
            "mod b {\n    pub type A = u8;\n}\n",
            2,
            "alias",
        );
    }

    #[test]
    fn a_test_may_get_over_http() {
        clean(
            check,
            "#[cfg(test)]\nmod tests {\n    fn get_path() {}\n}\n",
        );
    }

    #[test]
    fn a_function_that_begins_with_get_is_red() {
        red(check, "fn get_name(&self) {}\n", 1, "`get_name`");
    }

    #[test]
    fn a_panic_in_published_code_is_red() {
        for call in [
            "x.unwrap()",
            "x.unwrap_err()",
            "panic!(\"no\")",
            "todo!()",
            "unimplemented!()",
            "unreachable!()",
        ] {
            red(
                check,
                &format!("fn f() {{\n    {call};\n}}\n"),
                2,
                "published code",
            );
        }
    }
}
