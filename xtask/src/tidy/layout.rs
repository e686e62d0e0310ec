//! Where modules and tests are, and how long a file may be.

use super::finding::Finding;
use super::source::Source;
use super::tree::Tree;

/// The most lines that a source file may have without its unit tests.
pub(super) const LENGTH: usize = 400;

/// The most lines with them: beyond that they move into a file of their own.
pub(super) const LENGTH_WITH_TESTS: usize = 500;

/// Rules for one file.
pub(super) fn check(source: &Source, findings: &mut Vec<Finding>) {
    let mut report = |line, rule, message| {
        findings.push(Finding::new(source, line, rule, message));
    };
    for (number, line) in source.numbered() {
        let code = line.code.replace(' ', "");
        if code.contains("#[path=") || code.contains(",path=\"") {
            report(
                number,
                "files",
                "`#[path]`: put the file where its module's name says".into(),
            );
        }
    }
    if source.is_test_file() {
        return;
    }
    for (number, line) in source.numbered() {
        // A module of tests by another name is a module of tests in another place.
        if is_test_attribute(&line.code) && (source.is_tests || !line.in_mod_tests) {
            report(
                number,
                "unit-tests",
                "unit tests are in `#[cfg(test)] mod tests { … }` at the end of the file that they test, or in its `tests.rs`"
                    .into(),
            );
        }
        if line.in_module && line.code.trim_start().starts_with("mod tests") {
            if !source.is_marked(number - 1) {
                report(
                    number,
                    "unit-tests",
                    "`mod tests` needs `#[cfg(test)]` before it".into(),
                );
            }
            if line.code.contains('{')
                && let Some(after) = code_after(source, number)
            {
                report(
                    after,
                    "unit-tests",
                    "nothing follows the unit tests: move this above `mod tests`".into(),
                );
            }
        }
    }
    if source.is_tests {
        return;
    }
    let own = source.lines.iter().filter(|line| !line.in_tests).count();
    if own > LENGTH {
        report(
            LENGTH + 1,
            "length",
            format!(
                "the file has {own} lines without its unit tests: split it along its nouns, at {LENGTH} at most"
            ),
        );
    } else if source.lines.len() > LENGTH_WITH_TESTS {
        report(
            LENGTH_WITH_TESTS + 1,
            "length",
            format!(
                "the file has {} lines with its unit tests, {LENGTH_WITH_TESTS} at most: make the module a folder \
                 with `mod.rs` and `tests.rs`",
                source.lines.len()
            ),
        );
    }
}

fn is_test_attribute(code: &str) -> bool {
    let code = code.trim_start();
    code.starts_with("#[test]")
        || code.starts_with("#[tokio::test")
        || code
            .trim_start_matches("proptest::")
            .starts_with("proptest! {")
}

/// The first line with code behind the module that begins on this line.
fn code_after(source: &Source, number: usize) -> Option<usize> {
    source
        .numbered()
        .skip(number)
        .skip_while(|(_, line)| line.in_tests)
        .find(|(_, line)| !line.code.trim().is_empty())
        .map(|(number, _)| number)
}

/// Rules for files beside each other.
pub(super) fn check_tree(tree: &Tree, findings: &mut Vec<Finding>) {
    let paths: Vec<&str> = tree
        .sources
        .iter()
        .map(|source| source.path.as_str())
        .collect();
    for path in &paths {
        let folder = format!("{}/", path.trim_end_matches(".rs"));
        if paths.iter().any(|other| other.starts_with(&folder)) {
            findings.push(Finding::at(
                path,
                1,
                "files",
                format!("stands beside its folder: move it to `{folder}mod.rs`"),
            ));
        }
    }
    for (manifest, text) in &tree.others {
        let Some(package) = manifest.strip_suffix("Cargo.toml") else {
            continue;
        };
        for path in &paths {
            let Some(test) = path.strip_prefix(&format!("{package}tests/")) else {
                continue;
            };
            let is_binary = match test.split_once('/') {
                None => true,
                Some((folder, file)) => file == "main.rs" && folder != "it",
            };
            if is_binary {
                findings.push(Finding::at(
                    path,
                    1,
                    "integration-tests",
                    format!(
                        "one binary per crate has all its integration tests: make this a module of `{package}tests/it/main.rs`"
                    ),
                ));
            }
        }
        let mut lines = text.lines().enumerate();
        while let Some((index, line)) = lines.next() {
            // The one binary may need a feature, which is said here.
            let is_other = line.trim() == "[[test]]"
                && lines
                    .next()
                    .is_none_or(|(_, name)| name.replace(' ', "") != "name=\"it\"");
            if is_other {
                findings.push(Finding::at(
                    manifest,
                    index + 1,
                    "integration-tests",
                    "one binary per crate has all its integration tests: `name = \"it\"` follows `[[test]]`"
                        .into(),
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::fixture::{clean, findings, red};

    fn in_tree(files: &[(&str, &str)]) -> Vec<String> {
        let mut tree = Tree::default();
        for (path, text) in files {
            if path.ends_with(".rs") {
                tree.sources.push(Source::new(path, text));
            } else {
                tree.others.push(((*path).to_owned(), (*text).to_owned()));
            }
        }
        let mut findings = Vec::new();
        check_tree(&tree, &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_tidy_layout_is_clean() {
        clean(
            check,
            "fn f() {}\n\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn g() {}\n}\n",
        );
        clean(check, "#[cfg(test)]\nmod tests;\n\nmod b;\n");
        assert_eq!(
            in_tree(&[
                (
                    "crates/a/Cargo.toml",
                    "[package]\n[[test]]\nname = \"it\"\n"
                ),
                ("crates/a/src/lib.rs", ""),
                ("crates/a/src/b/mod.rs", ""),
                ("crates/a/src/b/tests.rs", ""),
                ("crates/a/tests/it/main.rs", ""),
                ("crates/a/tests/it/support/mod.rs", ""),
            ]),
            [""; 0]
        );
    }

    #[test]
    fn a_path_attribute_is_red() {
        red(check, "#[path = \"b.rs\"]\nmod a;\n", 1, "`#[path]`");
        red(
            check,
            "#[cfg_attr(test, path = \"b.rs\")]\nmod a;\n",
            1,
            "`#[path]`",
        );
    }

    #[test]
    fn a_unit_test_in_another_place_is_red() {
        for text in [
            "#[test]\nfn f() {}\n",
            "#[tokio::test(start_paused = true)]\nasync fn f() {}\n",
            "proptest! {\n}\n",
            "proptest::proptest! {\n}\n",
        ] {
            red(check, text, 1, "unit tests are in");
        }
        red(
            check,
            "#[cfg(test)]\nmod checks {\n    #[test]\n    fn f() {}\n}\n",
            3,
            "unit tests are in",
        );
        red(check, "mod tests {\n}\n", 1, "needs `#[cfg(test)]`");
        red(
            check,
            "#[cfg(test)]\nmod tests {\n}\n\nfn f() {}\n",
            5,
            "nothing follows",
        );
    }

    #[test]
    fn a_long_file_is_red() {
        let tests = |lines| format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "\n".repeat(lines));
        clean(check, &"\n".repeat(LENGTH));
        red(
            check,
            &"\n".repeat(LENGTH + 1),
            LENGTH + 1,
            "split it along its nouns",
        );
        clean(check, &format!("{}{}", "\n".repeat(LENGTH - 3), tests(100)));
        red(
            check,
            &format!("{}{}", "\n".repeat(LENGTH - 3), tests(101)),
            LENGTH_WITH_TESTS + 1,
            "a folder",
        );
        assert_eq!(
            findings(check, "crates/a/tests/it/b.rs", &"\n".repeat(1000)),
            []
        );
    }

    #[test]
    fn a_file_beside_its_folder_is_red() {
        assert_eq!(
            in_tree(&[("crates/a/src/b.rs", ""), ("crates/a/src/b/c.rs", "")]),
            [
                "crates/a/src/b.rs:1: files: stands beside its folder: move it to `crates/a/src/b/mod.rs`"
            ]
        );
    }

    #[test]
    fn a_second_integration_test_binary_is_red() {
        let found = in_tree(&[
            (
                "crates/a/Cargo.toml",
                "[package]\n\n[[test]]\nname = \"b\"\n",
            ),
            ("crates/a/tests/b.rs", ""),
            ("crates/a/tests/c/main.rs", ""),
            ("crates/a/tests/it/main.rs", ""),
        ]);
        assert_eq!(found.len(), 3, "{found:#?}");
        assert!(found[0].starts_with("crates/a/tests/b.rs:1: integration-tests: one binary"));
        assert!(found[1].starts_with("crates/a/tests/c/main.rs:1: "));
        assert!(found[2].starts_with("crates/a/Cargo.toml:3: "));
    }
}
