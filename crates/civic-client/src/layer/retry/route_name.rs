//! What the limits of a peer are told apart by.

use std::hash::{Hash, Hasher};

use http::{Method, Request};

use crate::url_template::UrlTemplate;

/// What a limit is told apart by: a route belongs to the limit that its last answer named.
#[derive(Clone, Debug)]
pub(super) struct RouteName {
    method: Method,
    template: UrlTemplate,
}

// ===== impl RouteName =====

impl RouteName {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let template = request.extensions().get().cloned();
        Self {
            method: request.method().clone(),
            template: template.unwrap_or_else(|| UrlTemplate::dynamic(request.uri().path())),
        }
    }
}

impl PartialEq for RouteName {
    fn eq(&self, other: &Self) -> bool {
        self.template.as_str() == other.template.as_str() && self.method == other.method
    }
}

impl Eq for RouteName {}

impl Hash for RouteName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.method.hash(state);
        self.template.as_str().hash(state);
    }
}
