//! What the unit tests of the rules share.

use super::finding::Finding;
use super::source::Source;

/// A rule over one file.
pub(super) trait Rule: Fn(&Source, &mut Vec<Finding>) {}

impl<F: Fn(&Source, &mut Vec<Finding>)> Rule for F {}

/// Asserts that published code like this is not complained of.
pub(super) fn clean(rule: impl Rule, text: &str) {
    assert_eq!(findings(rule, "crates/civic-lock/src/a.rs", text), []);
}

/// Asserts that the rule finds one thing in published code like this, on that line and in these
/// words.
pub(super) fn red(rule: impl Rule, text: &str, line: usize, words: &str) {
    red_in(rule, "crates/civic-lock/src/a.rs", text, line, words);
}

/// [`red`] in a file of another name.
pub(super) fn red_in(rule: impl Rule, path: &str, text: &str, line: usize, words: &str) {
    let found = findings(rule, path, text);
    let [finding] = &found[..] else {
        panic!("one finding was expected in {text:?}, not {found:#?}");
    };
    assert_eq!(finding.line, line, "{finding}");
    assert!(finding.message.contains(words), "{finding}");
    assert!(
        finding.to_string().starts_with(&format!("{path}:{line}: ")),
        "{finding}"
    );
}

pub(super) fn findings(rule: impl Rule, path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    rule(&Source::new(path, text), &mut findings);
    findings
}
