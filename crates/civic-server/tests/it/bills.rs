//! A service as a newcomer writes it from the README: 75 lines, and every answer in shape.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use civic_auth::{Principal, RequireRoleLayer, Role, TokenVerifier};
use civic_server::{Failure, InvalidPrefix, Json, Page, Paginated, Path, Service, ValidJson};
use garde::Validate;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Bill {
    id: usize,
    owner: String,
    amount: f64,
    issued_by: String,
}

#[derive(Debug, Deserialize, Validate)]
pub(crate) struct NewBill {
    #[garde(length(min = 1, max = 200))]
    owner: String,
    #[garde(range(min = 0.01, max = 1e9))]
    amount: f64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Bills(Arc<Mutex<Vec<Bill>>>);

async fn list(State(bills): State<Bills>, page: Page) -> Json<Paginated<Bill>> {
    let bills = bills.0.lock().await;
    let items = bills.iter().skip(page.offset()).take(page.limit()).cloned();
    Json(Paginated::new(items.collect(), &page, bills.len()))
}

async fn read(State(bills): State<Bills>, Path(id): Path<usize>) -> Result<Json<Bill>, Failure> {
    let bill = bills.0.lock().await.get(id).cloned();
    bill.map(Json)
        .ok_or_else(|| Failure::new(StatusCode::NOT_FOUND, format!("No bill {id}")))
}

async fn create(
    State(bills): State<Bills>,
    caller: Principal,
    ValidJson(new): ValidJson<NewBill>,
) -> (StatusCode, Json<Bill>) {
    assert!(new.owner != "Bug", "a bug");
    let mut bills = bills.0.lock().await;
    let bill = Bill {
        id: bills.len(),
        owner: new.owner,
        amount: new.amount,
        issued_by: caller.user_id().to_owned(),
    };
    bills.push(bill.clone());
    (StatusCode::CREATED, Json(bill))
}

pub(crate) fn service(verifier: TokenVerifier) -> Result<Router, InvalidPrefix> {
    let clerks = RequireRoleLayer::new(Role::TaxClerk);
    let routes = Router::new()
        .route("/bills", get(list).post(create).route_layer(clerks))
        .route("/bills/{id}", get(read))
        .with_state(Bills::default());
    Ok(Service::new("/api/billing", verifier)?
        .guarded(routes)
        .into_router())
}
