//! The client over a stack of one's own: which layers there are, and in which order, is up to you.
//!
//! ```sh
//! cargo run --package civic-client --features test-util --example own_stack
//! ```
//!
//! It prints:
//!
//! ```text
//! GET /properties/{id} took 2 attempts: prop-001
//! the peer has seen x-from: example, 2 times
//! ```

use std::error::Error;
use std::time::Duration;

use civic_client::layer::{AttemptTimeoutLayer, CollectBodyLayer, RetryLayer};
use civic_client::test_util::{Step, Upstream};
use civic_client::{Backoff, Body, Jitter, RetryPolicy, ServiceClient, Transport};
use http::{HeaderValue, Request};
use serde::Deserialize;
use tower::ServiceBuilder;
use tower::limit::ConcurrencyLimitLayer;

#[derive(Deserialize)]
struct Property {
    id: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // A peer that fails once, and then answers.
    let peer = Upstream::start([Step::status(503), Step::envelope(r#"{"id":"prop-001"}"#)]).await;

    let policy = RetryPolicy::new()
        .with_backoff(Backoff::new(
            Duration::from_millis(10),
            Duration::from_secs(1),
        )?)
        .with_jitter(Jitter::None);
    let stack = ServiceBuilder::new()
        // Once per call: tower's own layers work too.
        .layer(ConcurrencyLimitLayer::new(100))
        .layer(RetryLayer::new(policy))
        // In each attempt: the timeout stands outside of what it has to cover, the body.
        .layer(AttemptTimeoutLayer::new(Duration::from_secs(2)))
        .map_request(|mut request: Request<Body>| {
            let from = HeaderValue::from_static("example");
            request.headers_mut().insert("x-from", from);
            request
        })
        .layer(CollectBodyLayer::new())
        .service(Transport::default());
    let client = ServiceClient::builder(&peer.url()).build_over(stack)?;

    let answer = client
        .get("/properties/{id}")
        .param("id", "prop-001")
        .send()
        .await?;
    println!(
        "GET /properties/{{id}} took {} attempts: {}",
        answer.attempts(),
        answer.json::<Property>()?.id
    );
    let seen = peer.attempts();
    let marked = seen
        .iter()
        .filter(|attempt| attempt.header("x-from") == Some("example"));
    println!(
        "the peer has seen x-from: example, {} times",
        marked.count()
    );
    Ok(())
}
