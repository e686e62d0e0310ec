//! One call in the making.

use std::collections::HashSet;
use std::fmt::{self, Display};
use std::mem;
use std::time::Duration;

use civic_auth::CorrelationId;
use civic_envelope::UnwrapMode;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request};
use serde::Serialize;

use crate::body::Body;
use crate::error::Error;
use crate::facade::client::ServiceClient;
use crate::facade::draft::Draft;
use crate::facade::{header, path, query};
use crate::layer::idempotency_key::{IDEMPOTENCY_KEY, quoted};
use crate::options::CallOptions;
use crate::url_template::UrlTemplate;
#[cfg(feature = "garde")]
use crate::validate::Validation;

/// One call in the making.
///
/// The methods that describe the request never fail: the first thing that is wrong with it is the
/// error of the method that sends it.
///
/// # Which method sends it
///
/// | method | returns | a 404 | the payload |
/// |---|---|---|---|
/// | [`send`](Self::send) | an [`Answer`](super::Answer) | is an error | is read where you ask for it |
/// | [`fetch`](Self::fetch) | a `T` | is an error | becomes a `T` |
/// | [`fetch_optional`](Self::fetch_optional) | an `Option<T>` | is `None` | becomes a `T`; `null` is `None` |
/// | [`send_raw`](Self::send_raw) | the response | is a response | stays as it is |
/// | [`send_stream`](Self::send_stream) | a [`StreamedAnswer`](super::StreamedAnswer) | is an error | is read as it arrives |
/// | [`pages`](Self::pages) | a stream of [`Page`](super::Page)s | is an error | is a list, page by page |
///
/// With the feature `garde`, which is on by default, `fetch_validated` and
/// `fetch_optional_validated` also check the rules of the type.
///
/// `send` has no type parameter on purpose. If it had one, a statement such as
///
/// ```
/// # async fn example(client: &civic_client::ServiceClient) -> Result<(), civic_client::Error> {
/// client.post("/bills").json(&["prop-001"]).send().await?;
/// # Ok(())
/// # }
/// ```
///
/// would leave the type to be inferred from nothing, and under edition 2024 the compiler would
/// infer `!` and ask for a value that cannot exist. The methods that return a value of your type
/// are called `fetch`, so a call that is sent for its effect needs no type, and one that fetches a
/// value says which.
#[must_use = "a request does nothing until it is sent"]
pub struct RequestBuilder<'a> {
    pub(super) client: &'a ServiceClient,
    pub(super) draft: Box<Draft>,
}

impl fmt::Debug for RequestBuilder<'_> {
    /// Without parameters, query, headers and body: they may contain personal data and secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBuilder")
            .field(
                "method",
                &self.draft.parts.as_ref().map(|parts| &parts.method),
            )
            .field("template", &self.draft.template)
            .field("options", &self.draft.options)
            .finish_non_exhaustive()
    }
}

// ===== impl RequestBuilder: what is asked =====

impl<'a> RequestBuilder<'a> {
    pub(super) fn new(client: &'a ServiceClient, method: Method, template: UrlTemplate) -> Self {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = method;
        parts.headers = client.default_headers.clone();
        let draft = Draft {
            template,
            params: Vec::new(),
            query: Vec::new(),
            parts: Ok(parts),
            added: HashSet::new(),
            body: Body::empty(),
            options: CallOptions::new(),
            deadline: None,
            idle_timeout: client.idle_timeout,
            correlation_id: None,
            #[cfg(feature = "garde")]
            validation: client.validation,
            unwrap_mode: client.unwrap_mode,
            bare_404_is_none: false,
        };
        let builder = Self {
            client,
            draft: Box::new(draft),
        };
        builder.with_parts(|parts| match parts.method {
            Method::CONNECT | Method::TRACE => {
                let method = &parts.method;
                Err(Error::request(format!("{method} cannot be sent")))
            }
            _ => Ok(()),
        })
    }

    /// Sets the value of `{name}` in the template.
    ///
    /// It is percent-encoded and stays one path segment, whatever it contains. A value that is
    /// empty, or that would make the segment `.` or `..`, is an error.
    pub fn param(mut self, name: &str, value: impl Display) -> Self {
        self.draft.params.push((name.to_owned(), value.to_string()));
        self
    }

    /// Adds a query parameter. The same name may be added again.
    ///
    /// The value is anything that serde writes as one text: a string, a number, a boolean, or a
    /// variant without fields. `None` adds nothing, and a list adds one parameter per element.
    /// Anything else is an error.
    ///
    /// ```
    /// # fn example(client: &civic_client::ServiceClient, page: Option<u32>) {
    /// client.get("/properties").query("page", page).query("tag", ["farm", "exempt"]);
    /// # }
    /// ```
    pub fn query(self, name: &str, value: impl Serialize) -> Self {
        self.with_query(|pairs| query::append_value(pairs, name, &value))
    }

    /// Adds the fields of a struct, or the entries of a map, as query parameters.
    ///
    /// Each field is written as [`query`](Self::query) writes a value.
    ///
    /// ```
    /// # use serde::Serialize;
    /// #[derive(Serialize)]
    /// #[serde(rename_all = "camelCase")]
    /// struct Page {
    ///     page: u32,
    ///     limit: u32,
    ///     sort_by: Option<&'static str>,
    /// }
    ///
    /// # fn example(client: &civic_client::ServiceClient) {
    /// client.get("/properties").query_from(&Page { page: 2, limit: 50, sort_by: None });
    /// # }
    /// ```
    pub fn query_from<T: Serialize + ?Sized>(self, fields: &T) -> Self {
        self.with_query(|pairs| {
            pairs.extend(query::pairs_of(fields)?);
            Ok(())
        })
    }

    /// Sets the body, as JSON: `0`, `false`, `""` and `null` are bodies too.
    pub fn json<T: Serialize + ?Sized>(self, body: &T) -> Self {
        match serde_json::to_vec(body) {
            Ok(json) => self.content("application/json", Body::from(json)),
            Err(error) => self.with_parts(|_| {
                Err(Error::request("the body cannot be written as JSON").with_source(error))
            }),
        }
    }

    /// Sets the body as the fields of a form (`application/x-www-form-urlencoded`).
    ///
    /// The fields are those of a struct or a map, written as [`query_from`](Self::query_from)
    /// writes them.
    pub fn form<T: Serialize + ?Sized>(self, fields: &T) -> Self {
        match query::pairs_of(fields) {
            Ok(pairs) => {
                let form = Body::from(path::encoded_pairs(&pairs));
                self.content("application/x-www-form-urlencoded", form)
            }
            Err(error) => self.with_parts(|_| Err(error)),
        }
    }

    /// Sets the body as it is.
    ///
    /// `Content-Type` is the one that [`header`](Self::header) sets, else
    /// `application/octet-stream`.
    pub fn body(self, body: impl Into<Body>) -> Self {
        self.content("application/octet-stream", body.into())
    }

    /// Adds a header, in place of a default one of the client.
    ///
    /// The same name may be added again, and is then sent again, except where HTTP or this crate
    /// knows only one value: `Content-Type`, `Authorization`, `Accept`, `User-Agent`,
    /// `Idempotency-Key` and the headers of correlation and tracing. Of these, the last one counts.
    ///
    /// Headers that belong to the connection, such as `Host` and `Content-Length`, are an error.
    /// `Authorization` is replaced if the client has a minter.
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        let mut added = mem::take(&mut self.draft.added);
        let mut this = self.with_parts(|parts| {
            let (name, value) = header::checked(name, value)?;
            // The first value of a call's own replaces the client's.
            let first = added.insert(name.clone());
            if first || header::is_single(&name) {
                parts.headers.insert(name, value);
            } else {
                parts.headers.append(name, value);
            }
            Ok(())
        });
        this.draft.added = added;
        this
    }

    /// Sets `Authorization` to a bearer token, for peers that are not services of this platform.
    ///
    /// It is replaced if the client has a minter: use it with a client that is
    /// [`anonymous`](super::ServiceClientBuilder::anonymous).
    pub fn bearer_auth(self, token: impl Display) -> Self {
        self.header(http::header::AUTHORIZATION, format!("Bearer {token}"))
    }

    /// Sets how long each attempt may take, its body included.
    ///
    /// Defaults to the client's.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.draft.options = self.draft.options.with_attempt_timeout(timeout);
        self
    }

    /// Sets how long the whole call may take from when it is sent, with all attempts and waits.
    ///
    /// It never lasts longer than that of the request being served, if there is one. No attempt
    /// begins with less than 50 ms left.
    ///
    /// Defaults to the deadline of the request being served, else to no limit.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.draft.deadline = Some(deadline);
        self
    }

    /// Sets for how long the peer may be silent while a stream is read
    /// ([`send_stream`](Self::send_stream)).
    ///
    /// Defaults to the client's.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.draft.idle_timeout = timeout;
        self
    }

    /// Sets the largest number of retries.
    ///
    /// Defaults to the client's.
    pub fn retries(mut self, retries: u32) -> Self {
        self.draft.options = self.draft.options.with_retries(retries);
        self
    }

    /// Declares whether executing the call twice has the same effect as executing it once.
    ///
    /// Defaults to what the method says, or to true with an
    /// [`idempotency_key`](Self::idempotency_key).
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.draft.options = self.draft.options.with_idempotent(idempotent);
        self
    }

    /// Sets the `Idempotency-Key`, without its quotes, and so declares that the peer honours it:
    /// the call may be replayed.
    ///
    /// Defaults to a new UUID for POST and PATCH, which declares nothing.
    pub fn idempotency_key(self, key: &str) -> Self {
        self.with_parts(|parts| {
            let key = quoted(key).ok_or_else(|| {
                Error::request("an idempotency key must be printable ASCII and not empty")
            })?;
            parts.headers.insert(IDEMPOTENCY_KEY, key);
            Ok(())
        })
    }

    /// Sets the correlation id.
    ///
    /// Defaults to that of the request being served, else to a new one.
    pub fn correlation_id(mut self, id: CorrelationId) -> Self {
        self.draft.correlation_id = Some(id);
        self
    }

    /// Sets what happens if the value in the response breaks the rules of its type.
    ///
    /// Defaults to the client's.
    #[cfg(feature = "garde")]
    pub fn validation(mut self, validation: Validation) -> Self {
        self.draft.validation = validation;
        self
    }

    /// Sets how an envelope is told from a payload.
    ///
    /// Defaults to the client's.
    pub fn unwrap_mode(mut self, mode: UnwrapMode) -> Self {
        self.draft.unwrap_mode = mode;
        self
    }

    /// Makes every 404 `None` in `fetch_optional`, whatever its body.
    ///
    /// By default only a 404 is that which a handler wrote: a JSON object with `statusCode` 404 and
    /// a `message`, and not the words of a router that knows no such route. A wrong URL would
    /// otherwise look like a thing that does not exist.
    pub fn bare_404_is_none(mut self) -> Self {
        self.draft.bare_404_is_none = true;
        self
    }

    fn content(mut self, content_type: &'static str, body: Body) -> Self {
        self.draft.body = body;
        if self.draft.body.is_empty() {
            return self;
        }
        self.with_parts(|parts| {
            parts
                .headers
                .entry(CONTENT_TYPE)
                .or_insert(HeaderValue::from_static(content_type));
            Ok(())
        })
    }

    fn with_query(
        mut self,
        add: impl FnOnce(&mut Vec<(String, String)>) -> Result<(), Error>,
    ) -> Self {
        let added = add(&mut self.draft.query);
        self.with_parts(|_| added)
    }

    /// Changes the parts, unless something is wrong with the request already.
    fn with_parts(mut self, change: impl FnOnce(&mut Parts) -> Result<(), Error>) -> Self {
        if let Ok(parts) = &mut self.draft.parts
            && let Err(error) = change(parts)
        {
            let method = parts.method.clone();
            self.draft.parts = Err(error.with_call(method, self.draft.template.clone()));
        }
        self
    }
}
