//! The English of comments, documents and messages, as far as a program can tell.
//!
//! Only what is never right is listed: a rule with false alarms would be switched off. Code, in
//! fences or between backticks, is not read.

use super::finding::Finding;
use super::source::{Kind, Source, comment_of};

/// Words for a role that has a name: a caller, a replica, an operator.
const ROLES: &[&str] = &["nobody", "somebody", "whoever"];

/// Phrases and what to write.
const PHRASES: &[(&[&str], &str)] = &[
    (&["is", "there", "twice"], "write \"is a duplicate\""),
    (&["are", "there", "twice"], "write \"are duplicates\""),
    (&["for", "want", "of"], "write \"because there is no\""),
];

/// What is counted in "one … a …".
const COUNTED: &[&str] = &[
    "answer",
    "attempt",
    "binary",
    "call",
    "command",
    "connection",
    "crate",
    "entry",
    "event",
    "field",
    "file",
    "folder",
    "header",
    "id",
    "key",
    "line",
    "message",
    "method",
    "module",
    "noun",
    "object",
    "page",
    "process",
    "program",
    "promise",
    "queue",
    "record",
    "request",
    "response",
    "retry",
    "row",
    "script",
    "span",
    "step",
    "subcommand",
    "task",
    "test",
    "thread",
    "token",
    "word",
    "once",
    "twice",
];

/// Those that are verbs too: `call a service` is no count, `one call a service` is.
const VERBS: &[&str] = &[
    "attempt", "answer", "call", "command", "file", "header", "key", "line", "message", "name",
    "page", "process", "program", "promise", "queue", "record", "request", "retry", "row",
    "script", "step", "test",
];

/// What makes a noun of them.
const DETERMINERS: &[&str] = &["a", "an", "each", "every", "one", "three", "two"];

/// What it is counted by. No units of time: "once a second" is English.
const PER: &[&str] = &[
    "attempt",
    "authority",
    "binary",
    "call",
    "class",
    "column",
    "command",
    "connection",
    "crate",
    "endpoint",
    "event",
    "file",
    "function",
    "host",
    "job",
    "key",
    "layer",
    "lease",
    "line",
    "message",
    "method",
    "module",
    "name",
    "outage",
    "page",
    "process",
    "program",
    "replica",
    "request",
    "response",
    "retry",
    "row",
    "rule",
    "seed",
    "service",
    "span",
    "step",
    "store",
    "test",
    "tick",
    "token",
];

/// What may follow `one line a rule` in a sentence; after another word a clause begins, as in
/// `a token a service mints`.
const GOES_ON: &[&str] = &[
    "and", "as", "at", "but", "for", "however", "in", "on", "or", "plus", "so", "that", "which",
    "with",
];

/// With so many words a string literal is a message; below, it may be a user's name or a word list.
const MESSAGE: usize = 3;

/// A word and where it is.
struct Word {
    line: usize,
    /// In lower case, without punctuation.
    text: String,
    /// Punctuation follows it.
    ends: bool,
}

/// Lines of one comment or paragraph.
struct Block<'s> {
    kind: Kind,
    /// It is about the tests.
    in_tests: bool,
    /// Number and text.
    lines: Vec<(usize, &'s str)>,
}

pub(super) fn check(source: &Source, findings: &mut Vec<Finding>) {
    let mut report = |line, rule, message| {
        findings.push(Finding::new(source, line, rule, message));
    };
    for block in blocks(source) {
        for (line, message) in idioms(&block.lines) {
            report(line, "english", message);
        }
        if block.kind != Kind::Plain
            && !block.in_tests
            && let Some((line, message)) = fragment(&block.lines)
        {
            report(line, "docs", message);
        }
    }
    for (line, message) in messages(source).iter().flat_map(|lines| idioms(lines)) {
        report(line, "english", message);
    }
}

/// The string literals outside of the tests that are messages, with the number and text of each
/// line.
fn messages(source: &Source) -> Vec<Vec<(usize, &str)>> {
    let mut messages: Vec<Vec<(usize, &str)>> = Vec::new();
    for (number, line) in source.numbered().filter(|(_, line)| !line.in_tests) {
        for (index, text) in line.strings.iter().enumerate() {
            let text = text.trim_end_matches('\\');
            match messages.last_mut() {
                Some(message) if line.continues && index == 0 => message.push((number, text)),
                _ => messages.push(vec![(number, text)]),
            }
        }
    }
    let words = |(_, text): &(usize, &str)| text.split_whitespace().count();
    messages.retain(|lines| lines.iter().map(words).sum::<usize>() >= MESSAGE);
    messages
}

/// The same for a document, a manifest or a script.
pub(super) fn check_text(path: &str, text: &str, findings: &mut Vec<Finding>) {
    let mut fenced = false;
    let mut paragraph = Vec::new();
    let mut idioms_of = |paragraph: &mut Vec<(usize, &str)>| {
        for (line, message) in idioms(paragraph) {
            findings.push(Finding::at(path, line, "english", message));
        }
        paragraph.clear();
    };
    for (index, line) in text.lines().enumerate() {
        let comment = comment_of(path, line).unwrap_or_default().trim();
        if comment.starts_with("```") {
            fenced = !fenced;
        } else if comment.is_empty() || fenced {
            idioms_of(&mut paragraph);
        } else {
            paragraph.push((index + 1, comment));
        }
    }
    idioms_of(&mut paragraph);
}

/// The comments of a file, without the code in them; a doc comment is one block.
fn blocks(source: &Source) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut fenced = false;
    let mut after = None;
    for (number, line) in source.numbered() {
        let Some(comment) = &line.comment else {
            fenced = false;
            after = None;
            continue;
        };
        let joins = comment.alone && after == Some(comment.kind);
        after = Some(comment.kind);
        let text = comment.text.trim();
        let fence = text.starts_with("```");
        fenced ^= fence;
        let text = if fenced || fence { "" } else { text };
        match blocks.last_mut() {
            Some(block) if joins => block.lines.push((number, text)),
            _ => blocks.push(Block {
                kind: comment.kind,
                in_tests: line.in_tests,
                lines: vec![(number, text)],
            }),
        }
    }
    blocks
}

/// What is odd in a text, and on which line.
fn idioms(lines: &[(usize, &str)]) -> Vec<(usize, String)> {
    let words = words(lines);
    let mut found = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let rest = &words[index..];
        let text = word.text.as_str();
        if ROLES.contains(&text.trim_end_matches("'s")) {
            found.push((
                word.line,
                format!(
                    "\"{text}\": name the role (a caller, a replica, an operator), or write \"no one\""
                ),
            ));
        }
        let before = index
            .checked_sub(1)
            .map(|before| words[before].text.as_str());
        if let Some(words) = distributive(before, rest) {
            found.push((
                word.line,
                format!("\"{words}\": write \"per\" where a number is counted by something"),
            ));
        }
        if text == "also"
            && next_is(rest, &["when", "if"])
            && !word.ends
            && !matches!(before, Some("and" | "but" | "is" | "are"))
        {
            found.push((
                word.line,
                format!("\"also {}\": write \"even if\"", rest[1].text),
            ));
        }
        for (phrase, instead) in PHRASES {
            let matches = rest.len() >= phrase.len()
                && phrase
                    .iter()
                    .zip(rest)
                    .all(|(want, word)| word.text == *want);
            if matches {
                found.push((word.line, format!("\"{}\": {instead}", phrase.join(" "))));
            }
        }
    }
    found
}

fn next_is(rest: &[Word], any: &[&str]) -> bool {
    rest.get(1)
        .is_some_and(|word| any.contains(&word.text.as_str()))
}

/// `method an endpoint`, if that is what the text begins with.
fn distributive(before: Option<&str>, rest: &[Word]) -> Option<String> {
    let [counted, article, per, ..] = rest else {
        return None;
    };
    let is = !counted.ends
        && !article.ends
        && COUNTED.contains(&counted.text.as_str())
        && (!VERBS.contains(&counted.text.as_str())
            || before.is_some_and(|word| DETERMINERS.contains(&word)))
        && matches!(article.text.as_str(), "a" | "an")
        && PER.contains(&per.text.as_str())
        && (per.ends
            || rest
                .get(3)
                .is_none_or(|word| GOES_ON.contains(&word.text.as_str())));
    is.then(|| format!("{} {} {}", counted.text, article.text, per.text))
}

/// The words of a text; what is between backticks is one word that matches nothing.
fn words(lines: &[(usize, &str)]) -> Vec<Word> {
    let mut words = Vec::new();
    let mut in_code = false;
    for (line, text) in lines {
        if text.is_empty() {
            in_code = false;
        }
        for text in text.split_whitespace() {
            let ticks = text.matches('`').count();
            let code = in_code || ticks > 0;
            in_code ^= ticks % 2 == 1;
            let word = text.trim_matches(|c: char| !c.is_alphanumeric());
            words.push(Word {
                line: *line,
                text: if code {
                    "`".to_owned()
                } else {
                    word.to_lowercase()
                },
                ends: text.ends_with(['.', ',', ';', ':', '!', '?', ')', '"', '|', ']']),
            });
        }
        if let Some(last) = words.last_mut()
            && text.is_empty()
        {
            last.ends = true;
        }
    }
    words
}

/// Why a doc comment's first paragraph does not stand alone.
fn fragment(lines: &[(usize, &str)]) -> Option<(usize, String)> {
    let paragraph: Vec<_> = lines
        .iter()
        .take_while(|(_, text)| !text.is_empty())
        .collect();
    let (first, text) = paragraph.first()?;
    let (last, end) = paragraph.last()?;
    if text.starts_with(['#', '|', '[', '-', '*', '<']) {
        return None;
    }
    let count: usize = paragraph
        .iter()
        .map(|(_, text)| text.split_whitespace().count())
        .sum();
    if count < 3 && !begins_with_a_verb(text) {
        return Some((
            *first,
            format!("\"{text}\" is no sentence: say in the third person what it is or does"),
        ));
    }
    let ended = end
        .trim_end_matches([')', '"', '*', '`', ']'])
        .ends_with(['.', ':', '!', '?']);
    (!ended).then(|| {
        (
            *last,
            "the first paragraph of a doc comment is a sentence and ends with a full stop".into(),
        )
    })
}

/// "Wraps `inner`." is a sentence of two words, "Its port." is none.
fn begins_with_a_verb(text: &str) -> bool {
    let first = text.split_whitespace().next().unwrap_or_default();
    let is_word = first.chars().all(char::is_alphabetic);
    is_word && first.ends_with('s') && !matches!(first, "As" | "Its" | "This")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::fixture::{clean, red, red_in};

    #[test]
    fn plain_english_is_clean() {
        clean(
            check,
            "//! Sends one request per attempt.\n//!\n//! ```\n//! nobody\n//! ```\n\n\
             /// Mints a token a service can use, once a second at most, to call a service.\n///\n\
             /// `nobody` is a name, and 10.\nfn f() {}\n\n\
             /// Is told once a lease is lost, and also when\n/// it ends.\n\
             const A: &str = \"one line per rule\";\nconst C: &str = \"nobody\";\n\
             fn nobody() {}\n\
             mod tests {\n    /// Yes.\n    const B: &str = \"nobody\";\n}\n",
        );
    }

    #[test]
    fn a_role_without_a_name_is_red() {
        red(check, "// For nobody.\n", 1, "\"nobody\"");
        red(
            check,
            "/// Ends it for\n/// whoever (holds) it.\nfn f() {}\n",
            2,
            "\"whoever\"",
        );
        red(
            check,
            "fn f() {\n    warn!(\"It is somebody's lock\");\n}\n",
            2,
            "\"somebody's\"",
        );
        red_in(
            check,
            "crates/a/tests/it/b.rs",
            "// nobody\n",
            1,
            "\"nobody\"",
        );
    }

    #[test]
    fn a_for_per_is_red() {
        for text in [
            "One method an endpoint.",
            "a JSON object a line",
            "Writes one span an attempt, and no more.",
            "computed once a token.",
            "one line\n// a rule",
        ] {
            red(check, &format!("// So: {text}\n"), 1, "write \"per\"");
        }
    }

    #[test]
    fn a_message_is_read_across_its_lines() {
        let message = |end| format!("const A: &str = \"the lock of an \\\n    {end}\";\n");
        red(check, &message("nobody"), 2, "\"nobody\"");
        red(check, "f(\"is kept also \\\n  if\");\n", 1, "\"even if\"");
        clean(check, &message("owner\", \"nobody"));
    }

    #[test]
    fn also_when_for_even_if_is_red() {
        red(check, "// Kept, also if it is late.\n", 1, "\"even if\"");
    }

    #[test]
    fn other_phrases_are_red() {
        red(check, "// A name is there twice.\n", 1, "duplicate");
        red(
            check,
            "fn f() {\n    warn!(\"refused for want of a lock\");\n}\n",
            2,
            "because there is no",
        );
    }

    #[test]
    fn a_doc_comment_that_is_no_sentence_is_red() {
        red(check, "/// The layer.\nstruct A;\n", 1, "is no sentence");
        red(check, "/// 10 s.\nconst A: u8 = 1;\n", 1, "is no sentence");
        red(check, "/// Its port.\nfn a() {}\n", 1, "is no sentence");
        clean(check, "/// Wraps `inner`.\nfn a() {}\n");
        red(
            check,
            "//! What this does\n//! and more\n//!\n//! Text.\n",
            2,
            "full stop",
        );
    }

    #[test]
    fn documents_and_manifests_are_read_too() {
        let findings = |path: &str, text: &str| {
            let mut findings = Vec::new();
            check_text(path, text, &mut findings);
            findings.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            findings(
                "docs/a.md",
                "# A\n\nOne line\na rule.\n\n```\nnobody\n```\n"
            ),
            [
                "docs/a.md:3: english: \"line a rule\": write \"per\" where a number is counted by something"
            ]
        );
        assert_eq!(findings("a.toml", "# nobody\nnobody = 1\n").len(), 1);
        assert_eq!(findings("a.lua", "return nobody -- nobody\n").len(), 1);
    }
}
