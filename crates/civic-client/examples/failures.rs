//! What a failed call says: what happened, what it cost, and why it was not repeated.
//!
//! ```sh
//! cargo run --package civic-client --features test-util --example failures
//! ```
//!
//! It prints:
//!
//! ```text
//! GET /bills/{id} -> status 503: "the database is down" after 3 attempts in …
//!   may have reached the peer: yes, no further attempt because: exhausted
//! POST /bills -> … after 1 attempt in …
//!   may have reached the peer: yes, no further attempt because: not_replay_safe
//! GET /bills -> connect to 127.0.0.1:… after 3 attempts in …
//!   may have reached the peer: no, no further attempt because: exhausted
//! ```

use civic_client::test_util::{Step, Upstream};
use civic_client::{Error, ServiceClient, Transmission};

fn client(url: &str) -> Result<ServiceClient, Error> {
    // `anonymous` because the peers of this example ask for no token.
    ServiceClient::builder(url).anonymous().build()
}

fn explain(error: &Error) {
    println!("{error}");
    let reached = match error.transmission() {
        Transmission::NotSent => "no",
        _ => "yes",
    };
    let reason = error.not_retried().map_or("none", |reason| reason.as_str());
    println!("  may have reached the peer: {reached}, no further attempt because: {reason}");
}

// The clock is paused, so the waits between the attempts take no time.
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Error> {
    let down = Step::status(503).with_json(r#"{"message":"the database is down"}"#);
    let failing = Upstream::start([down]).await;
    let request = client(&failing.url())?;
    let request = request.get("/bills/{id}").param("id", 7);
    if let Err(error) = request.send().await {
        explain(&error);
    }

    // It reads the request, and cuts the connection: the bill may have been made.
    let cutting = Upstream::start([Step::reset()]).await;
    let request = client(&cutting.url())?;
    let request = request.post("/bills").json(&"a bill");
    if let Err(error) = request.send().await {
        explain(&error);
    }

    let refusing = Upstream::refusing().await;
    let request = client(&refusing.url())?;
    if let Err(error) = request.get("/bills").send().await {
        explain(&error);
    }
    Ok(())
}
