//! A service in memory, and a caller that reads what comes back.

pub(crate) mod wire;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use civic_auth::{Secret, TokenMinter, TokenVerifier};
use civic_server::Service;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

/// The prefix of every service here.
pub(crate) const PREFIX: &str = "/api/things";

/// The key of every token here.
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

pub(crate) fn secret() -> Secret {
    Secret::new(SECRET).unwrap()
}

pub(crate) fn verifier() -> TokenVerifier {
    TokenVerifier::new(secret())
}

pub(crate) fn minter() -> TokenMinter {
    TokenMinter::new(secret())
}

/// A service with these guarded routes.
pub(crate) fn service(routes: Router) -> Router {
    Service::new(PREFIX, verifier())
        .unwrap()
        .guarded(routes)
        .into_router()
}

/// A request of another service, with a correlation id.
pub(crate) fn request(method: Method, path: &str) -> http::request::Builder {
    let token = minter().mint();
    Request::builder()
        .method(method)
        .uri(path)
        .header(AUTHORIZATION, token.to_header_value())
        .header("x-correlation-id", "req-1")
}

/// Sends a request without a body.
pub(crate) async fn send(app: &Router, request: http::request::Builder) -> Answer {
    answer(app, request.body(Body::empty()).unwrap()).await
}

/// Posts JSON text to the guarded route `/x`.
pub(crate) async fn post(app: &Router, json: &str) -> Answer {
    let request = request(Method::POST, &format!("{PREFIX}/x"))
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(json.to_owned()));
    answer(app, request.unwrap()).await
}

pub(crate) async fn answer(app: &Router, request: Request<Body>) -> Answer {
    let response = app.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Checks that this is an error in the platform's shape with the id of [`request`].
    #[track_caller]
    pub(crate) fn assert_error(&self, status: u16, message: &str) {
        assert_eq!(self.status, status, "{:?}", self.body);
        assert_eq!(
            self.header("content-type"),
            Some("application/json; charset=utf-8")
        );
        assert_eq!(self.header("x-correlation-id"), Some("req-1"));
        let body = self.json();
        assert_eq!(body["statusCode"], status);
        assert_eq!(body["message"], message);
        assert_eq!(body["correlationId"], "req-1");
        assert!(body["timestamp"].is_string());
        assert_eq!(body.as_object().unwrap().len(), 4, "{body}");
    }

    /// Checks that this is what the platform's validation pipe answers to these mistakes.
    #[track_caller]
    pub(crate) fn assert_invalid(&self, mistakes: &[(&str, &str)]) {
        assert_eq!(self.status, 422, "{:?}", self.body);
        let words: Vec<String> = mistakes
            .iter()
            .map(|(field, message)| match *field {
                "" => (*message).to_owned(),
                field => format!("{field}: {message}"),
            })
            .collect();
        let details: Vec<Value> = mistakes
            .iter()
            .map(|(field, message)| serde_json::json!({"field": field, "message": message}))
            .collect();
        let body = self.json();
        let expected = serde_json::json!({
            "statusCode": 422,
            "message": format!("Validation failed: {}", words.join("; ")),
            "correlationId": "req-1",
            "timestamp": body["timestamp"],
            "error": "Unprocessable Entity",
            "details": details,
        });
        assert_eq!(body, expected);
    }
}
