//! A closing Fastify: what it answers to a request on a connection that is still open.

use std::fs;
use std::time::Duration;

use crate::findings::Findings;
use crate::stage::{PREFIX, Stage};
use crate::wire::{Connection, Request};

/// What the client takes for "was never executed", with the date masked.
const EXPECTED: &str = concat!(
    "HTTP/1.1 503 Service Unavailable\r\n",
    "Connection: close\r\n",
    "Content-Type: application/json\r\n",
    "Content-Length: 80\r\n",
    "Date: (now)\r\n",
    "\r\n",
    r#"{"error":"Service Unavailable","message":"Service Unavailable","statusCode":503}"#,
);

/// The request in flight is answered, then its connection is closed by the second answer.
const ENDS: Duration = Duration::from_secs(20);

pub(super) async fn play(stage: &mut Stage<'_>, findings: &mut Findings<'_>) -> Result<(), String> {
    let secret = stage.secret().to_owned();
    let token = stage.company().await?.mint_in_node(&secret, None).await?;
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str())];
    let mut peer = stage.peer(&[]).await?;
    let mut connection = Connection::open(peer.platform()?).await?;
    connection
        .write(&Request {
            method: "GET",
            path: &format!("{PREFIX}/slow?ms=1000"),
            headers: &headers,
            json: None,
        })
        .await?;
    peer.process.event("in-flight").await?;
    peer.process.terminate()?;
    peer.process.event("stopping").await?;
    let in_flight = connection.read().await?;
    findings.promise(
        "A request in flight is answered by a closing Fastify, which keeps the connection",
        in_flight.status == 200 && in_flight.header("connection") == Some("keep-alive"),
        format_args!(
            "{} Connection: {:?}",
            in_flight.status,
            in_flight.header("connection")
        ),
    );

    let closing = connection
        .send(&Request {
            method: "POST",
            path: &format!("{PREFIX}/effects"),
            headers: &headers,
            json: Some(r#"{"id":"closing"}"#),
        })
        .await?;
    let recorded = closing.recorded();
    let folder = stage.recordings();
    let file = folder.join(format!("closing {}.http", stage.label()));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&file, &recorded))
        .map_err(|error| format!("{}: {error}", file.display()))?;
    findings.promise(
        "A closing Fastify answers the next request with the bytes that the client knows",
        recorded == EXPECTED,
        format_args!("{recorded:?}"),
    );

    let ended = peer.process.ended(ENDS).await?;
    let executed = peer.process.seen("effect");
    findings.promise(
        "The request that got this answer was never executed",
        executed == 0,
        format_args!("executed {executed} times; the process ended with {ended}"),
    );
    Ok(())
}
