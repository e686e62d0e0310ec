//! Errors of one's own as answers: status, words, a short name for programs, and a cause that only
//! the log sees.
//!
//! ```sh
//! cargo run --package civic-server --example custom_errors
//! ```
//!
//! It prints:
//!
//! ```text
//! 409 already_paid: Bill 7 is paid
//! 404 : No bill 8
//! 500 : Internal server error
//! the log: Internal server error, because: the ledger is closed
//! ```

use std::error::Error;
use std::fmt;

use axum::Router;
use axum::routing::post;
use civic_auth::{Secret, TokenMinter, TokenVerifier};
use civic_client::ServiceClient;
use civic_server::{Failure, Path, Service};
use http::StatusCode;

/// What can go wrong with a payment.
#[derive(Debug)]
enum PaymentError {
    AlreadyPaid(u32),
    UnknownBill(u32),
    Ledger(LedgerError),
}

#[derive(Debug)]
struct LedgerError;

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the ledger is closed")
    }
}

impl Error for LedgerError {}

/// With this, handlers use `?` on their own errors.
impl From<PaymentError> for Failure {
    fn from(error: PaymentError) -> Self {
        match error {
            PaymentError::AlreadyPaid(id) => {
                Self::new(StatusCode::CONFLICT, format!("Bill {id} is paid"))
                    .with_error("already_paid")
            }
            PaymentError::UnknownBill(id) => {
                Self::new(StatusCode::NOT_FOUND, format!("No bill {id}"))
            }
            // The caller reads "Internal server error", and the log has the cause.
            PaymentError::Ledger(error) => Self::internal(error),
        }
    }
}

fn record(id: u32) -> Result<(), PaymentError> {
    match id {
        7 => Err(PaymentError::AlreadyPaid(id)),
        9 => Err(PaymentError::Ledger(LedgerError)),
        _ => Err(PaymentError::UnknownBill(id)),
    }
}

async fn pay(Path(id): Path<u32>) -> Result<StatusCode, Failure> {
    record(id)?;
    Ok(StatusCode::NO_CONTENT)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let secret = Secret::new("a secret of at least thirty-two bytes")?;
    let app = Service::new("/api/billing", TokenVerifier::new(secret.clone()))?
        .guarded(Router::new().route("/bills/{id}/payments", post(pay)))
        .into_router();
    let client = ServiceClient::builder("http://billing")
        .minter(TokenMinter::new(secret))
        .build_in_process(app)?;

    for id in [7, 8, 9] {
        let request = client
            .post("/api/billing/bills/{id}/payments")
            .param("id", id);
        let error = request.send().await.err().ok_or("a refusal")?;
        let body = error.error_body().ok_or("an error body")?;
        println!(
            "{} {}: {}",
            body.status().as_u16(),
            body.error().unwrap_or_default(),
            body.message()
        );
    }

    // What a layer that logs finds in the extensions of an answer, and never on the wire.
    let failure = Failure::from(PaymentError::Ledger(LedgerError));
    let words = failure.message().to_owned();
    let answer = failure.into_response::<bytes::Bytes>();
    let source = answer.extensions().get::<civic_envelope::FailureSource>();
    println!("the log: {words}, because: {}", source.ok_or("a source")?);
    Ok(())
}
