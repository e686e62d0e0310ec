//! The form of comments and documents: banners, the width of a line, nothing unfinished.

use super::finding::Finding;
use super::source::{Kind, Source, comment_of};

/// The widest line of a comment or document, in characters.
const WIDTH: usize = 100;

/// Marks of work that is not done.
const UNFINISHED: &[&str] = &["TODO", "FIXME", "XXX", "HACK"];

pub(super) fn check(source: &Source, findings: &mut Vec<Finding>) {
    let mut fenced = false;
    for (number, line) in source.numbered() {
        let Some(comment) = &line.comment else {
            fenced = false;
            continue;
        };
        let mut report = |rule, message| {
            findings.push(Finding::new(source, number, rule, message));
        };
        if comment.kind == Kind::Plain && is_banner(&comment.text) && !is_good_banner(&line.text) {
            report(
                "banners",
                "a banner is `// ===== impl Type =====`, at the beginning of the line".into(),
            );
        }
        let fence = comment.text.trim_start().starts_with("```");
        if let Some(message) = too_wide(&line.text, &comment.text, fenced || fence) {
            report("width", message);
        }
        fenced ^= fence;
        if let Some(message) = unfinished(&comment.text) {
            report("unfinished", message);
        }
    }
}

/// The same for a document, a manifest or a script.
pub(super) fn check_text(path: &str, text: &str, findings: &mut Vec<Finding>) {
    let document = path.ends_with(".md");
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        let mut report = |rule, message| {
            findings.push(Finding::at(path, index + 1, rule, message));
        };
        let Some(comment) = comment_of(path, line) else {
            continue;
        };
        let fence = document && comment.trim_start().starts_with("```");
        // Code may be longer, and a comment behind it cannot make it shorter.
        let code_is_wide = line.len() - comment.len() > WIDTH;
        if let Some(message) = too_wide(line, comment, fenced || fence || code_is_wide) {
            report("width", message);
        }
        fenced ^= fence;
        if let Some(message) = unfinished(comment) {
            report("unfinished", message);
        }
    }
}

/// Whether a comment draws a line.
fn is_banner(text: &str) -> bool {
    let text = text.trim();
    let Some(first) = text.chars().next() else {
        return false;
    };
    matches!(first, '=' | '-' | '#' | '*' | '~' | '/' | '+')
        && text.chars().take_while(|c| *c == first).count() >= 2
        && (text.ends_with(first) || text.chars().take_while(|c| *c == first).count() >= 3)
}

fn is_good_banner(line: &str) -> bool {
    line.strip_prefix("// ===== impl ")
        .and_then(|rest| rest.strip_suffix(" ====="))
        .is_some_and(|name| !name.trim().is_empty() && !name.contains('='))
}

fn too_wide(line: &str, comment: &str, fenced: bool) -> Option<String> {
    let width = line.chars().count();
    let exempt = fenced || comment.trim_start().starts_with('|') || comment.contains("://");
    (width > WIDTH && !exempt).then(|| {
        format!(
            "the line has {width} characters: wrap it at {WIDTH} (tables, URLs and code may be longer)"
        )
    })
}

fn unfinished(comment: &str) -> Option<String> {
    let mark = comment
        .split(|c: char| !c.is_alphanumeric())
        .find(|word| UNFINISHED.contains(word))?;
    Some(format!(
        "`{mark}`: finish it, or file an issue and take the comment out"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::fixture::{clean, red};

    fn findings(path: &str, text: &str) -> Vec<String> {
        let mut findings = Vec::new();
        check_text(path, text, &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn tidy_comments_are_clean() {
        let long = "x".repeat(120);
        clean(
            check,
            &format!(
                "//! | a table | {long} |\n//! See <https://example.com/{long}>.\n//!\n//! ```text\n//! {long}\n//! ```\n\n\
                 // ===== impl Layer<S> for X =====\n\n// - a list\n// --ttl is an option\nconst A: &str = \"{long} TODO\";\n"
            ),
        );
        assert_eq!(
            findings(
                "docs/a.md",
                &format!("| {long} |\n\n```\n{long}\n```\nSee https://example.com/{long}\n")
            ),
            [""; 0]
        );
        assert_eq!(
            findings("Cargo.toml", &format!("a = \"{long}\" # short\n")),
            [""; 0]
        );
    }

    #[test]
    fn a_banner_of_another_form_is_red() {
        for banner in [
            "// === impl A ===",
            "// ===== A =====",
            "    // ===== impl A =====",
            "// ---------- impl A",
            "////////////////////",
            "// ===== impl  =====",
        ] {
            red(check, &format!("{banner}\n"), 1, "a banner is");
        }
    }

    #[test]
    fn a_wide_comment_is_red() {
        let text = "word ".repeat(20);
        red(
            check,
            &format!("//! {text}\n"),
            1,
            "104 characters: wrap it at 100",
        );
        red(check, &format!("    let a = 1; // {text}\n"), 1, "wrap it");
        assert_eq!(
            findings("docs/a.md", &format!("# A\n\nword {text}end\n"))[0],
            "docs/a.md:3: width: the line has 108 characters: wrap it at 100 (tables, URLs and code may be longer)"
        );
        assert_eq!(findings("a.toml", &format!("# {text}\n")).len(), 1);
        assert_eq!(findings("a.lua", &format!("-- {text}\n")).len(), 1);
    }

    #[test]
    fn unfinished_work_is_red() {
        red(check, "// TODO: more\n", 1, "`TODO`");
        red(check, "/// Later (FIXME).\n", 1, "`FIXME`");
        assert_eq!(findings("docs/a.md", "TODO\n").len(), 1);
        assert_eq!(findings("a.toml", "a = \"#\" # TODO\n").len(), 1);
    }
}
