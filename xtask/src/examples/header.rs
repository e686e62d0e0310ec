//! What the header of an example promises.

/// The lines that an example says it prints.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Header {
    lines: Vec<String>,
}

impl Header {
    /// Reads the header of an example that is run by this command.
    pub(super) fn read(text: &str, command: &str) -> Result<Self, String> {
        let header: Vec<&str> = text
            .lines()
            .map_while(|line| line.strip_prefix("//!"))
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .collect();
        if header.first().is_none_or(|first| first.is_empty()) {
            return Err("the header says first, in a sentence, what the example shows".into());
        }
        let commands = block(&header, "sh").ok_or_else(|| {
            format!("the header has no block ```sh with the command that runs it: {command}")
        })?;
        if commands != [command] {
            return Err(format!(
                "the block ```sh of the header is to have this line and no other: {command}"
            ));
        }
        let lines = block(&header, "text").unwrap_or_default();
        if lines
            .iter()
            .all(|line| line.trim_matches('…').trim().is_empty())
        {
            return Err("the header has no block ```text with what the example prints".into());
        }
        Ok(Self {
            lines: lines.into_iter().map(str::to_owned).collect(),
        })
    }

    /// Checks that every promised line was printed, in this order; others may stand between them.
    pub(super) fn compare(&self, printed: &str) -> Result<(), String> {
        let mut rest = printed.lines();
        for line in &self.lines {
            if !rest.any(|printed| matches(line, printed)) {
                return Err(format!(
                    "the line that its header promises was not printed: {line}\nit printed:\n{printed}"
                ));
            }
        }
        Ok(())
    }
}

/// The lines of the first fenced block with this info string.
fn block<'h>(header: &[&'h str], info: &str) -> Option<Vec<&'h str>> {
    let open = format!("```{info}");
    let begin = header.iter().position(|line| *line == open)? + 1;
    let length = header[begin..].iter().position(|line| *line == "```")?;
    Some(header[begin..begin + length].to_vec())
}

/// Whether a line is as promised, where `…` stands for anything, which is not nothing.
fn matches(promised: &str, printed: &str) -> bool {
    let mut parts = promised.split('…');
    let Some(mut rest) = parts.next().and_then(|first| printed.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        let at = match parts.peek() {
            // The last one ends the line.
            None => rest
                .len()
                .checked_sub(part.len())
                .filter(|_| rest.ends_with(part)),
            Some(_) => rest
                .char_indices()
                .skip(1)
                .map(|(at, _)| at)
                .find(|at| rest[*at..].starts_with(part)),
        };
        match at {
            Some(at) if at > 0 => rest = &rest[at + part.len()..],
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMAND: &str = "cargo run --package a --example b";

    fn header(block: &str) -> Result<Header, String> {
        let text =
            format!("//! What it shows.\n//!\n//! ```sh\n//! {COMMAND}\n//! ```\n//!\n{block}");
        Header::read(&text, COMMAND)
    }

    #[test]
    fn a_header_says_what_is_shown_how_to_run_it_and_what_it_prints() {
        assert_eq!(
            header("//! ```text\n//! a\n//!   b\n//! ```\nfn main() {}\n"),
            Ok(Header {
                lines: vec!["a".to_owned(), "  b".to_owned()]
            })
        );
        for (text, says) in [
            ("fn main() {}", "in a sentence"),
            ("//!\n//! x\n", "in a sentence"),
            ("//! It shows something.\n", COMMAND),
            (
                "//! It shows.\n//! ```sh\n//! cargo run\n//! ```\n",
                COMMAND,
            ),
        ] {
            let error = Header::read(text, COMMAND).expect_err(text);
            assert!(error.contains(says), "{text}: {error}");
        }
        for block in [
            "",
            "//! ```text\n//! ```\n",
            "//! ```text\n//! …\n//! ```\n",
        ] {
            let error = header(block).expect_err(block);
            assert!(error.contains("what the example prints"), "{error}");
        }
    }

    #[test]
    fn each_promised_line_is_printed_in_order() {
        let promised = header("//! ```text\n//! a\n//! c …\n//! ```\n").expect("a header");
        assert_eq!(promised.compare("a\nb\nc 7\n"), Ok(()));
        for printed in ["", "a\n", "c 7\na\n", "a\nc \n", "ab\nc 7\n"] {
            let error = promised.compare(printed).expect_err(printed);
            assert!(error.contains("was not printed"), "{error}");
        }
    }

    #[test]
    fn three_dots_stand_for_anything() {
        for (promised, printed) in [
            ("a", "a"),
            ("a…", "ab"),
            ("…c", "abc"),
            ("a…c", "abc"),
            ("a…c…e", "abcde"),
            ("a…c…", "acccd"),
            (r#"{"a":"…"}"#, r#"{"a":"é"}"#),
        ] {
            assert!(matches(promised, printed), "{promised} {printed}");
        }
        for (promised, printed) in [
            ("a", "ab"),
            ("a…", "a"),
            ("a…c", "ac"),
            ("a…c", "abcd"),
            ("a…c…e", "abe"),
            ("…", ""),
        ] {
            assert!(!matches(promised, printed), "{promised} {printed}");
        }
    }
}
