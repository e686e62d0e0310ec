//! The parts of a span and of an event that are kept.

use std::collections::BTreeMap;
use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Level, Metadata};

/// The fields of a span or an event, by name, as text.
///
/// Strings are kept as they are, all other values as their `Debug` text (of a `%value`, that is its
/// `Display` text).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Fields(BTreeMap<String, String>);

/// A span that was captured.
#[derive(Clone, Debug)]
pub struct Span {
    /// The name that the macro was given.
    pub name: &'static str,
    /// The module that the span was written in, unless the macro was given another target.
    pub target: String,
    /// The level that the macro was given.
    pub level: Level,
    /// The fields, including those that were recorded after the span had begun.
    pub fields: Fields,
    /// Whether the span has ended.
    pub closed: bool,
}

/// An event that was captured: a log line.
#[derive(Clone, Debug)]
pub struct Event {
    /// The module that the event was written in, unless the macro was given another target.
    pub target: String,
    /// The level that the macro was given.
    pub level: Level,
    /// The text of the line, without the fields.
    pub message: String,
    /// The fields, without the message.
    pub fields: Fields,
    /// The spans that the event was written in, with the fields that they had then. Outermost
    /// first.
    pub spans: Vec<Span>,
}

// ===== impl Fields =====

impl Fields {
    /// Returns the value of the field `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns the names and values of all fields, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn extend(&mut self, later: Self) {
        self.0.extend(later.0);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

// ===== impl Span =====

impl Span {
    pub(super) fn new(metadata: &Metadata<'static>, fields: Fields) -> Self {
        Self {
            name: metadata.name(),
            target: metadata.target().to_owned(),
            level: *metadata.level(),
            fields,
            closed: false,
        }
    }
}

// ===== impl Event =====

impl Event {
    pub(super) fn new(metadata: &Metadata<'_>, mut fields: Fields, spans: Vec<Span>) -> Self {
        Self {
            target: metadata.target().to_owned(),
            level: *metadata.level(),
            message: fields.0.remove("message").unwrap_or_default(),
            fields,
            spans,
        }
    }
}
