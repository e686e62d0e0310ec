//! The words of an error, wherever the peer's filter put them.
//!
//! Members are looked at as slices of the body, so that one odd member hides no other one, and
//! nothing is allocated but what is kept. Of duplicate members the last one counts, as on Node.

use super::detail::ErrorDetail;
use crate::correlation_id::CorrelationId;
use crate::json::{Json, JsonKind};

/// How many values deep words are looked for. A filter that puts a whole error under `message`
/// needs three, a nested validation error a few more.
const MAX_DEPTH: u8 = 8;

/// How many elements of a list are looked at for words.
const MAX_ELEMENTS: usize = 1024;

/// The most details that are kept of one error.
const MAX_DETAILS: usize = 64;

/// The most bytes of a member that is a name and not a sentence.
const MAX_NAME_BYTES: usize = 256;

/// The most bytes of the message of a detail.
const MAX_DETAIL_BYTES: usize = 1024;

/// The members that name the field of a validation error: class-validator, Spring, zod and
/// express-validator, FastAPI, RFC 9457.
const FIELD_NAMES: [&str; 6] = ["field", "property", "path", "param", "loc", "pointer"];

/// The members that say what is wrong with that field.
const FIELD_MESSAGES: [&str; 5] = ["message", "msg", "defaultMessage", "detail", "reason"];

/// The members of an error that have a meaning in some dialect.
#[derive(Default)]
pub(super) struct Members<'a> {
    pub(super) status_code: Option<Json<'a>>,
    pub(super) status: Option<Json<'a>>,
    pub(super) correlation_id: Option<Json<'a>>,
    pub(super) timestamp: Option<Json<'a>>,
    message: Option<Json<'a>>,
    title: Option<Json<'a>>,
    detail: Option<Json<'a>>,
    details: Option<Json<'a>>,
    errors: Option<Json<'a>>,
    error_description: Option<Json<'a>>,
    error: Option<Json<'a>>,
    code: Option<Json<'a>>,
}

/// Returns the words of an error object, at most `max` bytes of them.
pub(crate) fn words(error: Json<'_>, max: usize) -> Option<String> {
    Members::of(error).words(max, MAX_DEPTH)
}

// ===== impl Members =====

impl<'a> Members<'a> {
    pub(super) fn of(object: Json<'a>) -> Self {
        let mut members = Self::default();
        for (name, value) in object.members() {
            for (known, slot) in [
                ("statusCode", &mut members.status_code),
                ("status", &mut members.status),
                ("correlationId", &mut members.correlation_id),
                ("timestamp", &mut members.timestamp),
                ("message", &mut members.message),
                ("title", &mut members.title),
                ("detail", &mut members.detail),
                ("details", &mut members.details),
                ("errors", &mut members.errors),
                ("error_description", &mut members.error_description),
                ("error", &mut members.error),
                ("code", &mut members.code),
            ] {
                if name.is(known) {
                    *slot = Some(value);
                }
            }
        }
        members
    }

    pub(super) fn correlation_id(&self) -> Option<CorrelationId> {
        CorrelationId::parse(&self.correlation_id?.text(MAX_NAME_BYTES)?).ok()
    }

    /// Returns the words of the first member that has any.
    pub(super) fn words(&self, max: usize, depth: u8) -> Option<String> {
        let of = |member: Option<Json<'_>>| value_words(member?, max, depth);
        of(self.message)
            .or_else(|| self.problem(max))
            .or_else(|| of(self.detail))
            .or_else(|| of(self.error_description))
            .or_else(|| of(self.errors))
            .or_else(|| map_words(self.errors?, max))
            .or_else(|| of(self.details))
            .or_else(|| map_words(self.details?, max))
            .or_else(|| of(self.error))
    }

    /// Returns the short name of the error: the text `error`, also inside an object under `message`
    /// or `error`; or else the text `code`.
    pub(super) fn error(&self) -> Option<String> {
        let inner = [self.message, self.error]
            .into_iter()
            .flatten()
            .filter(|value| value.kind() == JsonKind::Object)
            .map(Members::of);
        let (errors, codes): (Vec<_>, Vec<_>) =
            inner.map(|members| (members.error, members.code)).unzip();
        [self.error]
            .into_iter()
            .chain(errors)
            .chain([self.code])
            .chain(codes)
            .flatten()
            .find(|name| name.has_text())?
            .text(MAX_NAME_BYTES)
    }

    /// Returns what is wrong with each field, as far as the error says so.
    pub(super) fn details(&self) -> Vec<ErrorDetail> {
        let inner = [self.message, self.error]
            .into_iter()
            .flatten()
            .filter(|value| value.kind() == JsonKind::Object)
            .map(Members::of)
            .flat_map(|inner| [inner.details, inner.errors, inner.message]);
        let mut details = Vec::new();
        for member in [self.details, self.errors, self.message, self.detail]
            .into_iter()
            .chain(inner)
            .flatten()
        {
            if !details.is_empty() {
                break;
            }
            for element in member.elements().take(MAX_ELEMENTS) {
                add_field(element, "", MAX_DEPTH, &mut details);
            }
        }
        for map in [self.details, self.errors].into_iter().flatten() {
            if details.is_empty() {
                add_map(map, &mut details);
            }
        }
        details
    }

    /// Returns `title` and `detail` of problem details (RFC 9457).
    fn problem(&self, max: usize) -> Option<String> {
        let texts = [self.title, self.detail].into_iter().flatten();
        join(
            texts
                .filter(|text| text.has_text())
                .filter_map(|text| text.text(max)),
            ": ",
            max,
        )
    }
}

fn value_words(value: Json<'_>, max: usize, depth: u8) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    match value.kind() {
        JsonKind::String if value.has_text() => value.text(max),
        JsonKind::List => {
            let elements = value.elements().take(MAX_ELEMENTS);
            join(
                elements.filter_map(|element| value_words(element, max, depth)),
                "; ",
                max,
            )
        }
        JsonKind::Object => {
            let mut details = Vec::new();
            add_field(value, "", depth, &mut details);
            join(details.iter().map(described), "; ", max)
                .or_else(|| Members::of(value).words(max, depth))
        }
        _ => None,
    }
}

fn map_words(map: Json<'_>, max: usize) -> Option<String> {
    let mut details = Vec::new();
    add_map(map, &mut details);
    join(details.iter().map(described), "; ", max)
}

/// Returns a detail in words. Validators whose message begins with the field's name say it once.
fn described(detail: &ErrorDetail) -> String {
    let (field, message) = (detail.field(), detail.message());
    let name = field.rsplit('.').next().unwrap_or(field);
    if field.is_empty() || message.starts_with(name) {
        message.to_owned()
    } else {
        format!("{field}: {message}")
    }
}

/// Joins texts until there are `max` bytes. What follows then is not looked at.
fn join(texts: impl IntoIterator<Item = String>, separator: &str, max: usize) -> Option<String> {
    let mut joined = String::new();
    for text in texts {
        for part in [if joined.is_empty() { "" } else { separator }, &text] {
            let rest = max - joined.len();
            joined.push_str(&part[..part.floor_char_boundary(rest)]);
        }
        if joined.len() + 4 > max {
            break;
        }
    }
    (!joined.is_empty()).then_some(joined)
}

/// Adds the error of one field, if this object is one, and those of the fields inside it.
fn add_field(entry: Json<'_>, prefix: &str, depth: u8, details: &mut Vec<ErrorDetail>) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    let (mut field, mut message, mut constraints, mut children) = (None, None, None, None);
    for (name, value) in entry.members() {
        if FIELD_NAMES.iter().any(|known| name.is(known)) {
            field = field_name(value).or(field);
        } else if FIELD_MESSAGES.iter().any(|known| name.is(known)) && value.has_text() {
            message = value.text(MAX_DETAIL_BYTES);
        } else if name.is("constraints") {
            constraints = Some(value);
        } else if name.is("children") {
            children = Some(value);
        }
    }
    let Some(field) = field else { return };
    let mut path = match prefix {
        "" => field,
        prefix => format!("{prefix}.{field}"),
    };
    path.truncate(path.floor_char_boundary(MAX_NAME_BYTES));
    let texts = constraints
        .into_iter()
        .flat_map(Json::members)
        .filter_map(|(_, text)| text.text(MAX_DETAIL_BYTES));
    if let Some(message) = join(texts, "; ", MAX_DETAIL_BYTES).or(message)
        && details.len() < MAX_DETAILS
    {
        details.push(ErrorDetail::new(path.clone(), message));
    }
    for child in children.into_iter().flat_map(Json::elements) {
        if details.len() < MAX_DETAILS {
            add_field(child, &path, depth, details);
        }
    }
}

/// Adds the errors of a map from fields to texts, or to lists of texts.
fn add_map(map: Json<'_>, details: &mut Vec<ErrorDetail>) {
    for (field, value) in map.members() {
        if details.len() == MAX_DETAILS {
            break;
        }
        let texts = value
            .elements()
            .chain([value])
            .filter(|text| text.has_text())
            .filter_map(|text| text.text(MAX_DETAIL_BYTES));
        if let Some(message) = join(texts, "; ", MAX_DETAIL_BYTES) {
            let field = field.text(MAX_NAME_BYTES).unwrap_or_default();
            details.push(ErrorDetail::new(field, message));
        }
    }
}

/// Returns the path of a field: a text that is not the path of a URL, or a list of names and
/// numbers.
fn field_name(value: Json<'_>) -> Option<String> {
    match value.kind() {
        JsonKind::String => value
            .text(MAX_NAME_BYTES)
            .map(|name| name.trim_start_matches("#/").replace('/', "."))
            .filter(|name| !name.is_empty() && !name.starts_with('.')),
        JsonKind::List => join(
            value.elements().filter_map(|name| {
                name.text(MAX_NAME_BYTES)
                    .or_else(|| name.as_u16().map(|index| index.to_string()))
            }),
            ".",
            MAX_NAME_BYTES,
        ),
        _ => None,
    }
}
