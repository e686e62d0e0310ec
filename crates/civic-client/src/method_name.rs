//! The name of a method in spans and metrics.

use http::Method;

/// Returns the name of a method; a caller may invent methods, and metrics must not have a series
/// for each of them.
pub(crate) fn method_name(method: &Method) -> &str {
    match *method {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::OPTIONS
        | Method::CONNECT
        | Method::TRACE => method.as_str(),
        _ => "_OTHER",
    }
}
