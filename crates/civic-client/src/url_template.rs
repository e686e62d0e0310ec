//! The path template of a request.

use std::fmt;
use std::sync::Arc;

/// The path template of a request, such as `/users/{id}`.
///
/// Spans, log lines and errors name a request by its template, never by its path, because a path
/// contains ids. For that to hold, a template has to be text of the program: it converts from
/// `&'static str`, so that a template made with `format!` does not compile.
///
/// ```compile_fail
/// # fn example(client: &civic_client::ServiceClient, id: u32) {
/// client.get(format!("/users/{id}").as_str()); // Error: temporary value dropped while borrowed.
/// # }
/// ```
///
/// Write `client.get("/users/{id}").param("id", id)` instead: the parameter is percent-encoded and
/// stays one path segment. For a template that is known only at run time there is
/// [`UrlTemplate::dynamic`].
///
/// A request that is built by hand carries its template in its extensions:
///
/// ```
/// # use civic_client::UrlTemplate;
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(UrlTemplate::from("/users/{id}"));
/// ```
#[derive(Clone)]
pub struct UrlTemplate(Text);

#[derive(Clone)]
enum Text {
    Static(&'static str),
    Shared(Arc<str>),
}

impl UrlTemplate {
    /// Creates a template from text that is known only at run time, such as a route read from a
    /// configuration file.
    ///
    /// The text appears in spans, log lines, errors and metrics. Do not put ids or other values
    /// into it: they would be logged, and each of them would count as an endpoint of its own.
    ///
    /// ```
    /// # use civic_client::{ServiceClient, UrlTemplate};
    /// # fn example(client: &ServiceClient, route: &str) {
    /// client.get(UrlTemplate::dynamic(route)).param("id", 7);
    /// # }
    /// ```
    #[must_use]
    pub fn dynamic(template: impl Into<Arc<str>>) -> Self {
        Self(Text::Shared(template.into()))
    }

    /// Returns the template as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Static(template) => template,
            Text::Shared(template) => template,
        }
    }
}

impl From<&'static str> for UrlTemplate {
    fn from(template: &'static str) -> Self {
        Self(Text::Static(template))
    }
}

impl fmt::Debug for UrlTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for UrlTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
