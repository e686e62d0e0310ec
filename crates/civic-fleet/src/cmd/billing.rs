//! `civic-fleet billing`: a service that needs another one.
//!
//! `POST /api/billing/bills` `{"propertyId"}` answers a bill. The route requires the role
//! `TAX_CLERK` or higher, and gets the assessment from assessment-roll. The handler passes no
//! correlation id, no token and no timeout along: the layers of the service and those of the client
//! do that.
//!
//! With an `Idempotency-Key` the bill is made once, however often the request arrives. The layer
//! stands inside the guard and the role, directly around the handler.
//!
//! With `CIVIC_REPLAY_PROTECTION`, a service token that has a `jti` comes in once, whichever
//! replica it is sent to.
//!
//! | what went wrong | answer |
//! |---|---|
//! | the id is missing, or cannot be part of a path, such as `..` | 422, before any call |
//! | assessment-roll does not know the property | 404 |
//! | assessment-roll cannot be reached, is busy, takes too long, fails or answers something else | 502, 503 or 504, with `x-should-retry: false`: see `Failure::from(civic_client::Error)` |

use std::sync::Arc;

use axum::extract::{MatchedPath, State};
use axum::routing::post;
use axum::{Extension, Router};
use civic_auth::{Principal, RequestContext, RequireRoleLayer, Role};
use civic_lock::LockService;
use civic_lock::layer::{IdempotencyLayer, NothingDone, Scope};
use civic_server::{Failure, Json, Readiness, ValidJson};
use garde::Validate;
use http::StatusCode;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::assessment_roll_client::{Assessment, AssessmentRollClient};
use crate::environment::{Environment, StartError};
use crate::replay_store::OnceReplayStore;
use crate::serve::serve_with_locks;

const DEFAULT_PORT: u16 = 3021;
const PREFIX: &str = "/api/billing";

/// The request of a clerk.
#[derive(Debug, Deserialize, Validate)]
#[serde(rename_all = "camelCase")]
struct BillRequest {
    #[garde(custom(is_segment))]
    property_id: String,
}

/// The answer to a clerk.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Bill {
    bill_id: String,
    property_id: String,
    roll_number: String,
    assessed_value: f64,
    tax_rate: f64,
    amount_cents: u64,
    issued_by: String,
}

/// Runs the service until it is stopped.
pub(crate) async fn run(environment: &Environment) -> Result<(), StartError> {
    let roll = AssessmentRollClient::from_env(environment.minter())
        .map_err(|error| StartError::refused(&error))?;
    let locks = LockService::from_env().map_err(|error| StartError::refused(&error))?;
    let peer = roll.clone();
    let readiness = Readiness::new().check("assessment-roll", move || {
        let peer = peer.clone();
        async move { peer.ping().await }
    });
    let service = environment
        .service_that_remembers_tokens(PREFIX, OnceReplayStore::new(&locks))?
        .guarded(routes(roll, &locks))
        .readiness(readiness);
    serve_with_locks(service, environment, DEFAULT_PORT, &locks).await
}

fn routes(roll: AssessmentRollClient, locks: &LockService) -> Router {
    let clerks = RequireRoleLayer::new(Role::TaxClerk);
    Router::new()
        .route(
            "/bills",
            // The last one is the outermost: a replay needs the role as a first call does.
            post(create_bill)
                .route_layer(idempotent(locks))
                .route_layer(clerks),
        )
        .with_state(Arc::new(roll))
}

/// One bill per key. The work goes on when its caller has gone, in the context of the request, so
/// that its calls carry the same correlation id, and without the caller's deadline.
fn idempotent(locks: &LockService) -> IdempotencyLayer {
    IdempotencyLayer::new(locks, scope, |execution| {
        let context = RequestContext::current().without_deadline();
        tokio::spawn(context.scope(execution));
    })
}

/// Keys are shared by the requests of one caller, for one municipality, to one route.
fn scope(head: &Parts) -> Option<Scope> {
    let principal = head.extensions.get::<Principal>()?;
    let route = head.extensions.get::<MatchedPath>()?;
    // All services have one user id, and the tokens of all users may have one issuer.
    let caller = match principal.issuer() {
        Some(issuer) => format!("{} of {issuer}", principal.user_id()),
        None => principal.user_id().to_owned(),
    };
    Some(Scope::new(
        &caller,
        principal.tenant(),
        &head.method,
        route.as_str(),
    ))
}

async fn create_bill(
    State(roll): State<Arc<AssessmentRollClient>>,
    principal: Principal,
    ValidJson(request): ValidJson<BillRequest>,
) -> Result<(StatusCode, Json<Bill>), (Extension<NothingDone>, Failure)> {
    // Up to here there is no bill: the caller may try again with the same key.
    let nothing_done = |failure: Failure| (Extension(NothingDone), failure);
    let id = request.property_id;
    let found = roll.assessment(&id).await.map_err(Failure::from);
    let assessment = found.map_err(nothing_done)?.ok_or_else(|| {
        let message = format!("Property with ID {id} not found");
        nothing_done(Failure::new(StatusCode::NOT_FOUND, message))
    })?;
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

/// Whether an id can be one segment of a path: `.` and `..` mean others.
fn is_segment(id: &str, _: &()) -> garde::Result {
    match id {
        "" | "." | ".." => Err(garde::Error::new("this cannot be the id of a property")),
        _ => Ok(()),
    }
}

/// Returns the tax, rounded to the cent once. The client has validated that neither factor is
/// negative or too large.
fn amount_cents(assessment: &Assessment) -> u64 {
    if assessment.is_exempt {
        return 0;
    }
    (assessment.assessed_value * assessment.tax_rate * 100.0).round() as u64
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
}
