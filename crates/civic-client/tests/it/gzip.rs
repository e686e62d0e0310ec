//! Compressed responses.

use std::convert::Infallible;
use std::io::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use civic_client::{Body, ErrorKind, NotRetried, ServiceClient};
use civic_testkit::upstream::{Step, Upstream};
use flate2::write::GzEncoder;
use flate2::{Compress, Compression, FlushCompress};
use futures_core::Stream;
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::task::yield_now;
use tower::service_fn;

use crate::support::{call, client_of, ends, exact, millis};

const MIB: usize = 1024 * 1024;

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn gzipped(plain: impl AsRef<[u8]>) -> Step {
    Step::json(gzip(plain.as_ref())).header("content-encoding", "gzip")
}

async fn peer(script: impl IntoIterator<Item = Step>) -> (Upstream, ServiceClient) {
    let peer = Upstream::start(script).await;
    let client = exact(&peer.url()).gzip().build().unwrap();
    (peer, client)
}

/// The beginning of a body that inflates to 1024 times its length, in pieces of 1 MiB.
fn bomb(mebibytes: usize) -> Vec<u8> {
    let mut deflated = Vec::with_capacity(64 * 1024);
    let zeros = vec![0; MIB];
    let mut compress = Compress::new(Compression::best(), false);
    compress
        .compress_vec(&zeros, &mut deflated, FlushCompress::Full)
        .unwrap();
    assert_eq!(compress.total_in(), MIB as u64);
    assert!(deflated.len() < MIB / 900, "{}", deflated.len());
    let mut body = gzip(b"")[..10].to_vec();
    body.extend(deflated.repeat(mebibytes));
    body
}

#[tokio::test]
async fn a_compressed_answer_is_asked_for_and_decompressed_and_its_headers_say_what_it_is() {
    let plain = br#"{"success":true,"data":[1,2,3],"timestamp":"2026-02-24T12:00:00.000Z"}"#;
    for coding in ["gzip", "GZIP", "x-gzip"] {
        let step = Step::json(gzip(plain)).header("content-encoding", coding);
        let (peer, client) = peer([step]).await;
        let answer = client.get("/").send().await.unwrap();
        assert_eq!(answer.json::<Vec<u8>>().unwrap(), [1, 2, 3]);
        let response = answer.into_response();
        assert_eq!(response.body(), &plain[..]);
        for absent in ["content-encoding", "content-length"] {
            assert!(!response.headers().contains_key(absent), "{absent}");
        }
        assert!(response.headers().contains_key("content-type"));
        let attempts = peer.attempts();
        assert_eq!(attempts[0].header("accept-encoding"), Some("gzip"));
    }
}

#[tokio::test]
async fn no_header_of_a_decompressed_answer_describes_the_compressed_bytes() {
    let digests = ["content-digest", "repr-digest", "digest", "content-md5"];
    for (sent, left) in [(r#""a""#, r#"W/"a""#), (r#"W/"a""#, r#"W/"a""#)] {
        let answers = [gzipped("1"), Step::json("1")].map(|step| {
            let step = digests.into_iter().fold(step, |step, name| {
                step.header(
                    name,
                    "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:",
                )
            });
            step.header("etag", sent)
        });
        let (_peer, client) = peer(answers).await;
        let response = client.get("/").send_raw().await.unwrap();
        assert_eq!(response.headers()["etag"], left);
        for name in digests {
            assert!(!response.headers().contains_key(name), "{name}");
        }
        let plain = client.get("/").send_raw().await.unwrap();
        assert_eq!(plain.headers()["etag"], sent);
        for name in digests {
            assert!(plain.headers().contains_key(name), "{name}");
        }
    }
}

#[tokio::test]
async fn a_client_asks_for_gzip_only_where_it_decompresses_it() {
    let (peer, gzip) = peer([gzipped("1")]).await;
    let plain = client_of(&peer);
    let error = plain.get("/").fetch::<u8>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(
        error.to_string().contains("build the client with gzip()"),
        "{error}"
    );
    let requests = [
        gzip.get("/").header("range", "bytes=0-9"),
        gzip.get("/").header("accept-encoding", "br"),
    ];
    for request in requests {
        let _ = request.send_raw().await.unwrap();
    }
    drop(gzip.get("/").send_stream().await.unwrap());
    let attempts = peer.attempts();
    let asked: Vec<_> = attempts
        .iter()
        .map(|attempt| attempt.header("accept-encoding"))
        .collect();
    assert_eq!(asked, [None, None, Some("br"), None]);
}

#[tokio::test]
async fn an_answer_that_is_not_compressed_or_in_another_way_stays_as_it_is() {
    let part = gzipped("1").with_status(206);
    let cases = [
        (Step::json("1"), None),
        (
            Step::json("1").header("content-encoding", "identity"),
            Some("identity"),
        ),
        (Step::json("1").header("content-encoding", "br"), Some("br")),
        (
            Step::json("1").header("content-encoding", "gzip, br"),
            Some("gzip, br"),
        ),
        (part, Some("gzip")),
        // Nothing is not compressed.
        (
            Step::json("").header("content-encoding", "gzip"),
            Some("gzip"),
        ),
    ];
    for (step, coding) in cases {
        let (_peer, client) = peer([step]).await;
        let response = client.get("/").send_raw().await.unwrap();
        let left = response.headers().get("content-encoding");
        assert_eq!(left.map(|left| left.to_str().unwrap()), coding);
        assert!(
            response.headers().contains_key("content-length"),
            "{coding:?}"
        );
    }
    // The head of an answer to HEAD describes that to GET.
    let (_peer, client) = peer([gzipped("1")]).await;
    let response = client.request(Method::HEAD, "/").send_raw().await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
}

#[tokio::test]
async fn the_cap_counts_what_is_decompressed() {
    let mut body = vec![b' '; 5000];
    body[0] = b'1';
    let peer = Upstream::start([gzipped(&body)]).await;
    for (max, kind) in [(5000, None), (4999, Some(ErrorKind::BodyTooLarge))] {
        let client = exact(&peer.url()).gzip().max_body(max).build().unwrap();
        let result = client.get("/").fetch::<u8>().await;
        assert_eq!(result.err().map(|error| error.kind()), kind, "{max}");
    }
}

#[tokio::test]
async fn a_bomb_ends_as_an_error_at_the_cap() {
    // Deflate makes 1032 bytes of one at most: 1 MB becomes 1 GB, and 10 MB become 10 GB.
    for mebibytes in [1024, 10 * 1024] {
        let body = bomb(mebibytes);
        assert!(body.len() < 12 * MIB);
        let step = Step::json(body).header("content-encoding", "gzip");
        let (peer, client) = peer([step]).await;
        let error = client.get("/").fetch::<u8>().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BodyTooLarge);
        assert_eq!((error.attempts(), peer.attempts().len()), (1, 1));
    }
}

#[tokio::test]
async fn a_body_that_costs_much_and_contains_nothing_leaves_others_their_turns() {
    // An empty member whose header has a name of 4080 bytes, and one without any.
    let mut named = vec![0x1f, 0x8b, 8, 1 << 3, 0, 0, 0, 0, 0, 3];
    named.extend([b'n'; 4080]);
    named.extend([0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let empty = [&named[..3], &[0], &named[4..10], &named[4091..]].concat();
    for (member, length) in [(named, 4 * MIB), (empty, MIB / 4)] {
        let body = Bytes::from(member.repeat(length / member.len()));
        for piece in [body.len(), 4096] {
            let body = body.clone();
            let peer = service_fn(move |_: Request<Body>| {
                let mut left = body.clone();
                let pieces = std::iter::from_fn(move || {
                    let next = left.split_to(piece.min(left.len()));
                    (!next.is_empty()).then(|| Ok::<_, Infallible>(Frame::data(next)))
                });
                let response = Response::builder().header("content-encoding", "gzip");
                let response = response.body(StreamBody::new(Pieces(pieces)));
                async move { response }
            });
            let client = exact("http://peer").gzip().build_in_process(peer).unwrap();
            let turns = Arc::<AtomicU32>::default();
            let other = tokio::spawn({
                let turns = Arc::clone(&turns);
                async move {
                    loop {
                        turns.fetch_add(1, Ordering::Relaxed);
                        yield_now().await;
                    }
                }
            });
            let response = client.get("/").send_raw().await.unwrap();
            other.abort();
            assert_eq!(response.body().len(), 0);
            let turns = turns.load(Ordering::Relaxed);
            assert!(turns >= 16, "{turns} turns, {piece}");
        }
    }
}

/// A body that is always there.
struct Pieces<I>(I);

impl<I: Iterator + Unpin> Stream for Pieces<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.0.next())
    }
}

#[tokio::test]
async fn a_bomb_in_an_error_is_cut_and_the_status_stays() {
    let step = Step::status(404)
        .body(bomb(1024))
        .header("content-encoding", "gzip");
    let (_peer, client) = peer([step]).await;
    let response = client.get("/").send_raw().await.unwrap();
    assert_eq!(response.status(), 404);
    assert_eq!(response.body().len(), 64 * 1024);
}

#[tokio::test(start_paused = true)]
async fn a_compressed_body_that_breaks_off_is_retried_as_any_other() {
    let whole = gzip(b"1");
    let cut = whole[..whole.len() - 3].to_vec();
    // Without a length, the end of the connection is the end of the body.
    let cut = Step::json(cut)
        .header("content-encoding", "gzip")
        .without_length()
        .close_silently();
    let script = [cut, gzipped("1")];
    let (reading, client) = peer(script.clone()).await;
    assert_eq!(ends(client.get("/").fetch::<u8>()).await.unwrap(), 1);
    assert_eq!(millis(&reading.attempts()), [0, 500]);
    let (writing, client) = peer(script).await;
    let error = ends(client.post("/").json(&1).fetch::<u8>())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
    assert_eq!(error.not_retried(), Some(NotRetried::NotReplaySafe));
    assert_eq!(writing.attempts().len(), 1);
}

#[tokio::test]
async fn a_body_that_is_no_gzip_is_an_error_that_is_not_retried() {
    let mut wrong_sum = gzip(b"1");
    let sum = wrong_sum.len() - 8;
    wrong_sum[sum] ^= 1;
    for body in [
        b"1".to_vec(),
        wrong_sum,
        [gzip(b"1"), b"more".to_vec()].concat(),
    ] {
        let step = Step::json(body).header("content-encoding", "gzip");
        let (peer, client) = peer([step]).await;
        let error = client.get("/").fetch::<u8>().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert!(error.to_string().contains("is not the gzip"), "{error}");
        assert_eq!(peer.attempts().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_compressed_error_is_read_and_retried_as_any_other() {
    let words = r#"{"statusCode":503,"message":"soon","correlationId":"x","timestamp":"t"}"#;
    let busy = gzipped(words).with_status(503).header("retry-after", "2");
    let (peer, client) = peer([busy.clone(), busy.clone(), busy]).await;
    let error = ends(client.post("/").json(&1).send()).await.unwrap_err();
    assert_eq!(error.message(), Some("soon"));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(2)));
    let arrived = millis(&peer.attempts());
    assert_eq!(arrived.len(), 3);
    assert!(arrived[1] >= 2000, "{arrived:?}");
    // What can be read of a corrupt one is not worth more than its status.
    let corrupt = Step::status(404)
        .body("x")
        .header("content-encoding", "gzip");
    let (_peer, client) = self::peer([corrupt]).await;
    assert_eq!(client.get("/").send_raw().await.unwrap().status(), 404);
}

#[tokio::test(start_paused = true)]
async fn the_words_of_a_closing_fastify_count_only_as_it_writes_them() {
    let words =
        r#"{"error":"Service Unavailable","message":"Service Unavailable","statusCode":503}"#;
    let compressed = gzipped(words)
        .with_status(503)
        .header("connection", "close");
    let (peer, client) = peer([compressed]).await;
    let error = call(&client, &Method::POST).await.unwrap_err();
    assert_eq!(error.not_retried(), Some(NotRetried::NotReplaySafe));
    assert_eq!(peer.attempts().len(), 1);
}
