//! The documents: every link leads somewhere, and every block of Rust is what a reader pastes.
//!
//! `cargo test --doc` compiles and runs the blocks. This sees to it that none of them is left out,
//! and that what runs is what is shown.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::finding::Finding;
use super::source::{Kind, Source};
use super::tree::Tree;
use crate::markdown::{Block, Document, Link};
use crate::sh;

/// What a block of Rust can say beside its language.
const FLAGS: &[&str] = &[
    "no_run",
    "should_panic",
    "compile_fail",
    "ignore",
    TEST_HARNESS,
];

/// With it rustdoc runs the tests of a block, and without it none of them.
const TEST_HARNESS: &str = "test_harness";

/// With these it is not run as it is shown.
const NOT_RUN: &[&str] = &["no_run", "ignore"];

const NO_REASON: &str = "a block that is not run as it is shown says why, on the line before it: \
                         <!-- FLAG: it serves until it is stopped -->";

const LOOKS_LIKE_RUST: &str = "this looks like Rust: make it ```rust, so that it is compiled";

pub(super) fn check(tree: &Tree, findings: &mut Vec<Finding>) {
    let documents: BTreeMap<&str, Document> = tree
        .others
        .iter()
        // What is in a source folder is a part of another document.
        .filter(|(path, _)| path.ends_with(".md") && !path.contains("/src/"))
        .map(|(path, text)| (path.as_str(), Document::read(text)))
        .collect();
    for (path, document) in &documents {
        let place = place(path, &tree.sources);
        for link in &document.links {
            if let Some(message) = broken(path, link, place, &documents, &|file: &Path| {
                sh::root().join(file).exists()
            }) {
                findings.push(Finding::at(path, link.line, "links", message));
            }
        }
        for block in &document.blocks {
            if let Some((line, message)) = wrong(block, place) {
                findings.push(Finding::at(path, line, "blocks", message));
            }
        }
    }
}

/// Where a document is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    /// On GitHub, and by the doc tests of civic-docs.
    Repository,
    /// There, and on docs.rs and crates.io: it is the documentation of a library.
    Library,
    /// On GitHub only: no doc test reads it.
    Untested,
}

fn place(path: &str, sources: &[Source]) -> Place {
    let Some(folder) = path
        .strip_prefix("crates/")
        .and_then(|_| path.strip_suffix("README.md"))
    else {
        return match path.starts_with("crates/") || path.starts_with("xtask/") {
            true => Place::Untested,
            false => Place::Repository,
        };
    };
    let root = |file: &str| {
        let path = format!("{folder}src/{file}");
        sources.iter().find(|source| source.path == path)
    };
    let includes = |source: &Source| {
        let mut lines = source.lines.iter();
        lines.any(|line| line.text.contains("include_str!(\"../README.md\")"))
    };
    match (root("lib.rs"), root("main.rs")) {
        (Some(library), _) if includes(library) => Place::Library,
        _ => Place::Untested,
    }
}

/// Says what is wrong with a link.
fn broken(
    path: &str,
    link: &Link,
    place: Place,
    documents: &BTreeMap<&str, Document>,
    exists: &dyn Fn(&Path) -> bool,
) -> Option<String> {
    let target = link.target.as_str();
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = match target.split_once('#') {
        Some((file, anchor)) => (file, Some(anchor)),
        None => (target, None),
    };
    let is_path = file.contains('/') || Path::new(file).extension().is_some();
    if place == Place::Library && !file.is_empty() {
        // rustdoc resolves the name of an item, and refuses one that there is not.
        return is_path.then(|| {
            format!(
                "`{target}` leads nowhere on docs.rs and crates.io, where this is read too: write \
                 the whole address, or the name without a link"
            )
        });
    }
    let file = if file.is_empty() {
        PathBuf::from(path)
    } else {
        normal(&Path::new(path).parent()?.join(file))
    };
    if !exists(&file) && !documents.contains_key(file.to_str()?) {
        return Some(format!("`{target}`: there is no {}", file.display()));
    }
    let anchor = anchor?;
    let Some(document) = documents.get(file.to_str()?) else {
        return Some(format!(
            "`{target}`: only a document has headings, and {} is none",
            file.display()
        ));
    };
    let is_there = document.anchors.iter().any(|name| name == anchor);
    (!is_there).then(|| {
        format!(
            "`{target}`: {} has no such heading; it has {}",
            file.display(),
            document.anchors.join(", ")
        )
    })
}

/// A path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            component => normal.push(component),
        }
    }
    normal
}

/// Says what is wrong with a block, and where.
fn wrong(block: &Block, place: Place) -> Option<(usize, String)> {
    let at_fence = |message: String| Some((block.line, message));
    match block.language() {
        "" => at_fence("say what the block is: ```text, ```sh, ```toml, ```rust".into()),
        "rust" if place == Place::Untested => at_fence(
            "no doc test reads this document: show Rust in docs/, or in the README of a library"
                .into(),
        ),
        "rust" => wrong_rust(block),
        "text" if is_rust(block) => at_fence(LOOKS_LIKE_RUST.to_owned()),
        _ => None,
    }
}

fn wrong_rust(block: &Block) -> Option<(usize, String)> {
    if let Some(unknown) = block.flags().find(|flag| !FLAGS.contains(flag)) {
        return Some((
            block.line,
            format!("`{unknown}` is none of {}", FLAGS.join(", ")),
        ));
    }
    if let Some(message) = without_reason(block) {
        return Some((block.line, message));
    }
    let has_tests = block.lines.iter().any(|line| {
        let line = line.trim_start();
        line.starts_with("#[test]") || line.starts_with("#[tokio::test")
    });
    if has_tests != block.flags().any(|flag| flag == TEST_HARNESS) {
        return Some((
            block.line,
            format!("a block with tests, and no other, is ```rust,{TEST_HARNESS}: they are run"),
        ));
    }
    let hidden = block.lines.iter().position(|line| {
        let line = line.trim_start();
        line == "#" || line.starts_with("# ")
    })?;
    Some((
        block.line + 1 + hidden,
        "rustdoc hides a line that begins with `# `, and GitHub and crates.io show it: write the \
         block so that a reader can paste it"
            .into(),
    ))
}

/// Says that a block which is not run as it is shown does not say why.
fn without_reason(block: &Block) -> Option<String> {
    let mut words = block.info.split([',', ' ']);
    let flag = words.find(|word| NOT_RUN.contains(word))?;
    let reason = block
        .comment
        .as_deref()
        .and_then(|comment| comment.strip_prefix(flag));
    let reason = reason.and_then(|reason| reason.strip_prefix(": "));
    let has_reason = reason.is_some_and(|reason| reason.split_whitespace().count() >= 3);
    (!has_reason).then(|| NO_REASON.replace("FLAG", flag))
}

/// The same for the blocks of a source's documentation, where hidden lines stay hidden.
pub(super) fn check_source(source: &Source, findings: &mut Vec<Finding>) {
    if source.is_tests {
        return;
    }
    for (first, text) in documentation(source) {
        for block in Document::read(&text).blocks {
            let message = match block.language() {
                "text" if is_rust(&block) => Some(LOOKS_LIKE_RUST.to_owned()),
                _ => without_reason(&block),
            };
            if let Some(message) = message {
                findings.push(Finding::new(
                    source,
                    first + block.line - 1,
                    "blocks",
                    message,
                ));
            }
        }
    }
}

/// The doc comments of a source, each with its first line.
fn documentation(source: &Source) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut after = None;
    for (number, line) in source.numbered() {
        let comment = line
            .comment
            .as_ref()
            .filter(|comment| comment.kind != Kind::Plain);
        let kind = comment.map(|comment| comment.kind);
        if let Some(comment) = comment {
            let text = comment.text.strip_prefix(' ').unwrap_or(&comment.text);
            match found.last_mut() {
                Some((_, documentation)) if kind == after => {
                    documentation.push('\n');
                    documentation.push_str(text);
                }
                _ => found.push((number, text.to_owned())),
            }
        }
        after = kind;
    }
    found
}

/// Whether a block has lines that only Rust has.
fn is_rust(block: &Block) -> bool {
    block.lines.iter().any(|line| {
        let line = line.trim();
        line.ends_with(';') && (line.starts_with("let ") || line.starts_with("use "))
            || line.starts_with("#[") && line.ends_with(']')
            || line.starts_with("fn ") && line.ends_with('{')
            || line.ends_with("})?;")
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{clean, red};
    use super::*;

    fn links(path: &str, place: Place, text: &str) -> Vec<String> {
        let other = Document::read("# Rules\n## The order\n");
        let document = Document::read(text);
        let documents = BTreeMap::from([(path, Document::read(text)), ("docs/other.md", other)]);
        let exists = |file: &Path| file == Path::new("crates/a/src/lib.rs");
        document
            .links
            .iter()
            .filter_map(|link| broken(path, link, place, &documents, &exists))
            .collect()
    }

    #[test]
    fn a_link_leads_to_a_file_and_to_a_heading() {
        for text in [
            "[x](other.md)",
            "[x](other.md#the-order)",
            "[x](../crates/a/src/lib.rs)",
            "# Here\n[x](#here)",
            "[x](https://example.com/a.md#b)",
        ] {
            let found = links("docs/a.md", Place::Repository, text);
            assert_eq!(found, Vec::<String>::new(), "{text}");
        }
        for (text, says) in [
            ("[x](another.md)", "there is no docs/another.md"),
            ("[x](other.md#order)", "it has rules, the-order"),
            ("[x](#here)", "no such heading"),
            (
                "[x](../crates/a/src/lib.rs#l7)",
                "only a document has headings",
            ),
            ("[x]: ../other.md", "there is no other.md"),
        ] {
            let found = links("docs/a.md", Place::Repository, text);
            assert_eq!(found.len(), 1, "{text}");
            assert!(found[0].contains(says), "{text}: {found:?}");
        }
    }

    #[test]
    fn the_readme_of_a_library_has_no_links_into_the_repository() {
        let path = "crates/a/README.md";
        for text in ["[x](Secret::new)", "[x](crate::layer)", "# A\n[x](#a)"] {
            assert_eq!(links(path, Place::Library, text), Vec::<String>::new());
        }
        for text in [
            "[x](../../docs/other.md)",
            "[x](src/lib.rs)",
            "[x](other.md)",
        ] {
            let found = links(path, Place::Library, text);
            assert!(found[0].contains("docs.rs"), "{text}: {found:?}");
        }
    }

    fn block(text: &str, place: Place) -> Option<(usize, String)> {
        wrong(&Document::read(text).blocks[0], place)
    }

    #[test]
    fn a_block_of_rust_is_run_as_it_is_shown_or_says_why_not() {
        for text in [
            "```rust\nlet a = 1;\n#[derive(Debug)]\nstruct A;\n```",
            "<!-- no_run: it serves until stopped -->\n```rust,no_run\nlet a = 1;\n```",
            "```text\na -> b\n```",
            "```sh\n# a comment\n```",
            "```rust,should_panic\na();\n```",
            "```rust,test_harness\n#[test]\nfn a() {}\n```",
        ] {
            assert_eq!(block(text, Place::Repository), None, "{text}");
        }
        for (text, line, says) in [
            ("```rust,no_run\n```", 1, "says why"),
            ("<!-- no_run: slow -->\n```rust,no_run\n```", 2, "says why"),
            ("<!-- ignore: a b c -->\n```rust,no_run\n```", 2, "says why"),
            ("```rust,ignored\n```", 1, "none of no_run"),
            (
                "```rust\n#[tokio::test]\nasync fn a() {}\n```",
                1,
                "test_harness",
            ),
            (
                "```rust,test_harness\nfn main() {}\n```",
                1,
                "a block with tests",
            ),
            ("```rust\nlet a = 1;\n# let b = 2;\n```", 3, "hides"),
            ("```rust\n  #\n```", 2, "hides"),
            ("```\n```", 1, "say what the block is"),
            ("```text\nlet a = b();\n```", 1, "looks like Rust"),
            ("```text\n})?;\n```", 1, "looks like Rust"),
        ] {
            let (at, message) = block(text, Place::Repository).expect(text);
            assert_eq!(at, line, "{text}");
            assert!(message.contains(says), "{text}: {message}");
        }
        let untested = block("```rust\n```", Place::Untested).expect("it is not tested");
        assert!(untested.1.contains("no doc test reads"), "{untested:?}");
    }

    #[test]
    fn a_block_of_a_doc_comment_says_why_it_is_not_run() {
        for text in [
            "/// It is.\n///\n/// ```\n/// # let a = 1;\n/// ```\nfn f() {}\n",
            "//! It is.\n//!\n//! <!-- no_run: it needs a server -->\n//! ```no_run\n//! a();\n//! ```\n",
            "/// ```text\n/// a -> b\n/// ```\nfn f() {}\n",
        ] {
            clean(check_source, text);
        }
        let text = "/// It is.\n/// ```no_run\n/// a();\n/// ```\nfn f() {}\n";
        red(check_source, text, 2, "<!-- no_run: ");
        let text = "fn f() {}\n\n//! A.\n/// B.\n/// ```text\n/// let a = 1;\n/// ```\n";
        red(check_source, text, 5, "looks like Rust");
    }

    #[test]
    fn where_a_readme_is_read_depends_on_its_crate() {
        let sources = [
            Source::new(
                "crates/a/src/lib.rs",
                "#![doc = include_str!(\"../README.md\")]\n",
            ),
            Source::new(
                "crates/b/src/main.rs",
                "#![doc = include_str!(\"../README.md\")]\n",
            ),
        ];
        for (path, expected) in [
            ("README.md", Place::Repository),
            ("docs/developers/a.md", Place::Repository),
            ("crates/a/README.md", Place::Library),
            ("crates/b/README.md", Place::Untested),
            ("crates/b/NOTES.md", Place::Untested),
        ] {
            assert_eq!(place(path, &sources), expected, "{path}");
        }
    }
}
