//! `civic-fleet assessment-roll`: a service with the answers of a Node service of the platform.
//!
//! All routes are under `/api/assessment-roll`, and guarded. The payloads are files, so that their
//! bytes are Node's: member order, `1e+21`, `5e-324` and escapes would not survive being parsed and
//! printed again.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use civic_auth::{CorrelationId, Principal};
use civic_server::{Failure, Json, JsonText, Page, Paginated, Path};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::environment::{Environment, StartError};
use crate::serve::serve;

/// The port that clients of this service expect by default.
pub(crate) const DEFAULT_PORT: u16 = 3020;
/// The prefix of every guarded route.
pub(crate) const PREFIX: &str = "/api/assessment-roll";

/// The members of an assessment after `id`.
const ASSESSMENT: &str = include_str!("../payload/assessment.json");
const PROPERTIES: u32 = 23;

/// The answer to `POST`, `PUT` and `PATCH`: what arrived.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Echo {
    id: String,
    method: String,
    received: Box<RawValue>,
    content_type: Option<String>,
    idempotency_key: Option<String>,
    correlation_id: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Property {
    id: String,
    assessed_value: u32,
}

/// Runs the service until it is stopped.
pub(crate) async fn run(environment: &Environment) -> Result<(), StartError> {
    let service = environment.service(PREFIX)?.guarded(routes());
    serve(service, environment, DEFAULT_PORT).await
}

/// The routes, without prefix and guard.
pub(crate) fn routes() -> Router {
    Router::new()
        .route("/properties/{id}/assessment", get(assessment))
        .route("/properties", get(properties))
        .route("/properties/{id}/supplementary", post(supplementary))
        .route("/properties/{id}", put(echo).patch(echo).delete(remove))
        .route("/whoami", get(who_am_i))
        .route("/headers", get(headers))
}

async fn assessment(Path(id): Path<String>) -> Result<JsonText, Failure> {
    if id == "missing" {
        return Err(Failure::new(
            StatusCode::NOT_FOUND,
            format!("Property with ID {id} not found"),
        ));
    }
    let id = serde_json::Value::String(id);
    let members = ASSESSMENT.strip_prefix('{').unwrap_or(ASSESSMENT);
    Ok(JsonText(Bytes::from(format!("{{\"id\":{id},{members}"))))
}

/// Answers ten properties per page, unless the caller asks for more or less.
async fn properties(page: Page<10>) -> Json<Paginated<Property>> {
    let items = (0..PROPERTIES)
        .skip(page.offset())
        .take(page.limit())
        .map(|index| Property {
            id: format!("prop-{}", index + 1),
            assessed_value: 100_000 + index,
        })
        .collect();
    Json(Paginated::new(items, &page, PROPERTIES as usize))
}

async fn supplementary(
    id: Path<String>,
    method: Method,
    correlation_id: CorrelationId,
    headers: HeaderMap,
    body: Json<Box<RawValue>>,
) -> (StatusCode, Json<Echo>) {
    (
        StatusCode::CREATED,
        echo(id, method, correlation_id, headers, body).await,
    )
}

async fn echo(
    Path(id): Path<String>,
    method: Method,
    correlation_id: CorrelationId,
    headers: HeaderMap,
    Json(received): Json<Box<RawValue>>,
) -> Json<Echo> {
    Json(Echo {
        id,
        method: method.to_string(),
        received,
        content_type: headers.get(CONTENT_TYPE).map(text),
        idempotency_key: headers.get("idempotency-key").map(text),
        correlation_id: correlation_id.to_string(),
    })
}

async fn remove(Path(_): Path<String>) -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Answers the principal with the platform's member names, `iat` and `exp` included.
async fn who_am_i(principal: Principal) -> Json<Principal> {
    Json(principal)
}

/// Answers the request's headers by name. A credential is shown without the part that makes it one.
async fn headers(headers: HeaderMap) -> Response {
    let mut shown: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in &headers {
        // The standard stack has marked every credential.
        let text = match value.is_sensitive() {
            true if name == AUTHORIZATION => without_signature(value),
            true => "[redacted]".to_owned(),
            false => text(value),
        };
        shown
            .entry(name.as_str())
            .and_modify(|all| {
                all.push_str(", ");
                all.push_str(&text);
            })
            .or_insert(text);
    }
    Json(shown).into_response()
}

/// Returns `header.payload.[signature]`: the claims can be read, the token cannot be used.
fn without_signature(value: &HeaderValue) -> String {
    match text(value).split('.').collect::<Vec<_>>()[..] {
        [header, payload, _] => format!("{header}.{payload}.[signature]"),
        _ => "[redacted]".to_owned(),
    }
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_shown_without_its_signature() {
        let token = HeaderValue::from_static("Bearer aaa.bbb.ccc");
        assert_eq!(without_signature(&token), "Bearer aaa.bbb.[signature]");
        for other in ["Basic dXNlcjpwYXNz", "Bearer a.b.c.d", "Bearer a.b"] {
            let value = HeaderValue::from_static(other);
            assert_eq!(without_signature(&value), "[redacted]", "{other}");
        }
    }
}
