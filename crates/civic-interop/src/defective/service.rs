//! The service that has the defect.

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::middleware::{map_request, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use civic_auth::{Principal, RequireRoleLayer, Role, Secret, TokenVerifier};
use civic_envelope::SkipEnvelope;
use civic_server::{Failure, Json, JsonText, Path, Service};
use http::StatusCode;
use http::header::CONTENT_LENGTH;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::answer::Answer;
use super::answers::WrongAnswer;
use super::defect::Defect;
use super::lapse::Lapse;
use crate::stage::PREFIX;

/// The members of an assessment after `id`, as the example fleet has them.
const ASSESSMENT: &str = include_str!("../../../civic-fleet/src/payload/assessment.json");

/// What is read of an answer here, at most.
const MAX_BODY: usize = 1024 * 1024;

/// A service with the routes of the assessment roll. It is stopped when dropped.
#[derive(Debug)]
pub(crate) struct Defective {
    pub(crate) address: SocketAddr,
    server: JoinHandle<()>,
}

// ===== impl Defective =====

impl Defective {
    /// Serves on a free port.
    pub(crate) async fn serve(secret: Secret, defect: Option<Defect>) -> Result<Self, String> {
        let service = Service::new(PREFIX, TokenVerifier::new(secret.clone()))
            .map_err(|error| error.to_string())?
            .guarded(routes(defect));
        let app = service.into_router();
        let app = match defect {
            None => app,
            Some(Defect::Answer(wrong)) => app.layer(map_response(move |response: Response| {
                spoiled(response, wrong)
            })),
            Some(Defect::Guard(lapse)) => app.layer(map_request(move |request: Request| {
                lapse.admit(request, secret.clone())
            })),
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                eprintln!("interop: a service with a defect ended: {error}");
            }
        });
        Ok(Self { address, server })
    }
}

impl Drop for Defective {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn routes(defect: Option<Defect>) -> Router {
    let treasurers = get(|| text("\"for treasurers and higher\""));
    let treasurers = match defect {
        Some(Defect::Guard(Lapse::Role)) => treasurers,
        _ => treasurers.layer(RequireRoleLayer::new(Role::Treasurer)),
    };
    Router::new()
        .route("/for-treasurers", treasurers)
        .route("/properties/{id}/assessment", get(assessment))
        .route("/whoami", get(async |caller: Principal| Json(caller)))
        .route("/null", get(|| text("null")))
        .route(
            "/array",
            get(|| text(include_str!("../../../civic-fleet/src/payload/array.json"))),
        )
        .route(
            "/string",
            get(|| text(include_str!("../../../civic-fleet/src/payload/string.json"))),
        )
        .route("/number", get(|| text("42")))
        .route("/boolean", get(|| text("false")))
        .route(
            "/looks-like-envelope",
            get(|| {
                text(include_str!(
                    "../../../civic-fleet/src/payload/looks_like_envelope.json"
                ))
            }),
        )
        .route("/unwrapped", get(unwrapped))
        .route("/soft-failure", get(soft_failure))
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

async fn text(json: &'static str) -> JsonText {
    JsonText(Bytes::from_static(json.as_bytes()))
}

async fn unwrapped() -> Response {
    bare(include_str!("../../../civic-fleet/src/payload/unwrapped.json").to_owned())
}

async fn soft_failure() -> Response {
    let members = include_str!("../../../civic-fleet/src/payload/soft_failure.json");
    let members = members.strip_suffix('}').unwrap_or(members);
    let now = jiff::Timestamp::now();
    bare(format!("{members},\"timestamp\":\"{now:.3}\"}}"))
}

/// An answer that declines the envelope.
fn bare(json: String) -> Response {
    let mut response = JsonText(json.into()).into_response();
    response.extensions_mut().insert(SkipEnvelope);
    response
}

/// The answer as the service with this defect gives it.
async fn spoiled(response: Response, wrong: &'static WrongAnswer) -> Response {
    let (mut parts, body) = response.into_parts();
    let whole = match to_bytes(body, MAX_BODY).await {
        Ok(whole) => whole,
        Err(error) => return Failure::internal(error).into_response(),
    };
    let mut answer = Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8_lossy(&whole).into_owned(),
    };
    (wrong.apply)(&mut answer);
    parts.status = answer.status;
    parts.headers = answer.headers;
    // The server announces the length of the new body.
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(answer.body))
}
