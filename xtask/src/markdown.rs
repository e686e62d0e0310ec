//! What the checks of documents need to know of a Markdown text.
//!
//! No parser of Markdown: headings, fenced blocks, code between backticks and links, in the form in
//! which the documents here are written.

use std::collections::BTreeMap;

/// A Markdown text, taken apart.
#[derive(Debug, Default)]
pub(crate) struct Document {
    /// The anchors of its headings, as GitHub and rustdoc make them.
    pub(crate) anchors: Vec<String>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) links: Vec<Link>,
    /// What is between backticks.
    pub(crate) spans: Vec<Span>,
}

/// A fenced block.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Block {
    /// The line of its opening fence.
    pub(crate) line: usize,
    /// What stands after the fence, such as `rust,no_run`.
    pub(crate) info: String,
    pub(crate) lines: Vec<String>,
    /// The HTML comment on the line before it.
    pub(crate) comment: Option<String>,
}

/// A link, and where it leads.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Link {
    pub(crate) line: usize,
    pub(crate) target: String,
}

/// Code between backticks.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Span {
    pub(crate) line: usize,
    pub(crate) text: String,
}

// ===== impl Block =====

impl Block {
    /// Its language: the first word after the fence.
    pub(crate) fn language(&self) -> &str {
        self.info.split([',', ' ']).next().unwrap_or_default()
    }

    /// What else stands there.
    pub(crate) fn flags(&self) -> impl Iterator<Item = &str> {
        self.info
            .split([',', ' '])
            .skip(1)
            .filter(|flag| !flag.is_empty())
    }
}

// ===== impl Document =====

impl Document {
    pub(crate) fn read(text: &str) -> Self {
        let mut document = Self::default();
        // The text without blocks, line by line, so that a link may go over the end of a line.
        let mut prose = String::new();
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut open: Option<(usize, Block)> = None;
        let mut before = "";
        for (index, line) in text.lines().enumerate() {
            let fence = fence(line);
            match (&mut open, fence) {
                (Some((length, _)), Some((closing, ""))) if closing >= *length => {
                    if let Some((_, block)) = open.take() {
                        document.blocks.push(block);
                    }
                }
                (Some((_, block)), _) => block.lines.push(line.to_owned()),
                (None, Some((length, info))) => {
                    let block = Block {
                        line: index + 1,
                        info: info.to_owned(),
                        lines: Vec::new(),
                        comment: comment(before),
                    };
                    open = Some((length, block));
                }
                (None, None) => {
                    if let Some(title) = heading(line) {
                        document.anchors.push(anchor(title, &mut seen));
                    }
                    prose.push_str(line);
                }
            }
            prose.push('\n');
            before = line;
        }
        // One that is not closed goes on to the end.
        document.blocks.extend(open.map(|(_, block)| block));
        document.read_prose(&prose);
        document
    }

    /// Finds code between backticks, and links outside of it.
    fn read_prose(&mut self, prose: &str) {
        // A paragraph ends what is open in it.
        let mut line = 1;
        for paragraph in prose.split_inclusive("\n\n") {
            let plain = self.take_spans(paragraph, line);
            self.take_links(&plain, line);
            line += paragraph.matches('\n').count();
        }
    }

    /// Notes the code between backticks, and returns the paragraph with blanks in its place.
    fn take_spans(&mut self, paragraph: &str, first_line: usize) -> String {
        let mut plain = String::new();
        let mut rest = paragraph;
        while let Some(at) = rest.find('`') {
            let ticks = rest[at..].chars().take_while(|c| *c == '`').count();
            let (before, code) = rest.split_at(at);
            plain.push_str(before);
            let code = &code[ticks..];
            let closing = "`".repeat(ticks);
            let Some(end) = code.find(&closing) else {
                plain.push_str(&closing);
                rest = code;
                continue;
            };
            let text = &code[..end];
            self.spans.push(Span {
                line: first_line + plain.matches('\n').count(),
                text: text.split_whitespace().collect::<Vec<_>>().join(" "),
            });
            // A line's end stays one, and everything else is as wide as it was.
            plain.extend(text.chars().map(|c| if c == '\n' { '\n' } else { 'x' }));
            rest = &code[end + ticks..];
        }
        plain + rest
    }

    fn take_links(&mut self, plain: &str, first_line: usize) {
        let line_of = |at: usize| first_line + plain[..at].matches('\n').count();
        for (at, _) in plain.match_indices("](") {
            let inside = &plain[at + 2..];
            let mut depth = 1;
            let end = inside.find(|c| {
                depth += match c {
                    '(' => 1,
                    ')' => -1,
                    _ => 0,
                };
                depth == 0
            });
            let Some(end) = end else { continue };
            let target = inside[..end].split_whitespace().next().unwrap_or_default();
            self.links.push(Link {
                line: line_of(at),
                target: target.trim_matches(['<', '>']).to_owned(),
            });
        }
        // `[name]: target`, on a line of its own.
        let mut at = 0;
        for line in plain.split_inclusive('\n') {
            let definition = line
                .strip_prefix('[')
                .and_then(|line| line.split_once("]: "));
            // Words behind a reference are words.
            if let Some((_, target)) = definition
                && !target.trim().contains(' ')
            {
                self.links.push(Link {
                    line: line_of(at),
                    target: target.trim().to_owned(),
                });
            }
            at += line.len();
        }
    }
}

/// The number of backticks of a fence, and what stands behind them.
fn fence(line: &str) -> Option<(usize, &str)> {
    let line = line.trim_start();
    let length = line.chars().take_while(|c| *c == '`').count();
    let info = line[length..].trim();
    (length >= 3 && !info.contains('`')).then_some((length, info))
}

/// The words of an HTML comment that is alone on its line.
fn comment(line: &str) -> Option<String> {
    let words = line.trim().strip_prefix("<!--")?.strip_suffix("-->")?;
    Some(words.trim().to_owned())
}

fn heading(line: &str) -> Option<&str> {
    let level = line.chars().take_while(|c| *c == '#').count();
    let title = line[level..].strip_prefix(' ')?;
    (1..=6).contains(&level).then_some(title.trim())
}

/// The anchor of a heading; a second one of the same name gets a number.
fn anchor(title: &str, seen: &mut BTreeMap<String, usize>) -> String {
    // Of a link, the text.
    let mut text = String::new();
    let mut rest = title;
    while let Some((before, after)) = rest.split_once("](") {
        text.push_str(before);
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    text.push_str(rest);
    let name: String = text
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            c if c.is_alphanumeric() => Some(c),
            _ => None,
        })
        .collect();
    let count = seen.entry(name.clone()).or_default();
    *count += 1;
    match *count {
        1 => name,
        count => format!("{name}-{}", count - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# A `title`, with [a link](x.md)

Text with `code](no.md)` and [a
link](docs/a.md#b), ![an image](b.svg \"title\") and [`an` item](a::b(c)).

<!-- no_run: it does not end -->
```rust,no_run
# hidden [no](link.md)
`no span`
```

## Same
## Same

````text
```
````

[x]: https://example.com
[y]: which is no definition
";

    #[test]
    fn headings_links_blocks_and_spans_are_found_with_their_lines() {
        let document = Document::read(TEXT);
        assert_eq!(document.anchors, ["a-title-with-a-link", "same", "same-1"]);
        let links: Vec<_> = document
            .links
            .iter()
            .map(|link| (link.line, link.target.as_str()))
            .collect();
        assert_eq!(
            links,
            [
                (1, "x.md"),
                (4, "docs/a.md#b"),
                (4, "b.svg"),
                (4, "a::b(c)"),
                (19, "https://example.com"),
            ]
        );
        let spans: Vec<_> = document
            .spans
            .iter()
            .map(|span| (span.line, span.text.as_str()))
            .collect();
        assert_eq!(spans, [(1, "title"), (3, "code](no.md)"), (4, "an")]);
        let [rust, text] = &document.blocks[..] else {
            panic!("two blocks: {document:#?}")
        };
        assert_eq!((rust.line, rust.language()), (7, "rust"));
        assert_eq!(rust.flags().collect::<Vec<_>>(), ["no_run"]);
        assert_eq!(rust.comment.as_deref(), Some("no_run: it does not end"));
        assert_eq!(rust.lines.len(), 2);
        assert_eq!((text.line, text.lines.len()), (15, 1));
        assert_eq!(text.comment, None);
    }
}
