//! The client of one service.

use std::sync::Arc;

use civic_envelope::Unwrap;
use http::Method;

use super::base_url::BaseUrl;
use super::builder::ServiceClientBuilder;
use super::request::RequestBuilder;
use crate::error::Error;
use crate::stack::Stack;
use crate::validate::Validation;

/// The client of one service.
///
/// Cheap to clone; clones share their connections. Concrete clients are newtypes around it with a method an
/// endpoint.
#[derive(Clone, Debug)]
#[doc(alias = "BaseServiceClient")]
pub struct ServiceClient {
    pub(super) base: Arc<BaseUrl>,
    pub(super) stack: Stack,
    pub(super) validation: Validation,
    pub(super) unwrap: Unwrap,
    pub(super) max_body: usize,
}

impl ServiceClient {
    /// A client for the service at `url`: `http://host[:port][/prefix]`. A malformed URL is an error of
    /// [`build`](ServiceClientBuilder::build).
    pub fn builder(url: &str) -> ServiceClientBuilder {
        ServiceClientBuilder::new(url)
    }

    /// A client for the service at the URL in this environment variable, or at `default` if it is not set.
    ///
    /// A variable that is set and empty is set: it is refused, not defaulted.
    ///
    /// # Errors
    ///
    /// The URL is malformed, at start-up and not at the first call.
    pub fn from_env(variable: &str, default: &str) -> Result<ServiceClientBuilder, Error> {
        ServiceClientBuilder::from_env(variable, default)
    }

    /// GET `template`, a path such as `/users/{id}`.
    pub fn get<'a>(&'a self, template: &'a str) -> RequestBuilder<'a> {
        self.request(Method::GET, template)
    }

    /// POST to `template`.
    pub fn post<'a>(&'a self, template: &'a str) -> RequestBuilder<'a> {
        self.request(Method::POST, template)
    }

    /// PUT to `template`.
    pub fn put<'a>(&'a self, template: &'a str) -> RequestBuilder<'a> {
        self.request(Method::PUT, template)
    }

    /// PATCH `template`.
    pub fn patch<'a>(&'a self, template: &'a str) -> RequestBuilder<'a> {
        self.request(Method::PATCH, template)
    }

    /// DELETE `template`.
    pub fn delete<'a>(&'a self, template: &'a str) -> RequestBuilder<'a> {
        self.request(Method::DELETE, template)
    }

    /// Any other method but CONNECT and TRACE, which are errors of `send`: the one turns the connection into a
    /// tunnel, the other has the peer send the token back.
    pub fn request<'a>(&'a self, method: Method, template: &'a str) -> RequestBuilder<'a> {
        RequestBuilder::new(self, method, template)
    }
}
