//! How imports are written: one `use` per module, in three groups, from the module that defines the
//! name.
//!
//! `cargo +nightly fmt -- --config imports_granularity=Module,group_imports=StdExternalCrate`
//! writes the first two.

use super::finding::Finding;
use super::source::Source;

/// One `use` declaration.
#[derive(Debug)]
pub(super) struct Use {
    /// The number of its first line, and of its last.
    pub(super) first: usize,
    pub(super) last: usize,
    /// `pub`, `pub(crate)`, or nothing.
    pub(super) visibility: String,
    /// What is between `use` and `;`, in one line.
    pub(super) tree: String,
    /// An attribute stands before it.
    attributed: bool,
}

/// The three groups, in their order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Group {
    Standard,
    External,
    Own,
}

pub(super) fn check(source: &Source, findings: &mut Vec<Finding>) {
    let uses = uses(source);
    let mut report = |line, message: String| {
        findings.push(Finding::new(source, line, "imports", message));
    };
    for found in &uses {
        if let Some((module, names)) = braces(&found.tree)
            && (names.contains("::") || names.contains('{'))
        {
            report(
                found.first,
                format!(
                    "one `use` imports from several modules below `{module}`: write one `use` per module"
                ),
            );
        }
        let root = if is_below_root(source, found) {
            &["crate::", "super::"][..]
        } else {
            &["crate::"]
        };
        if leaves(&found.tree)
            .iter()
            .filter_map(|leaf| root.iter().find_map(|root| leaf.strip_prefix(root)))
            .any(|name| name == "*" || starts_upper(name))
        {
            report(
                found.first,
                format!(
                    "`use {}` goes through the crate's root: import the name from the module that defines it",
                    found.tree
                ),
            );
        }
    }
    for (number, line) in source.numbered() {
        let inside_use = uses
            .iter()
            .any(|found| (found.first..=found.last).contains(&number));
        if !inside_use && through_root(&line.code) {
            report(
                number,
                "`crate::` and a type goes through the crate's root: import the type from the module that defines it"
                    .into(),
            );
        }
    }
    for run in runs(source, &uses) {
        check_run(source, run, findings);
    }
}

/// The order of the groups in declarations that stand together, and that no module is imported from
/// twice.
fn check_run(source: &Source, run: &[Use], findings: &mut Vec<Finding>) {
    for pair in run.windows(2) {
        let [previous, next] = pair else { continue };
        let (before, after) = (group(&previous.tree), group(&next.tree));
        let apart = source.lines[previous.last..next.first - 1]
            .iter()
            .any(|line| line.text.trim().is_empty());
        let message = if before > after {
            "imports are in three groups: std, then other crates, then `crate`, `self` and `super`"
        } else if before < after && !apart {
            "a blank line separates the groups of imports: std, other crates, own modules"
        } else if before == after && apart {
            "no blank line inside a group of imports: std, other crates, own modules"
        } else {
            continue;
        };
        findings.push(Finding::new(
            source,
            next.first,
            "imports",
            message.to_owned(),
        ));
    }
    for (index, found) in run.iter().enumerate() {
        let again = run[..index].iter().any(|earlier| {
            !earlier.attributed
                && !found.attributed
                && earlier.visibility == found.visibility
                && module(&earlier.tree) == module(&found.tree)
        });
        if again && !found.tree.ends_with('*') {
            findings.push(Finding::new(
                source,
                found.first,
                "imports",
                format!(
                    "a second `use` of `{}`: write one `use` per module, `use {0}::{{…}}`",
                    module(&found.tree)
                ),
            ));
        }
    }
}

/// The declarations, split where other code stands between them.
fn runs<'u>(source: &Source, uses: &'u [Use]) -> Vec<&'u [Use]> {
    uses.chunk_by(|previous, next| {
        source.lines[previous.last..next.first - 1]
            .iter()
            .all(|line| {
                let code = line.code.trim();
                code.is_empty() || code.starts_with("#[")
            })
    })
    .collect()
}

/// All `use` declarations of a file, those in functions too.
pub(super) fn uses(source: &Source) -> Vec<Use> {
    let mut found = Vec::new();
    let mut lines = source.numbered();
    let mut attributed = false;
    while let Some((first, line)) = lines.next() {
        let code = line.code.trim();
        let Some((visibility, rest)) = declaration(code) else {
            attributed = code.starts_with("#[") || attributed && code.is_empty();
            continue;
        };
        let visibility = visibility.to_owned();
        let mut tree = rest.to_owned();
        let mut last = first;
        while !tree.contains(';') {
            let Some((number, line)) = lines.next() else {
                break;
            };
            last = number;
            tree.push_str(line.code.trim());
            tree.push(' ');
        }
        found.push(Use {
            first,
            last,
            visibility,
            tree: tree
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .trim_start_matches("::")
                .to_owned(),
            attributed,
        });
        attributed = false;
    }
    found
}

/// The visibility and what follows `use`.
fn declaration(code: &str) -> Option<(&str, &str)> {
    let at = if code.starts_with("use ") {
        0
    } else if code.starts_with("pub") {
        code.find(" use ")? + 1
    } else {
        return None;
    };
    let visibility = code[..at].trim();
    let known = visibility.is_empty()
        || visibility == "pub"
        || visibility.starts_with("pub(") && visibility.ends_with(')');
    known.then(|| (visibility, &code[at + "use ".len()..]))
}

/// The module before the braces and what is inside of them.
fn braces(tree: &str) -> Option<(&str, &str)> {
    let (module, names) = tree.split_once('{')?;
    Some((
        module.trim_end_matches("::"),
        names.rsplit_once('}').map_or(names, |(names, _)| names),
    ))
}

/// The module that a declaration imports from.
fn module(tree: &str) -> &str {
    match braces(tree) {
        Some((module, _)) => module,
        None => tree.rsplit_once("::").map_or("", |(module, _)| module),
    }
}

/// Each imported path, written out; `as` and what follows it is left away.
pub(super) fn leaves(tree: &str) -> Vec<String> {
    names(tree).into_iter().map(|(_, path)| path).collect()
}

/// Each name that a declaration brings in, and its path, written out.
pub(super) fn names(tree: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    expand("", tree, &mut found);
    found
}

fn expand(prefix: &str, tree: &str, found: &mut Vec<(String, String)>) {
    let Some((module, names)) = braces(tree) else {
        let (path, new_name) = match tree.split_once(" as ") {
            Some((path, name)) => (path.trim(), Some(name.trim())),
            None => (tree.trim(), None),
        };
        let path = if path == "self" {
            prefix.trim_end_matches("::").to_owned()
        } else {
            format!("{prefix}{path}")
        };
        let own_name = path.rsplit("::").next().unwrap_or_default();
        found.push((new_name.unwrap_or(own_name).to_owned(), path));
        return;
    };
    let mut depth = 0_usize;
    let parts = names.split(|c| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
        expand(&format!("{prefix}{module}::"), part, found);
    }
}

fn group(tree: &str) -> Group {
    match tree.split([':', '{', ' ']).next() {
        Some("std" | "core" | "alloc") => Group::Standard,
        Some("crate" | "self" | "super") => Group::Own,
        _ => Group::External,
    }
}

/// Whether the code has `crate::Type`; a macro's `$crate::` is another crate's root.
fn through_root(code: &str) -> bool {
    code.match_indices("crate::").any(|(at, found)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c == '$' || c == '_' || c.is_alphanumeric())
            && starts_upper(&code[at + found.len()..])
    })
}

/// Whether `super` is the crate's root for a declaration: the file is a module directly below it,
/// and the declaration is not in a module or function inside of the file.
fn is_below_root(source: &Source, found: &Use) -> bool {
    let line = &source.lines[found.first - 1];
    let module = source
        .path
        .split_once("/src/")
        .map(|(_, file)| file.trim_end_matches(".rs").trim_end_matches("/mod"));
    !line.in_tests
        && !line.text.starts_with(char::is_whitespace)
        && module.is_some_and(|name| !name.contains('/') && !matches!(name, "lib" | "main"))
}

fn starts_upper(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::fixture::{clean, findings, red};

    #[test]
    fn one_use_per_module_in_three_groups_is_clean() {
        clean(
            check,
            "use std::fmt::{self, Display};\nuse std::sync::Arc;\n\nuse bytes::Bytes;\nuse tower::{Layer, Service as _};\n\n\
             use self::b::C;\nuse crate::d::{E, f};\nuse crate::{g, h};\nuse super::i;\n\nmod b;\n\npub use self::b::{\n    C,\n    D,\n};\n",
        );
        clean(
            check,
            "use std::a;\n\n#[cfg(feature = \"x\")]\nuse x::B;\n#[cfg(not(feature = \"x\"))]\nuse x::C;\n",
        );
        clean(
            check,
            "macro_rules! m { () => { $crate::Type }; }\nuse std::a;\nfn f() {}\nuse std::b;\n",
        );
    }

    #[test]
    fn one_use_for_several_modules_is_red() {
        red(
            check,
            "use std::{fmt, sync::Arc};\n",
            1,
            "one `use` per module",
        );
        red(
            check,
            "fn f() {\n    use std::{\n        io::{self, Read},\n    };\n}\n",
            2,
            "one `use` per module",
        );
    }

    #[test]
    fn a_module_that_is_imported_from_twice_is_red() {
        red(
            check,
            "use std::sync::Arc;\nuse std::sync::Mutex;\n",
            2,
            "a second `use` of `std::sync`",
        );
    }

    #[test]
    fn a_type_through_the_root_is_red() {
        red(check, "use crate::LockName;\n", 1, "the crate's root");
        red(check, "use crate::{LockName, a};\n", 1, "the crate's root");
        red(check, "use crate::*;\n", 1, "the crate's root");
        red(check, "use super::LockName;\n", 1, "the crate's root");
        for path in ["crates/a/src/b/c.rs", "crates/a/src/lib.rs"] {
            assert_eq!(findings(check, path, "use super::LockName;\n"), []);
        }
        red(
            check,
            "fn f(\n    name: &crate::LockName,\n) {}\n",
            2,
            "the crate's root",
        );
    }

    #[test]
    fn groups_in_another_order_or_without_their_blank_line_are_red() {
        red(
            check,
            "use bytes::Bytes;\n\nuse std::fmt;\n",
            3,
            "three groups",
        );
        red(check, "use super::a;\n\nuse b::c;\n", 3, "three groups");
        red(check, "use std::fmt;\nuse bytes::Bytes;\n", 2, "separates");
        red(check, "use a::b;\n\nuse c::d;\n", 3, "no blank line");
    }
}
