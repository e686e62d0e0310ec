//! Reading a JSON text without building a tree of it.
//!
//! A [`Json`] is one value of a text that a parser has already accepted. Its members and elements
//! are slices of the text; nothing is decoded or allocated until a piece of text is asked for, and
//! then at most as much as is asked for.
//!
//! Strings are read as Node reads them: half of a surrogate pair, which Node writes when a text is
//! cut inside an emoji, becomes U+FFFD.

use std::str::Chars;

use serde::de::IgnoredAny;

/// How many levels of a path are named. What lies deeper belongs to the last named level.
const MAX_PATH_LEVELS: usize = 32;

/// The most characters of a member's name in a path.
const MAX_NAME_CHARACTERS: usize = 64;

/// One value of a JSON text that is known to be valid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Json<'a>(&'a str);

/// The kinds of value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum JsonKind {
    Null,
    Boolean,
    Number,
    String,
    List,
    Object,
}

/// The members of an object, or the elements of a list.
pub(crate) struct Values<'a> {
    rest: &'a str,
}

/// The characters of a string.
struct Characters<'a>(Chars<'a>);

// ===== impl Json =====

impl<'a> Json<'a> {
    /// Checks that the text is one JSON value.
    pub(crate) fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<IgnoredAny>(text).map(|_| Self::trusted(text))
    }

    /// Takes a text that a parser has accepted.
    pub(crate) fn trusted(text: &'a str) -> Self {
        Self(trim(text))
    }

    pub(crate) fn kind(self) -> JsonKind {
        match self.0.as_bytes().first() {
            Some(b'"') => JsonKind::String,
            Some(b'{') => JsonKind::Object,
            Some(b'[') => JsonKind::List,
            Some(b't' | b'f') => JsonKind::Boolean,
            Some(b'n') | None => JsonKind::Null,
            Some(_) => JsonKind::Number,
        }
    }

    /// Returns the text of a string, at most `max` bytes of it.
    pub(crate) fn text(self, max: usize) -> Option<String> {
        let mut text = String::new();
        for character in self.characters()? {
            if text.len() + character.len_utf8() > max {
                break;
            }
            text.push(character);
        }
        Some(text)
    }

    /// Returns whether this is a string with exactly this text.
    pub(crate) fn is(self, text: &str) -> bool {
        self.characters()
            .is_some_and(|characters| characters.eq(text.chars()))
    }

    /// Returns whether this is a string with something to read in it.
    pub(crate) fn has_text(self) -> bool {
        self.characters()
            .is_some_and(|mut characters| characters.any(|character| !character.is_whitespace()))
    }

    /// Returns the digits of a number that is a small whole one.
    pub(crate) fn as_u16(self) -> Option<u16> {
        match self.kind() {
            JsonKind::Number => self.0.parse().ok(),
            _ => None,
        }
    }

    /// Iterates over the elements of a list; over nothing for other kinds.
    pub(crate) fn elements(self) -> impl Iterator<Item = Json<'a>> {
        let mut values = self.values(JsonKind::List);
        std::iter::from_fn(move || values.take())
    }

    /// Iterates over names and values of an object's members; over nothing for other kinds.
    pub(crate) fn members(self) -> impl Iterator<Item = (Json<'a>, Json<'a>)> {
        let mut values = self.values(JsonKind::Object);
        std::iter::from_fn(move || Some((values.take()?, values.take()?)))
    }

    fn values(self, kind: JsonKind) -> Values<'a> {
        let rest = match self.kind() == kind {
            true => self.0.get(1..).unwrap_or_default(),
            false => "",
        };
        Values { rest }
    }

    fn characters(self) -> Option<Characters<'a>> {
        self.0
            .strip_prefix('"')
            .map(|rest| Characters(rest.chars()))
    }
}

// ===== impl JsonKind =====

impl JsonKind {
    /// Returns the kind in words, with an article.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }
}

// ===== impl Values =====

impl<'a> Values<'a> {
    fn take(&mut self) -> Option<Json<'a>> {
        let separator = |character| matches!(character, ' ' | '\t' | '\r' | '\n' | ',' | ':');
        let rest = self.rest.trim_start_matches(separator);
        let end = end_of_value(rest.as_bytes())?;
        let (value, rest) = rest.split_at_checked(end)?;
        self.rest = rest;
        Some(Json(value))
    }
}

// ===== impl Characters =====

impl Iterator for Characters<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        Some(match self.0.next()? {
            '"' => {
                self.0 = "".chars();
                return None;
            }
            '\\' => match self.0.next()? {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => self.escape(),
                plain => plain,
            },
            plain => plain,
        })
    }
}

impl Characters<'_> {
    /// Reads what follows `\u`.
    fn escape(&mut self) -> char {
        let unit = unit(&mut self.0);
        if (0xd800..0xdc00).contains(&unit) {
            let mut ahead = self.0.clone();
            if (ahead.next(), ahead.next()) == (Some('\\'), Some('u')) {
                let low = self::unit(&mut ahead);
                if (0xdc00..0xe000).contains(&low) {
                    self.0 = ahead;
                    let both = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                    return char::from_u32(both).unwrap_or(char::REPLACEMENT_CHARACTER);
                }
            }
        }
        char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)
    }
}

/// Reads four hexadecimal digits.
fn unit(characters: &mut Chars<'_>) -> u32 {
    let digits = characters.by_ref().take(4);
    digits.fold(0, |unit, digit| {
        unit << 4 | digit.to_digit(16).unwrap_or_default()
    })
}

/// Returns the length of the value with which the bytes begin, or `None` if none begins there.
fn end_of_value(bytes: &[u8]) -> Option<usize> {
    match bytes.first()? {
        b'"' => end_of_string(bytes),
        b'{' | b'[' => {
            let (mut at, mut depth) = (0, 0_usize);
            loop {
                match bytes.get(at)? {
                    b'"' => at += end_of_string(&bytes[at..])? - 1,
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    return Some(at);
                }
            }
        }
        b'}' | b']' => None,
        _ => Some(
            bytes
                .iter()
                .position(|byte| b" \t\r\n,:]}".contains(byte))
                .unwrap_or(bytes.len()),
        ),
    }
}

/// Returns the length of the string with which the bytes begin, with its quotes.
fn end_of_string(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

/// Where a parser stopped: the path of the value, and what kind of value it is.
///
/// The text need not be valid after that position.
pub(crate) fn locate(text: &str, line: usize, column: usize) -> (String, Option<JsonKind>) {
    /// What encloses the position: an object with the name of the present member, or a list with
    /// the number of the present element.
    enum Level<'a> {
        Object(Option<&'a str>),
        List(usize),
    }

    let bytes = text.as_bytes();
    let start_of_line = match line.checked_sub(2) {
        None => 0,
        Some(breaks) => bytes
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'\n')
            .nth(breaks)
            .map_or(bytes.len(), |(at, _)| at + 1),
    };
    let end = start_of_line.saturating_add(column).min(bytes.len());

    let mut levels: Vec<Level<'_>> = Vec::new();
    // How many levels more there are than are named.
    let mut deeper = 0_usize;
    let mut kind = None;
    let mut at = 0;
    while at < end {
        match bytes[at] {
            b'"' => {
                let length = end_of_string(&bytes[at..]).unwrap_or(bytes.len() - at);
                match levels.last_mut() {
                    Some(Level::Object(name @ None)) if deeper == 0 => {
                        *name = text.get(at..at + length);
                        kind = None;
                    }
                    _ => kind = Some(JsonKind::String),
                }
                at += length;
                continue;
            }
            opening @ (b'{' | b'[') => {
                if levels.len() == MAX_PATH_LEVELS {
                    deeper += 1;
                } else if opening == b'{' {
                    levels.push(Level::Object(None));
                } else {
                    levels.push(Level::List(0));
                }
                kind = Some(Json(&text[at..=at]).kind());
            }
            b'}' | b']' if deeper > 0 => deeper -= 1,
            closing @ (b'}' | b']') => {
                levels.pop();
                kind = Some(match closing {
                    b'}' => JsonKind::Object,
                    _ => JsonKind::List,
                });
            }
            b',' if deeper == 0 => match levels.last_mut() {
                Some(Level::Object(name)) => *name = None,
                Some(Level::List(index)) => *index += 1,
                None => {}
            },
            b' ' | b'\t' | b'\r' | b'\n' | b':' | b',' => {}
            byte => {
                let scalar = match byte {
                    b't' | b'f' => JsonKind::Boolean,
                    b'n' => JsonKind::Null,
                    _ => JsonKind::Number,
                };
                kind = Some(scalar);
                at += end_of_value(&bytes[at..]).unwrap_or(1).max(1);
                continue;
            }
        }
        at += 1;
    }

    let mut path = "$".to_owned();
    for level in &levels {
        match level {
            Level::Object(None) => {}
            Level::Object(Some(name)) => {
                let characters = Json(name).characters().into_iter().flatten();
                path.push('.');
                path.extend(
                    characters
                        .take(MAX_NAME_CHARACTERS)
                        .flat_map(char::escape_debug),
                );
            }
            Level::List(index) => path.push_str(&format!("[{index}]")),
        }
    }
    (path, kind)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn half_of_a_surrogate_pair_is_a_replacement_character() {
        for (json, text) in [
            (r#""a\ud83d""#, "a\u{fffd}"),
            (r#""\ude00a""#, "\u{fffd}a"),
            (r#""\ud83d\ude00""#, "😀"),
            (r#""\ud83d\u0041""#, "\u{fffd}A"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
            (r#""\"\\\/\b\f\n\r\té""#, "\"\\/\u{8}\u{c}\n\r\té"),
        ] {
            let value = Json::parse(json).unwrap();
            assert_eq!(value.text(100).as_deref(), Some(text), "{json}");
            assert!(value.is(text), "{json}");
        }
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        let value = Json::parse(r#""éé""#).unwrap();
        assert_eq!(value.text(3).as_deref(), Some("é"));
    }

    #[test]
    fn a_position_is_the_path_of_the_value_that_ends_there() {
        let text = "{\"a\": [1,\n {\"b\\n\": \"x\"}], \"c\": null}";
        for (line, column, path, kind) in [
            (1, 7, "$.a[0]", Some(JsonKind::List)),
            (1, 8, "$.a[0]", Some(JsonKind::Number)),
            (2, 12, "$.a[1].b\\n", Some(JsonKind::String)),
            (2, 13, "$.a[1]", Some(JsonKind::Object)),
            (2, 14, "$.a", Some(JsonKind::List)),
            (2, 25, "$.c", Some(JsonKind::Null)),
            (2, 26, "$", Some(JsonKind::Object)),
            (9, 9, "$", Some(JsonKind::Object)),
        ] {
            assert_eq!(
                locate(text, line, column),
                (path.to_owned(), kind),
                "{line}:{column}"
            );
        }
    }

    proptest! {
        #[test]
        fn the_pieces_are_those_of_a_parser(text in r#"[ \[\]{}:,"ab0-9.\\u-]{0,24}"#) {
            let Ok(json) = Json::parse(&text) else { return Ok(()) };
            let Ok(value) = serde_json::from_str::<Value>(&text) else { return Ok(()) };
            match value {
                Value::Array(list) => {
                    let elements: Vec<Value> = json
                        .elements()
                        .map(|element| serde_json::from_str(element.0).unwrap())
                        .collect();
                    prop_assert_eq!(elements, list);
                }
                Value::Object(_) => {
                    for (name, member) in json.members() {
                        prop_assert!(serde_json::from_str::<String>(name.0).is_ok());
                        prop_assert!(serde_json::from_str::<Value>(member.0).is_ok());
                    }
                }
                Value::String(string) => prop_assert_eq!(json.text(100), Some(string)),
                _ => {}
            }
        }

        #[test]
        fn no_position_in_any_text_makes_it_panic(text: String, line in 0usize..4, column in 0usize..40) {
            let _ = locate(&text, line, column);
        }
    }
}
