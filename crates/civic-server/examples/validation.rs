//! Rules for what arrives: a value that breaks one is answered 422, and each field is named.
//!
//! ```sh
//! cargo run --package civic-server --example validation
//! ```
//!
//! It prints:
//!
//! ```text
//! 201 {"amount":12.5,"owner":"Ada","rollNumber":"R-1"}
//! 422 Validation failed: …
//!   amount: lower than 0.01
//!   owner: length is lower than 1
//!   rollNumber: a roll number is R- and digits
//! 422 Validation failed: amount: Required
//!   amount: Required
//! ```

use std::error::Error;

use axum::Router;
use axum::routing::post;
use civic_auth::{Secret, TokenMinter, TokenVerifier};
use civic_client::ServiceClient;
use civic_server::{Json, Service, ValidJson};
use garde::Validate;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Deserialize, Serialize, Validate)]
#[serde(rename_all = "camelCase")]
struct NewBill {
    #[garde(length(min = 1, max = 200))]
    owner: String,
    #[garde(custom(is_roll_number))]
    roll_number: String,
    #[garde(range(min = 0.01, max = 1e9))]
    amount: f64,
}

/// A rule of one's own.
fn is_roll_number(text: &str, _: &()) -> garde::Result {
    let digits = text.strip_prefix("R-").unwrap_or_default();
    match digits.parse::<u32>() {
        Ok(_) => Ok(()),
        Err(_) => Err(garde::Error::new("a roll number is R- and digits")),
    }
}

/// Gets only values that keep every rule.
async fn create(ValidJson(bill): ValidJson<NewBill>) -> (StatusCode, Json<NewBill>) {
    (StatusCode::CREATED, Json(bill))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let secret = Secret::new("a secret of at least thirty-two bytes")?;
    let app = Service::new("/api/billing", TokenVerifier::new(secret.clone()))?
        .guarded(Router::new().route("/bills", post(create)))
        .into_router();
    // The service in this process, without a socket.
    let client = ServiceClient::builder("http://billing")
        .minter(TokenMinter::new(secret))
        .build_in_process(app)?;

    for bill in [
        json!({ "owner": "Ada", "rollNumber": "R-1", "amount": 12.5 }),
        json!({ "owner": "", "rollNumber": "1", "amount": 0 }),
        json!({ "owner": "Ada", "rollNumber": "R-1" }),
    ] {
        match client.post("/api/billing/bills").json(&bill).send().await {
            Ok(answer) => {
                let bill: Value = answer.json()?;
                println!("{} {bill}", answer.status().as_u16());
            }
            Err(error) => {
                let body = error.error_body().ok_or("an error body")?;
                println!("{} {}", body.status().as_u16(), body.message());
                for detail in body.details() {
                    println!("  {}: {}", detail.field(), detail.message());
                }
            }
        }
    }
    Ok(())
}
