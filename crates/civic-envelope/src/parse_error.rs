//! What a JSON parser found wrong, without the value that it found.

use std::error::Error as StdError;
use std::fmt;

use serde_json::error::Category;

use crate::json::{JsonKind, locate};

/// The most bytes of what a type says that it expects.
const MAX_EXPECTED_BYTES: usize = 256;

/// The error of a JSON text: where, and what is wrong.
///
/// The parser's own error quotes the value that it found, whole: a name, an address, or megabytes.
/// This one names the kind of the value instead.
pub(crate) struct ParseError {
    path: String,
    line: usize,
    column: usize,
    what: String,
}

impl ParseError {
    /// Describes an error of the parser in `text`.
    pub(crate) fn new(error: &serde_json::Error, text: &str) -> Self {
        let (path, found) = locate(text, error.line(), error.column());
        Self {
            path,
            line: error.line(),
            column: error.column(),
            what: describe(error, found),
        }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn line(&self) -> usize {
        self.line
    }

    pub(crate) fn column(&self) -> usize {
        self.column
    }
}

/// Returns what is wrong, in words of the parser or the type only.
pub(crate) fn describe(error: &serde_json::Error, found: Option<JsonKind>) -> String {
    let message = error.to_string();
    let message = message
        .rfind(" at line ")
        .map_or(&*message, |end| &message[..end]);
    if error.classify() != Category::Data {
        // A fixed sentence of the parser.
        return cut(message).to_owned();
    }
    for named in ["missing field `", "duplicate field `"] {
        if message.starts_with(named) {
            return cut(message).to_owned();
        }
    }
    let what = [
        "invalid type",
        "invalid value",
        "invalid length",
        "unknown field",
        "unknown variant",
    ]
    .into_iter()
    .find(|what| message.starts_with(what))
    .unwrap_or("the type does not accept the value");
    let expected = message
        .rfind(", expected ")
        .filter(|_| message.starts_with(what))
        .map_or("", |start| cut(&message[start..]));
    match found.filter(|_| what == "invalid type") {
        Some(found) => format!("{what}: {}{expected}", found.as_str()),
        None => format!("{what}{expected}"),
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_EXPECTED_BYTES)]
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            line,
            column,
            what,
        } = self;
        write!(f, "{what} at {path} (line {line}, column {column})")
    }
}

impl fmt::Debug for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StdError for ParseError {}
