//! Whatever a peer sends, and whenever: a call ends within its deadline, with a value or with an
//! error that says what it cost.

use std::time::Duration;

use civic_client::{Error, ErrorKind, Phase, RetryScope, Transmission};
use proptest::prelude::*;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use crate::support::exact;

/// What a peer does on one connection: waits and writes, and then closes or hangs.
#[derive(Clone, Debug)]
struct Script {
    reads_first: bool,
    writes: Vec<(u64, Vec<u8>)>,
    hangs: bool,
}

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 204 No Content\r\n",
        "HTTP/1.1 404 Not Found\r\n",
        "HTTP/1.1 429 Too Many Requests\r\n",
        "HTTP/1.1 503 Service Unavailable\r\n",
        "HTTP/1.0 200 OK\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/2 200\r\n",
        "content-length: 2\r\n",
        "content-length: 99\r\n",
        "content-length: -1\r\n",
        "transfer-encoding: chunked\r\n",
        "connection: close\r\n",
        "retry-after: 0\r\n",
        "retry-after: 99999999999999999999\r\n",
        "retry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
        "x-ratelimit-limit: 5\r\nx-ratelimit-remaining: 0\r\nx-ratelimit-reset: 1\r\n",
        "x-ratelimit-limit: 5\r\nx-ratelimit-remaining: 0\r\nx-ratelimit-reset: 1e300\r\n",
        "x-envelope: 1\r\n",
        "x-should-retry: false\r\n",
        "\r\n",
        "{}",
        "2\r\n{}\r\n0\r\n\r\n",
        "ffffffffffffffff\r\n",
        "{\"success\":true,\"data\":1,\"timestamp\":\"t\"}",
    ]);
    prop_oneof![
        8 => words.prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}

fn script() -> impl Strategy<Value = Script> {
    let write = (prop_oneof![3 => Just(0), 1 => 0_u64..1500], pieces());
    let writes = prop::collection::vec(write, 0..8);
    (any::<bool>(), writes, any::<bool>()).prop_map(|(reads_first, writes, hangs)| Script {
        reads_first,
        writes,
        hangs,
    })
}

async fn ends_in_time(scripts: Vec<Script>, deadline: Duration, post: bool) -> Result<(), String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let peer = tokio::spawn(async move {
        let mut scripts = scripts.into_iter().cycle();
        while let (Ok((mut stream, _)), Some(script)) = (listener.accept().await, scripts.next()) {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                if script.reads_first && stream.read(&mut buffer).await.is_err() {
                    return;
                }
                for (wait, bytes) in script.writes {
                    sleep(Duration::from_millis(wait)).await;
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                if script.hangs {
                    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
                }
            });
        }
    });
    let client = exact(&url)
        .retry_scope(RetryScope::AllMethods)
        .timeout(Duration::from_millis(700))
        .build()
        .expect("a client");
    let start = Instant::now();
    let request = if post {
        client.post("/")
    } else {
        client.get("/")
    };
    let result: Result<Option<Value>, Error> = request.deadline(deadline).fetch_optional().await;
    let took = start.elapsed();
    peer.abort();
    if took > deadline + Duration::from_millis(1) {
        return Err(format!("it took {took:?} of {deadline:?}"));
    }
    let Err(error) = result else {
        return Ok(());
    };
    if error.not_retried().is_none() {
        return Err(format!("it does not say why it ended: {error:?}"));
    }
    let says = match (error.attempts(), error.kind()) {
        // Nothing was sent: the deadline left no time, or the peer's limit no room.
        (0, ErrorKind::Deadline) => error.transmission() == Transmission::NotSent,
        (0, ErrorKind::RateLimited) => error.retry_after().is_some(),
        (0, _) => false,
        // Answered, or a phase in which the last attempt ended.
        (_, ErrorKind::Timeout | ErrorKind::Deadline) => error.phase().is_some(),
        _ => error.status().is_some() || error.phase().is_some(),
    };
    if !says {
        return Err(format!("it does not say where it ended: {error:?}"));
    }
    if error.phase() < Some(Phase::Sending) && error.phase().is_some() && error.status().is_some() {
        return Err(format!("it was answered before it was sent: {error:?}"));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn a_call_ends_within_its_deadline_with_a_value_or_an_error_that_says_what_it_cost(
        scripts in prop::collection::vec(script(), 1..4),
        millis in prop_oneof![Just(0_u64), 1_u64..100, 100_u64..4000],
        post in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let ended = runtime.block_on(ends_in_time(scripts, Duration::from_millis(millis), post));
        prop_assert_eq!(ended, Ok(()));
    }
}
