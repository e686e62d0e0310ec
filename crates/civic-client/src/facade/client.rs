//! The client of one service.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use civic_envelope::UnwrapMode;
#[cfg(feature = "jwks")]
use http::uri::{Authority, Scheme};
use http::{HeaderMap, Method};

use crate::facade::base_url::BaseUrl;
use crate::facade::builder::ServiceClientBuilder;
use crate::facade::request::RequestBuilder;
use crate::stack::ClientService;
use crate::url_template::UrlTemplate;
#[cfg(feature = "garde")]
use crate::validate::Validation;

/// The client of one service.
///
/// It is cheap to clone, and clones share their connections. A concrete client is a newtype around
/// it with one method per endpoint.
#[derive(Clone)]
#[doc(alias = "BaseServiceClient")]
pub struct ServiceClient {
    pub(super) base: Arc<BaseUrl>,
    pub(super) stack: ClientService,
    pub(super) default_headers: HeaderMap,
    #[cfg(feature = "garde")]
    pub(super) validation: Validation,
    pub(super) unwrap_mode: UnwrapMode,
    pub(super) max_body: usize,
    pub(super) idle_timeout: Duration,
}

impl fmt::Debug for ServiceClient {
    /// Without the values of default headers: they may contain secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceClient")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

impl ServiceClient {
    /// Starts a client for the service at `url`: `http://host[:port][/prefix]`.
    ///
    /// See also [`ServiceClientBuilder::from_env`]. A malformed URL is an error of
    /// [`build`](ServiceClientBuilder::build).
    pub fn builder(url: &str) -> ServiceClientBuilder {
        ServiceClientBuilder::new(url)
    }

    /// Returns how and where the service is reached.
    #[cfg(feature = "jwks")]
    pub(crate) fn origin(&self) -> (&Scheme, &Authority) {
        (self.base.scheme(), self.base.authority())
    }

    /// Starts a GET request to `template`, a path such as `/users/{id}`.
    ///
    /// The template is text of the program: see [`UrlTemplate`] for why, and for the way out.
    pub fn get(&self, template: impl Into<UrlTemplate>) -> RequestBuilder<'_> {
        self.request(Method::GET, template)
    }

    /// Starts a POST request to `template`.
    pub fn post(&self, template: impl Into<UrlTemplate>) -> RequestBuilder<'_> {
        self.request(Method::POST, template)
    }

    /// Starts a PUT request to `template`.
    pub fn put(&self, template: impl Into<UrlTemplate>) -> RequestBuilder<'_> {
        self.request(Method::PUT, template)
    }

    /// Starts a PATCH request to `template`.
    pub fn patch(&self, template: impl Into<UrlTemplate>) -> RequestBuilder<'_> {
        self.request(Method::PATCH, template)
    }

    /// Starts a DELETE request to `template`.
    pub fn delete(&self, template: impl Into<UrlTemplate>) -> RequestBuilder<'_> {
        self.request(Method::DELETE, template)
    }

    /// Starts a request with any method but CONNECT and TRACE.
    ///
    /// Those two are an error when the request is sent: CONNECT turns the connection into a tunnel,
    /// and TRACE asks the peer to send the token back.
    pub fn request(&self, method: Method, template: impl Into<UrlTemplate>) -> RequestBuilder<'_> {
        RequestBuilder::new(self, method, template.into())
    }
}
