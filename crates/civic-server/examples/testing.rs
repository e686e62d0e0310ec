//! Tests without a socket: a service and its client in one process, on a paused clock.
//!
//! ```sh
//! cargo run --package civic-server --example testing
//! ```
//!
//! In a crate each function is a `#[tokio::test(start_paused = true)]`. It prints:
//!
//! ```text
//! a clerk reads an assessment
//! a property that is not there is no error
//! a caller without a token is refused
//! three attempts of 10 s, and the test took no time
//! ```

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use civic_auth::{Principal, Secret, TokenMinter, TokenVerifier};
use civic_client::{ErrorKind, ServiceClient};
use civic_server::{Failure, Json, Path, Service};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// A handler is a function: it can be called by a test as it is.
async fn assessment(caller: Principal, Path(id): Path<String>) -> Result<Json<Value>, Failure> {
    match id.as_str() {
        "prop-001" => Ok(Json(json!({ "id": id, "askedBy": caller.name() }))),
        "slow" => {
            sleep(Duration::from_secs(60)).await;
            Ok(Json(json!({ "id": id })))
        }
        _ => Err(Failure::new(
            StatusCode::NOT_FOUND,
            format!("No property {id}"),
        )),
    }
}

const PATH: &str = "/api/roll/properties/{id}/assessment";

/// The service as it is in production, and a client of it. Only the socket between them is missing.
fn service(secret: &Secret) -> Result<Router, Box<dyn Error>> {
    let routes = Router::new().route("/properties/{id}/assessment", get(assessment));
    Ok(
        Service::new("/api/roll", TokenVerifier::new(secret.clone()))?
            .guarded(routes)
            .into_router(),
    )
}

fn client(secret: &Secret) -> Result<ServiceClient, Box<dyn Error>> {
    let builder = ServiceClient::builder("http://roll").minter(TokenMinter::new(secret.clone()));
    Ok(builder.build_in_process(service(secret)?)?)
}

async fn a_clerk_reads_an_assessment(secret: &Secret) -> Result<(), Box<dyn Error>> {
    let client = client(secret)?;
    let found: Value = client.get(PATH).param("id", "prop-001").fetch().await?;
    assert_eq!(found["askedBy"], "Internal Service");
    println!("a clerk reads an assessment");
    Ok(())
}

async fn a_missing_property_is_none(secret: &Secret) -> Result<(), Box<dyn Error>> {
    let client = client(secret)?;
    let request = client.get(PATH).param("id", "prop-009");
    assert_eq!(request.fetch_optional::<Value>().await?, None);
    println!("a property that is not there is no error");
    Ok(())
}

async fn a_stranger_is_refused(secret: &Secret) -> Result<(), Box<dyn Error>> {
    let builder = ServiceClient::builder("http://roll").anonymous();
    let client = builder.build_in_process(service(secret)?)?;
    let request = client.get(PATH).param("id", "prop-001");
    let error = request.send().await.err().ok_or("a refusal")?;
    assert_eq!(error.status(), Some(StatusCode::UNAUTHORIZED));
    println!("a caller without a token is refused");
    Ok(())
}

async fn a_slow_service_is_given_up(secret: &Secret) -> Result<(), Box<dyn Error>> {
    let (client, start) = (client(secret)?, Instant::now());
    let request = client.get(PATH).param("id", "slow");
    let error = request.send().await.err().ok_or("a timeout")?;
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Timeout, 3));
    assert!(start.elapsed() > Duration::from_secs(30));
    println!("three attempts of 10 s, and the test took no time");
    Ok(())
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn Error>> {
    let secret = Secret::new("a secret of at least thirty-two bytes")?;
    a_clerk_reads_an_assessment(&secret).await?;
    a_missing_property_is_none(&secret).await?;
    a_stranger_is_refused(&secret).await?;
    a_slow_service_is_given_up(&secret).await
}
