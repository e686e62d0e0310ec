//! Asks everything that judges a request, and whether they agree with the corpus and each other.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use civic_auth::{AuthError, AuthLayer, Principal};
use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tower::{ServiceBuilder, ServiceExt as _};

use super::entry::Entry;

pub(super) async fn judge(entry: &Entry) {
    let title = entry.title();
    let verifier = entry.verifier();
    let request = entry.request::<Full<Bytes>>();

    let verified = verifier.verify_request(&request);
    let word = match &verified {
        Ok(_) => "accepted",
        Err(error) => error.cause().as_str(),
    };
    if entry.verdict != "public" {
        assert_eq!(word, entry.verdict, "{title}");
    }
    if entry.method.is_none() && entry.verdict != "public" {
        let alone = verifier.verify(request.headers());
        assert_eq!(alone.is_ok(), verified.is_ok(), "{title}");
    }
    if let Some(token) = entry.token()
        && let Ok(token) = str::from_utf8(&token)
        // A space or a comma makes two words of it, which is for the field to refuse.
        && entry.verdict != "malformed_bearer"
    {
        let inspection = verifier.inspect(token);
        let accepted = entry.verdict == "accepted";
        assert_eq!(inspection.is_accepted(), accepted, "{title}: {inspection}");
        let printed = inspection.to_string();
        let is_line = |character: char| !character.is_control() || character == '\n';
        assert!(printed.chars().all(is_line), "{title}: {printed:?}");
    }

    let reached = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reached);
    let service = ServiceBuilder::new()
        .layer(AuthLayer::new(verifier).with_public_paths(["/health"]))
        .service_fn(move |request: Request<Full<Bytes>>| {
            count.fetch_add(1, Ordering::SeqCst);
            let mut response = Response::new(Full::<Bytes>::default());
            if let Some(caller) = request.extensions().get::<Principal>() {
                response.extensions_mut().insert(caller.clone());
            }
            ready(Ok::<_, Infallible>(response))
        });
    let response = service.oneshot(request).await.expect("infallible");
    let (head, body) = response.into_parts();
    let lets_in = matches!(entry.verdict.as_str(), "accepted" | "public");
    assert_eq!(
        reached.load(Ordering::SeqCst),
        usize::from(lets_in),
        "{title}"
    );
    if lets_in {
        assert_eq!(head.status, 200, "{title}");
        let seen = head.extensions.get::<Principal>();
        assert_eq!(seen.is_some(), entry.verdict == "accepted", "{title}");
        return;
    }
    let error = head.extensions.get::<AuthError>().expect(&title);
    assert_eq!(error.cause().as_str(), entry.verdict, "{title}");
    let body = body.collect().await.expect("infallible").to_bytes();
    let mut body: Value = serde_json::from_slice(&body).expect("JSON");
    assert!(body["timestamp"].take().is_string(), "{title}");
    let (status, message, challenge) = told(&entry.verdict);
    assert_eq!(head.status, status, "{title}");
    let told = json!({
        "statusCode": status,
        "message": message,
        "correlationId": "unknown",
        "timestamp": null,
    });
    assert_eq!(body, told, "{title}");
    let sent = head.headers.get(WWW_AUTHENTICATE);
    assert_eq!(
        sent.map(|sent| sent.to_str().expect("text")),
        challenge,
        "{title}"
    );
    assert_eq!(head.headers[CACHE_CONTROL], "no-store", "{title}");
    assert_eq!(
        head.headers.contains_key(RETRY_AFTER),
        status == 503,
        "{title}"
    );
}

/// What the caller is told: the same of every cause but these.
fn told(verdict: &str) -> (u16, &'static str, Option<&'static str>) {
    match verdict {
        "nothing_sent" => (
            401,
            "Missing authentication token",
            Some(r#"Bearer realm="civic""#),
        ),
        "duplicate_authorization" | "conflicting_cookies" => (
            400,
            "Ambiguous authentication token",
            Some(
                r#"Bearer realm="civic", error="invalid_request", error_description="Ambiguous authentication token""#,
            ),
        ),
        "cross_site" => (403, "Cross-site request refused", None),
        "keys_unavailable" => (503, "Authentication is not available", None),
        _ => (
            401,
            "Invalid or expired token",
            Some(
                r#"Bearer realm="civic", error="invalid_token", error_description="Invalid or expired token""#,
            ),
        ),
    }
}
