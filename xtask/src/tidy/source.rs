//! Rust source, split per line into code, comments and string literals.
//!
//! A lexer and not a parser: it knows comments (nested ones too), the kinds of string literals,
//! character literals and lifetimes, and counts braces. That is enough to ask "is this in a
//! comment?", "is this line directly in a module?", "is this in the unit tests?" without a false
//! answer, and needs no dependency.

/// A file of Rust source.
#[derive(Debug)]
pub(super) struct Source {
    /// The path below the workspace's root, with `/`.
    pub(super) path: String,
    pub(super) lines: Vec<Line>,
    /// The file has nothing but tests or what tests need.
    pub(super) is_tests: bool,
}

/// One line of it.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// The line as it stands.
    pub(super) text: String,
    /// The code: without comments, and with empty string literals.
    pub(super) code: String,
    pub(super) comment: Option<Comment>,
    /// The contents of the string literals that are, or go on, on this line.
    pub(super) strings: Vec<String>,
    /// The first of them began on an earlier line.
    pub(super) continues: bool,
    /// The line begins directly in a module (inline ones too), not in a function, type or macro.
    pub(super) in_module: bool,
    /// The line is part of `#[cfg(test)] mod … { }`, or of a file of tests.
    pub(super) in_tests: bool,
    /// The line is part of `mod tests { }`.
    pub(super) in_mod_tests: bool,
}

#[derive(Debug)]
pub(super) struct Comment {
    pub(super) kind: Kind,
    /// What follows the marker, trimmed at its end.
    pub(super) text: String,
    /// No code stands before it.
    pub(super) alone: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// `//!`: about the module.
    Inner,
    /// `///`: about the next item.
    Outer,
    /// `//` and `/* */`.
    Plain,
}

/// What the lexer is inside of at a line's beginning.
enum State {
    Code,
    /// A block comment, so many levels deep.
    Block(usize),
    /// A string literal: `None` with escapes, else raw, closed by a quote and so many `#`.
    Text(Option<usize>),
}

/// What a `{` opened.
enum Scope {
    Module {
        /// It is compiled for tests only.
        tests: bool,
        /// Its name is `tests`.
        named_tests: bool,
    },
    Other,
}

// ===== impl Source =====

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let is_tests = is_test_file(path);
        let mut lines = split(text);
        nest(&mut lines, is_tests);
        Self {
            path: path.to_owned(),
            lines,
            is_tests,
        }
    }

    /// The lines with their numbers, counted from 1.
    pub(super) fn numbered(&self) -> impl Iterator<Item = (usize, &Line)> {
        self.lines
            .iter()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }

    /// Whether the file is where tests are by its name, whatever declares it.
    pub(super) fn is_test_file(&self) -> bool {
        is_test_file(&self.path)
    }

    /// Takes the file for tests: its module is declared with `#[cfg(test)]`.
    pub(super) fn mark_as_tests(&mut self) {
        self.is_tests = true;
        for line in &mut self.lines {
            line.in_tests = true;
        }
    }

    /// The modules with files of their own that are declared here, and whether under
    /// `#[cfg(test)]`.
    pub(super) fn declared(&self) -> impl Iterator<Item = (&str, bool)> {
        self.lines.iter().enumerate().filter_map(|(index, line)| {
            let name = declared(&line.code)?;
            Some((name, self.is_marked(index)))
        })
    }

    /// Whether `#[cfg(test)]` is among the attributes directly before a line.
    pub(super) fn is_marked(&self, index: usize) -> bool {
        self.lines[..index]
            .iter()
            .rev()
            .map(|line| line.code.trim())
            .take_while(|code| code.starts_with("#["))
            .any(|code| code == "#[cfg(test)]")
    }

    /// The folder of the files of this file's modules.
    pub(super) fn folder(&self) -> &str {
        let (folder, file) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        match file {
            "lib.rs" | "main.rs" | "mod.rs" => folder,
            _ => self.path.trim_end_matches(".rs"),
        }
    }
}

fn is_test_file(path: &str) -> bool {
    path.split('/')
        .any(|part| matches!(part, "tests" | "benches" | "tests.rs"))
}

/// What a line of another text file says to its reader: of a document all, else what is in its
/// comment.
pub(super) fn comment_of<'l>(path: &str, line: &'l str) -> Option<&'l str> {
    match path.rsplit('.').next()? {
        "md" => Some(line),
        "toml" => toml_comment(line),
        "lua" => line.split_once("--").map(|(_, comment)| comment),
        _ => None,
    }
}

/// What follows the `#` that is not in a string.
fn toml_comment(line: &str) -> Option<&str> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match quote {
            _ if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '#' => return Some(&line[at + 1..]),
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None => {}
        }
    }
    None
}

/// The name of a module that has a file, if the line declares one.
fn declared(code: &str) -> Option<&str> {
    let name = code
        .trim()
        .strip_suffix(';')?
        .rsplit_once("mod ")
        .filter(|(visibility, _)| visibility.is_empty() || visibility.starts_with("pub"))?
        .1;
    name.chars()
        .all(|c| c.is_alphanumeric() || c == '_')
        .then_some(name)
}

/// Lexes the text.
fn split(text: &str) -> Vec<Line> {
    let mut state = State::Code;
    text.lines()
        .map(|text| {
            let mut line = Line {
                text: text.to_owned(),
                ..Line::default()
            };
            let chars: Vec<char> = text.chars().collect();
            let mut at = 0;
            if let State::Text(_) = state {
                line.strings.push(String::new());
                line.continues = true;
            }
            while at < chars.len() {
                at = step(&mut state, &mut line, &chars, at);
            }
            if let Some(comment) = &mut line.comment {
                comment.text.truncate(comment.text.trim_end().len());
            }
            line
        })
        .collect()
}

/// Takes one token, or one character of one, and returns where the next begins.
fn step(state: &mut State, line: &mut Line, chars: &[char], at: usize) -> usize {
    let rest = &chars[at..];
    match state {
        State::Code => code(state, line, chars, at),
        State::Block(depth) => {
            if rest.starts_with(&['*', '/']) {
                *depth -= 1;
                if *depth == 0 {
                    *state = State::Code;
                }
                return at + 2;
            }
            if rest.starts_with(&['/', '*']) {
                *depth += 1;
                return at + 2;
            }
            let alone = line.code.trim().is_empty();
            line.comment
                .get_or_insert_with(|| Comment {
                    kind: Kind::Plain,
                    text: String::new(),
                    alone,
                })
                .text
                .push(rest[0]);
            at + 1
        }
        State::Text(raw) => {
            let closing = raw.unwrap_or(0);
            if rest[0] == '"' && rest[1..].iter().take_while(|c| **c == '#').count() >= closing {
                line.code.push('"');
                *state = State::Code;
                return at + 1 + closing;
            }
            let escaped = raw.is_none() && rest[0] == '\\';
            if let Some(text) = line.strings.last_mut() {
                text.extend(rest.iter().take(if escaped { 2 } else { 1 }));
            }
            at + if escaped { 2 } else { 1 }
        }
    }
}

fn code(state: &mut State, line: &mut Line, chars: &[char], at: usize) -> usize {
    let rest = &chars[at..];
    if rest.starts_with(&['/', '/']) {
        let text: String = rest.iter().collect();
        let (kind, marker) = match rest.get(2) {
            Some('!') => (Kind::Inner, 3),
            Some('/') if rest.get(3) != Some(&'/') => (Kind::Outer, 3),
            _ => (Kind::Plain, 2),
        };
        line.comment = Some(Comment {
            kind,
            text: text[marker..].to_owned(),
            alone: line.code.trim().is_empty(),
        });
        return chars.len();
    }
    if rest.starts_with(&['/', '*']) {
        *state = State::Block(1);
        return at + 2;
    }
    let after_name = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    if !after_name {
        // r"", r#""#, br"", b"", c"", cr"": not r#name.
        let prefix = rest
            .iter()
            .take(2)
            .take_while(|c| matches!(c, 'b' | 'c' | 'r'))
            .count();
        let hashes = rest[prefix..].iter().take_while(|c| **c == '#').count();
        let raw = prefix > 0 && rest[prefix - 1] == 'r';
        if rest.get(prefix + hashes) == Some(&'"') && (raw || hashes == 0) {
            line.code.push('"');
            line.strings.push(String::new());
            *state = State::Text(raw.then_some(hashes));
            return at + prefix + hashes + 1;
        }
    } else if rest[0] == '"' {
        line.code.push('"');
        line.strings.push(String::new());
        *state = State::Text(None);
        return at + 1;
    }
    if rest[0] == '\'' {
        // 'x', '\n', '\u{1F}': else it is a lifetime.
        let length = match rest.get(1) {
            Some('\\') => rest
                .get(3..)
                .and_then(|rest| rest.iter().position(|c| *c == '\''))
                .map(|end| end + 4),
            Some(_) if rest.get(2) == Some(&'\'') => Some(3),
            _ => None,
        };
        if let Some(length) = length {
            line.code.push_str("' '");
            return at + length;
        }
    }
    line.code.push(rest[0]);
    at + 1
}

/// Tells for each line what it is inside of.
fn nest(lines: &mut [Line], test_file: bool) {
    let mut scopes: Vec<Scope> = Vec::new();
    // The code since the last `;`, `{` or `}`: what a `{` belongs to.
    let mut head = String::new();
    for line in lines {
        line.in_module = scopes
            .iter()
            .all(|scope| matches!(scope, Scope::Module { .. }));
        line.in_tests = test_file
            || scopes
                .iter()
                .any(|scope| matches!(scope, Scope::Module { tests: true, .. }));
        line.in_mod_tests = scopes.iter().any(|scope| {
            matches!(
                scope,
                Scope::Module {
                    named_tests: true,
                    ..
                }
            )
        });
        for c in line.code.chars() {
            match c {
                '{' => {
                    scopes.push(scope(&head));
                    head.clear();
                }
                '}' => {
                    scopes.pop();
                    head.clear();
                }
                ';' => head.clear(),
                c => head.push(c),
            }
        }
        head.push(' ');
    }
}

fn scope(head: &str) -> Scope {
    let mut words = head.split_whitespace().rev();
    match (words.next(), words.next()) {
        (Some(name), Some("mod")) => Scope::Module {
            tests: name == "tests" || head.contains("cfg(test)"),
            named_tests: name == "tests",
        },
        _ => Scope::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_code_and_strings_are_told_apart() {
        let source = Source::new(
            "src/a.rs",
            r###"//! Inner "quoted".
/// Outer.
fn f<'a>(x: &'a str) -> char { '"' } // trailing
const A: &str = "a // no comment \" {";
const B: &str = r#"raw " // "#; /* block
still /* nested */ block */ const C: char = '\'';
const D: &[u8] = b"bytes";
const E: &str = "two
lines {"; let r#type = '\u{7b}';
//// A line.
"###,
        );
        let kinds: Vec<_> = source
            .lines
            .iter()
            .map(|line| {
                line.comment
                    .as_ref()
                    .map(|comment| (comment.kind, comment.text.as_str(), comment.alone))
            })
            .collect();
        assert_eq!(
            kinds,
            [
                Some((Kind::Inner, " Inner \"quoted\".", true)),
                Some((Kind::Outer, " Outer.", true)),
                Some((Kind::Plain, " trailing", false)),
                None,
                Some((Kind::Plain, " block", false)),
                Some((Kind::Plain, "still  nested  block", true)),
                None,
                None,
                None,
                Some((Kind::Plain, "// A line.", true)),
            ]
        );
        let strings: Vec<_> = source.lines.iter().map(|line| &line.strings[..]).collect();
        assert_eq!(strings[3], ["a // no comment \\\" {"]);
        assert_eq!(strings[4], ["raw \" // "]);
        assert_eq!(strings[6], ["bytes"]);
        assert_eq!(strings[7], ["two"]);
        assert_eq!(strings[8], ["lines {"]);
        assert_eq!(
            source.lines[2].code,
            "fn f<'a>(x: &'a str) -> char { ' ' } "
        );
        assert_eq!(source.lines[5].code.trim(), "const C: char = ' ';");
        assert_eq!(source.lines[8].code, "\"; let r#type = ' ';");
        assert!(source.lines.iter().all(|line| line.in_module));
    }

    #[test]
    fn the_comment_of_a_line_of_toml_is_outside_of_its_strings() {
        for (line, comment) in [
            ("# a", Some(" a")),
            (r##"a = "b#c" # "d""##, Some(r#" "d""#)),
            (r##"a = 'b#\' # c"##, Some(" c")),
            (r##"a = "b\"#c""##, None),
            ("a = 1", None),
        ] {
            assert_eq!(comment_of("a.toml", line), comment, "{line}");
        }
    }

    #[test]
    fn modules_and_tests_are_seen() {
        let source = Source::new(
            "src/a.rs",
            "fn f() {\n  let a = 1;\n}\n#[cfg(test)]\nmod tests {\n  type A = u8;\n  fn g() {\n  }\n}\nmod b {\n  x\n}\n",
        );
        let seen: Vec<_> = source
            .lines
            .iter()
            .map(|line| (line.in_module, line.in_tests))
            .collect();
        let code = (true, false);
        assert_eq!(
            seen,
            [
                code,
                (false, false),
                (false, false),
                code,
                code,
                (true, true),
                (true, true),
                (false, true),
                (true, true),
                code,
                code,
                code,
            ]
        );
    }
}
