//! An answer that a defect changes.

use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};

/// What a service would have answered without its defect.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

// ===== impl Answer =====

impl Answer {
    pub(super) fn is_error(&self) -> bool {
        self.status.as_u16() >= 400
    }

    /// Writes something else wherever this text is.
    pub(super) fn replace(&mut self, text: &str, with: &str) {
        self.body = self.body.replace(text, with);
    }

    pub(super) fn set(&mut self, name: &'static str, value: &'static str) {
        self.headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }

    pub(super) fn remove(&mut self, name: &'static str) {
        self.headers.remove(HeaderName::from_static(name));
    }

    /// Empties the body.
    pub(super) fn clear(&mut self) {
        self.body.clear();
        self.headers.remove(CONTENT_TYPE);
    }

    /// Writes something else in place of the time of the envelope or the error.
    pub(super) fn change_time(&mut self, change: impl Fn(&str) -> String) {
        const MEMBER: &str = "\"timestamp\":\"";
        let Some(at) = self.body.rfind(MEMBER) else {
            return;
        };
        let from = at + MEMBER.len() - 1;
        if let Some(length) = self.body[from + 1..].find('"') {
            let to = from + length + 2;
            let time = self.body[from + 1..to - 1].to_owned();
            self.body.replace_range(from..to, &change(&time));
        }
    }

    /// The payload and the rest of an envelope of success, if this is one.
    pub(super) fn enveloped(&self) -> Option<(&str, &str)> {
        let inner = self.body.strip_prefix("{\"success\":true,\"data\":")?;
        let at = inner.rfind(",\"timestamp\":")?;
        Some(inner.split_at(at))
    }

    /// The value of a member of text, without its quotes.
    pub(super) fn text_of(&self, member: &str) -> Option<String> {
        let name = format!("\"{member}\":\"");
        let from = self.body.find(&name)? + name.len();
        let length = self.body[from..].find('"')?;
        Some(self.body[from..from + length].to_owned())
    }
}
