//! `civic-fleet billing`: a service that needs another one.
//!
//! `POST /api/billing/bills` `{"propertyId"}` answers a bill. The route requires the role
//! `TAX_CLERK` or higher, and gets the assessment from assessment-roll. The handler passes no
//! correlation id, no token and no timeout along: the layers of the service and those of the client
//! do that.
//!
//! | what went wrong with assessment-roll | answer |
//! |---|---|
//! | it does not know the property | 404 |
//! | the id cannot be part of a path, such as `..` | 422 |
//! | it cannot be reached, or is busy (503, 429) | 503, with its `Retry-After` if it sent one |
//! | it took too long | 504 |
//! | anything else: it broke off, failed, refused the call or sent something else | 502 |
//!
//! Each of them but the 404 and the 422 carries `x-should-retry: false`: the call was repeated
//! here, and a caller that repeats it as well multiplies the requests.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use civic_auth::{Principal, RequireRoleLayer, Role};
use civic_client::{Error, ErrorKind};
use civic_server::{Failure, Json};
use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::assessment_roll_client::{Assessment, AssessmentRollClient};
use crate::environment::{Environment, StartError};
use crate::serve::serve;

const DEFAULT_PORT: u16 = 3021;
/// Says whether a caller that repeats the request may have more success.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const PREFIX: &str = "/api/billing";

/// The request of a clerk.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BillRequest {
    property_id: String,
}

/// The answer to a clerk.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Bill {
    bill_id: String,
    property_id: String,
    roll_number: String,
    #[serde(serialize_with = "civic_server::serialize_number")]
    assessed_value: f64,
    #[serde(serialize_with = "civic_server::serialize_number")]
    tax_rate: f64,
    amount_cents: u64,
    issued_by: String,
}

/// Why there is no bill.
#[derive(Debug)]
enum NoBill {
    NoSuchProperty(String),
    Peer(Error),
}

/// Runs the service until it is stopped.
pub(crate) async fn run(environment: &Environment) -> Result<(), StartError> {
    let roll = AssessmentRollClient::from_env(environment.minter())
        .map_err(|error| StartError::refused(&error))?;
    serve(PREFIX, routes(roll), environment, DEFAULT_PORT).await
}

fn routes(roll: AssessmentRollClient) -> Router {
    Router::new()
        .route(
            "/bills",
            post(create_bill).route_layer(RequireRoleLayer::new(Role::TaxClerk)),
        )
        .with_state(Arc::new(roll))
}

async fn create_bill(
    State(roll): State<Arc<AssessmentRollClient>>,
    principal: Principal,
    Json(request): Json<BillRequest>,
) -> Result<(StatusCode, Json<Bill>), NoBill> {
    let assessment = roll
        .assessment(&request.property_id)
        .await?
        .ok_or_else(|| NoBill::NoSuchProperty(request.property_id))?;
    let bill = Bill {
        bill_id: Uuid::new_v4().to_string(),
        amount_cents: amount_cents(&assessment),
        property_id: assessment.id,
        roll_number: assessment.roll_number,
        assessed_value: assessment.assessed_value,
        tax_rate: assessment.tax_rate,
        issued_by: principal.user_id().to_owned(),
    };
    Ok((StatusCode::CREATED, Json(bill)))
}

/// Returns the tax, rounded to the cent once. The client has validated that neither factor is
/// negative or too large.
fn amount_cents(assessment: &Assessment) -> u64 {
    if assessment.is_exempt {
        return 0;
    }
    (assessment.assessed_value * assessment.tax_rate * 100.0).round() as u64
}

// ===== impl NoBill =====

impl From<Error> for NoBill {
    fn from(error: Error) -> Self {
        Self::Peer(error)
    }
}

impl IntoResponse for NoBill {
    fn into_response(self) -> Response {
        let error = match self {
            Self::NoSuchProperty(id) => {
                let message = format!("Property with ID {id} not found");
                return Failure::new(StatusCode::NOT_FOUND, message).into_response();
            }
            Self::Peer(error) => error,
        };
        // The caller learns which service failed; the details are for the log.
        tracing::warn!(%error, "the assessment could not be fetched");
        let (status, message) = match (error.kind(), error.status()) {
            (ErrorKind::Request, _) => {
                let message = "propertyId: this cannot be the id of a property";
                return Failure::new(StatusCode::UNPROCESSABLE_ENTITY, message).into_response();
            }
            (ErrorKind::Connect | ErrorKind::RateLimited, _)
            | (_, Some(StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS)) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The assessment roll is unavailable",
            ),
            (ErrorKind::Timeout | ErrorKind::Deadline, _) => (
                StatusCode::GATEWAY_TIMEOUT,
                "The assessment roll did not answer in time",
            ),
            _ => (
                StatusCode::BAD_GATEWAY,
                "The assessment roll could not be used",
            ),
        };
        let mut failure = Failure::new(status, message)
            .with_header(SHOULD_RETRY, HeaderValue::from_static("false"));
        if let Some(wait) = error.retry_after() {
            failure = failure.with_header(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
        }
        failure.into_response()
    }
}

/// Rounds up: a caller that waits must not come too early.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assessment(assessed_value: f64, tax_rate: f64, is_exempt: bool) -> Assessment {
        Assessment {
            id: "prop-001".to_owned(),
            roll_number: "1234-567-890-12345".to_owned(),
            assessed_value,
            tax_rate,
            is_exempt,
        }
    }

    #[test]
    fn a_bill_is_rounded_to_the_cent_once() {
        let rate = 0.012345678901234567;
        assert_eq!(amount_cents(&assessment(500_000.0, rate, false)), 617_284);
        assert_eq!(amount_cents(&assessment(0.5, 0.01, false)), 1);
    }

    #[test]
    fn an_exempt_property_owes_nothing() {
        assert_eq!(amount_cents(&assessment(500_000.0, 0.01, true)), 0);
    }

    #[test]
    fn a_failing_peer_is_mapped_by_whose_fault_it_is() {
        for (kind, status) in [
            (ErrorKind::Connect, StatusCode::SERVICE_UNAVAILABLE),
            (ErrorKind::RateLimited, StatusCode::SERVICE_UNAVAILABLE),
            (ErrorKind::Timeout, StatusCode::GATEWAY_TIMEOUT),
            (ErrorKind::Deadline, StatusCode::GATEWAY_TIMEOUT),
            (ErrorKind::Transport, StatusCode::BAD_GATEWAY),
            (ErrorKind::Status, StatusCode::BAD_GATEWAY),
            (ErrorKind::Decode, StatusCode::BAD_GATEWAY),
            (ErrorKind::Validation, StatusCode::BAD_GATEWAY),
            (ErrorKind::BodyTooLarge, StatusCode::BAD_GATEWAY),
        ] {
            let answer = NoBill::from(Error::new(kind)).into_response();
            assert_eq!(answer.status(), status, "{kind}");
            assert_eq!(answer.headers()[SHOULD_RETRY], "false", "{kind}");
        }
        // The id is the caller's mistake, and not the peer's.
        let answer = NoBill::from(Error::new(ErrorKind::Request)).into_response();
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    }

    #[test]
    fn a_wait_is_never_shortened_by_rounding() {
        assert_eq!(whole_seconds(Duration::from_millis(1001)), 2);
        assert_eq!(whole_seconds(Duration::from_secs(1)), 1);
    }
}
