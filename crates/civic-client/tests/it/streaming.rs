//! Responses that are read as they arrive.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use civic_auth::CorrelationId;
use civic_client::{
    Body, ClientService, Error, ErrorKind, NotRetried, Phase, StreamedAnswer, Transmission,
    Transport, TransportConfig, WantsStream,
};
use civic_envelope::Failure;
use civic_testkit::log::Capture;
use civic_testkit::upstream::{Step, Upstream};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower::{ServiceExt as _, service_fn};
use tower_layer::layer_fn;

use crate::support::{attempt_spans, bare, ends, exact, millis, on_the_way, peer};

const SECOND: Duration = Duration::from_secs(1);

const FRAME: usize = 64 * 1024;

/// A body of `remaining` frames, which counts those that were taken from it.
pub(crate) struct Frames {
    pub(crate) remaining: u64,
    pub(crate) made: Arc<AtomicU64>,
    pub(crate) frame: Bytes,
}

impl Frames {
    pub(crate) fn new(count: u64, made: &Arc<AtomicU64>) -> Self {
        Self {
            remaining: count,
            made: Arc::clone(made),
            frame: Bytes::from(vec![b'x'; FRAME]),
        }
    }
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        self.remaining -= 1;
        self.made.fetch_add(1, Ordering::SeqCst);
        Poll::Ready(Some(Ok(Frame::data(self.frame.clone()))))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining * FRAME as u64)
    }
}

/// Reads a stream to its end, and returns its length.
async fn read(answer: &mut StreamedAnswer) -> Result<u64, Error> {
    let mut length = 0;
    while let Some(chunk) = answer.chunk().await? {
        length += chunk.len() as u64;
    }
    Ok(length)
}

#[tokio::test]
async fn a_gigabyte_comes_through_the_stack_and_no_more_than_a_frame_is_in_memory() {
    let frames = (1 << 30) / FRAME as u64;
    let made = Arc::<AtomicU64>::default();
    let counted = Arc::clone(&made);
    let peer = service_fn(move |_: Request<Body>| {
        let body = Frames::new(frames, &counted);
        async move { Ok::<_, Infallible>(Response::new(body)) }
    });
    let client = exact("http://peer").build_in_process(peer).unwrap();
    let mut answer = client.get("/").send_stream().await.unwrap();
    let (mut length, mut taken) = (0, 0);
    while let Some(chunk) = answer.chunk().await.unwrap() {
        taken += 1;
        length += chunk.len() as u64;
        assert!(made.load(Ordering::SeqCst) <= taken + 1, "it reads ahead");
    }
    assert_eq!(length, 1 << 30);
}

#[tokio::test]
async fn a_stream_from_a_socket_comes_at_the_pace_of_its_reader() {
    let on_the_way = on_the_way();
    let length = 3 * on_the_way / FRAME as u64 * FRAME as u64;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let written = Arc::<AtomicU64>::default();
    let counted = Arc::clone(&written);
    let peer = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 4096];
        assert!(stream.read(&mut head).await.unwrap() > 0);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let piece = vec![b'x'; FRAME];
        for _ in 0..length / FRAME as u64 {
            stream.write_all(&piece).await.unwrap();
            counted.fetch_add(FRAME as u64, Ordering::SeqCst);
        }
    });
    let client = exact(&url).build().unwrap();
    let mut answer = client.get("/").send_stream().await.unwrap();
    let mut read = 0;
    while let Some(chunk) = answer.chunk().await.unwrap() {
        read += chunk.len() as u64;
        // The peer has its turn: it writes until nothing more fits.
        tokio::task::yield_now().await;
        let ahead = written.load(Ordering::SeqCst).saturating_sub(read);
        assert!(ahead < on_the_way, "{ahead} bytes ahead");
    }
    assert_eq!(read, length);
    peer.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_silent_for_too_long_ends_the_stream_and_a_slow_one_does_not() {
    let capture = Capture::start();
    let (silent, client) = peer([Step::hang_in_body()]).await;
    let id = CorrelationId::parse("of-the-stream").unwrap();
    let request = client.get("/exports/{id}").param("id", 7);
    let mut answer = request
        .correlation_id(id.clone())
        .send_stream()
        .await
        .unwrap();
    assert_eq!(answer.correlation_id(), Some(&id));
    assert!(answer.chunk().await.unwrap().is_some());
    let start = Instant::now();
    let error = ends(answer.chunk()).await.unwrap_err();
    assert_eq!(start.elapsed(), 10 * SECOND);
    assert_eq!(
        (error.kind(), error.phase()),
        (ErrorKind::Timeout, Some(Phase::Body))
    );
    assert_eq!(error.status().map(|status| status.as_u16()), Some(200));
    assert_eq!(error.correlation_id(), Some(&id));
    assert_eq!(
        (error.attempts(), error.not_retried()),
        (1, Some(NotRetried::Begun))
    );
    assert!(
        error
            .to_string()
            .starts_with("GET /exports/{id} -> timeout 200 while body"),
        "{error}"
    );
    assert!(answer.chunk().await.unwrap().is_none(), "it has ended");
    silent.abandoned(1).await;
    assert_eq!(
        silent.attempts().len(),
        1,
        "a stream that has begun does not come again"
    );
    // The span of the attempt lasts as long as the stream.
    let spans = attempt_spans(&capture);
    assert_eq!(spans[0].get("http.response.status_code"), Some("200"));
    assert_eq!(spans[0].get("error.type"), Some("timeout"));

    let (_slow, client) = peer([Step::drip("12345", 9 * SECOND)]).await;
    let request = client.get("/").deadline(20 * SECOND);
    let mut answer = request.send_stream().await.unwrap();
    assert_eq!(
        ends(read(&mut answer)).await.unwrap(),
        5,
        "the deadline is that of the head"
    );

    let (_impatient, client) = peer([Step::drip("12345", 9 * SECOND)]).await;
    let request = client.get("/").idle_timeout(8 * SECOND);
    let mut answer = request.send_stream().await.unwrap();
    let error = ends(read(&mut answer)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_takes_its_time_is_not_the_silence_of_the_peer() {
    let (_peer, client) = peer([Step::drip("12345", SECOND)]).await;
    let mut answer = client.get("/").send_stream().await.unwrap();
    let mut length = 0;
    while let Some(chunk) = answer.chunk().await.unwrap() {
        length += chunk.len();
        sleep(60 * SECOND).await;
    }
    assert_eq!(length, 5);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_retried_until_its_head_has_arrived() {
    let script = [
        Step::hang(),
        Step::status(502),
        Step::status(200).body("12345"),
    ];
    let (peer, client) = peer(script).await;
    let mut answer = ends(client.get("/").send_stream()).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.attempts()), (200, 3));
    assert_eq!(answer.headers()["content-length"], "5");
    assert_eq!(read(&mut answer).await.unwrap(), 5);
    let attempts = peer.attempts();
    assert_eq!(millis(&attempts), [0, 10_500, 11_500]);
    assert_eq!(attempts[0].header("accept"), Some("*/*"));
}

#[tokio::test]
async fn a_status_that_is_no_success_is_read_and_is_an_error() {
    let words =
        r#"{"statusCode":404,"message":"no such export","correlationId":"x","timestamp":"t"}"#;
    let (peer, client) = peer([Step::status(404).with_json(words)]).await;
    for _ in 0..3 {
        let error = client.get("/").send_stream().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Status);
        assert_eq!(error.message(), Some("no such export"));
    }
    assert_eq!(peer.connections(), 1, "its connection is used again");
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_an_error_of_the_stream() {
    for step in [Step::truncated_body("12345"), Step::reset_in_body("12345")] {
        let (peer, client) = peer([step]).await;
        let mut answer = client.get("/").send_stream().await.unwrap();
        let error = read(&mut answer).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transport);
        assert_eq!(error.not_retried(), Some(NotRetried::Begun));
        assert_eq!(peer.attempts().len(), 1);
    }
}

#[tokio::test]
async fn a_stream_that_is_dropped_closes_its_connection_and_one_that_was_read_gives_it_back() {
    let whole = Step::status(200).body("12345");
    let (peer, client) = peer([whole.clone(), whole, Step::hang_in_body()]).await;
    for _ in 0..2 {
        let mut answer = client.get("/").send_stream().await.unwrap();
        read(&mut answer).await.unwrap();
    }
    assert_eq!(peer.connections(), 1);
    let mut answer = client.get("/").send_stream().await.unwrap();
    assert!(answer.chunk().await.unwrap().is_some());
    drop(answer);
    peer.abandoned(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_a_call_under_way_until_its_end() {
    let peer = Upstream::start([Step::drip("12345", SECOND)]).await;
    let client = exact(&peer.url()).max_in_flight(1).build().unwrap();
    let mut answer = client.get("/").send_stream().await.unwrap();
    let waiting = || client.get("/").deadline(SECOND).send_stream();
    let error = waiting().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Deadline, 0));
    read(&mut answer).await.unwrap();
    let dropped = waiting().await.unwrap();
    assert!(waiting().await.is_err());
    drop(dropped);
    assert!(waiting().await.is_ok());
}

#[tokio::test]
async fn a_stream_that_a_layer_has_kept_is_an_error_and_not_an_empty_body() {
    // With its headers, and without: the mark may be gone from them.
    for keep in [Response::clone, |response: &Response<Bytes>| {
        let mut kept = response.clone();
        kept.headers_mut().clear();
        kept
    }] {
        kept_stream(keep).await;
    }
}

async fn kept_stream(keep: fn(&Response<Bytes>) -> Response<Bytes>) {
    let peer = Upstream::start([Step::status(200).body("12345")]).await;
    let kept = Arc::<Mutex<Option<Response<Bytes>>>>::default();
    // A cache that knows nothing of streams.
    let cache = layer_fn(move |inner: ClientService| {
        let kept = Arc::clone(&kept);
        service_fn(move |request: Request<Body>| {
            let (kept, inner) = (Arc::clone(&kept), inner.clone());
            async move {
                if let Some(response) = kept.lock().unwrap().clone() {
                    return Ok(response);
                }
                assert!(request.extensions().get::<WantsStream>().is_some());
                let response = inner.oneshot(request).await?;
                *kept.lock().unwrap() = Some(keep(&response));
                Ok::<_, Error>(response)
            }
        })
    });
    let client = exact(&peer.url()).layer_call(cache).build().unwrap();
    let mut answer = client.get("/").send_stream().await.unwrap();
    assert_eq!(read(&mut answer).await.unwrap(), 5);
    let errors = [
        client.get("/").send_stream().await.unwrap_err(),
        client.get("/").send().await.unwrap_err(),
        client.get("/").send_raw().await.unwrap_err(),
        client.get("/").fetch_optional::<u8>().await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(error.to_string().contains("WantsStream"), "{error}");
    }
}

#[tokio::test]
async fn a_layer_that_keeps_the_stream_of_a_caller_that_has_gone_keeps_neither_its_connection_nor_its_place()
 {
    let peer = Upstream::start([Step::hang_in_body(), Step::status(204)]).await;
    let kept = Arc::<Mutex<Vec<Response<Bytes>>>>::default();
    // A cache that has work to do before it lets the response go.
    let cache = layer_fn({
        let kept = Arc::clone(&kept);
        move |inner: ClientService| {
            let kept = Arc::clone(&kept);
            service_fn(move |request: Request<Body>| {
                let (kept, inner) = (Arc::clone(&kept), inner.clone());
                async move {
                    let response = inner.oneshot(request).await?;
                    kept.lock().unwrap().push(response.clone());
                    match response.status() {
                        StatusCode::OK => std::future::pending().await,
                        _ => Ok::<_, Error>(response),
                    }
                }
            })
        }
    });
    let builder = exact(&peer.url()).max_in_flight(1).layer_call(cache);
    let client = builder.build().unwrap();
    let mut going = Box::pin(client.get("/").send_stream());
    let kept_one = async {
        while kept.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = &mut going => panic!("the layer does not let it go"),
        () = kept_one => {}
    }
    drop(going);
    peer.abandoned(1).await;
    let next = client.get("/").deadline(60 * SECOND);
    assert_eq!(ends(next.send()).await.unwrap().status(), 204);
    assert_eq!(kept.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_stream_that_arrives_after_its_caller_has_gone_closes_its_connection() {
    let peer = Upstream::start([Step::hang_in_body()]).await;
    // It goes on with the calls of callers that have gone, as a cache may.
    let tasks = Arc::<Mutex<JoinSet<Response<Bytes>>>>::default();
    let detached = layer_fn({
        let tasks = Arc::clone(&tasks);
        move |inner: ClientService| {
            let tasks = Arc::clone(&tasks);
            service_fn(move |request: Request<Body>| {
                let inner = inner.clone();
                let call = async move { inner.oneshot(request).await.unwrap() };
                tasks.lock().unwrap().spawn(call);
                std::future::pending::<Result<Response<Bytes>, Error>>()
            })
        }
    });
    let client = exact(&peer.url()).layer_call(detached).build().unwrap();
    let gone = tokio::time::timeout(Duration::ZERO, client.get("/").send_stream());
    assert!(gone.await.is_err());
    let mut tasks = std::mem::take(&mut *tasks.lock().unwrap());
    let response = tasks.join_next().await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    peer.abandoned(1).await;
}

#[tokio::test]
async fn a_stream_that_a_layer_drops_closes_its_connection_while_the_call_goes_on() {
    let peer = Upstream::start([Step::hang_in_body(), Step::status(200).body("12345")]).await;
    // It is not content with the first answer.
    let again = layer_fn(|inner: ClientService| {
        service_fn(move |request: Request<Body>| {
            let inner = inner.clone();
            async move {
                drop(inner.clone().oneshot(request.clone()).await?);
                inner.oneshot(request).await
            }
        })
    });
    let config = TransportConfig::new().with_max_connections(1);
    let builder = exact(&peer.url()).transport(config).layer_call(again);
    let client = builder.build().unwrap();
    let mut answer = ends(client.get("/").send_stream()).await.unwrap();
    assert_eq!(read(&mut answer).await.unwrap(), 5);
    assert_eq!(peer.attempts().len(), 2);
}

#[tokio::test]
async fn a_stream_that_a_layer_has_rebuilt_is_an_error_and_not_an_empty_success() {
    // It keeps what a response looks like, and not its extensions.
    let rebuild = layer_fn(|inner: ClientService| {
        service_fn(move |request: Request<Body>| {
            let inner = inner.clone();
            async move {
                let (head, body) = inner.oneshot(request).await?.into_parts();
                let mut rebuilt = Response::new(body);
                *rebuilt.status_mut() = head.status;
                *rebuilt.headers_mut() = head.headers;
                Ok::<_, Error>(rebuilt)
            }
        })
    });
    // It keeps nothing but the status.
    let strip = layer_fn(|inner: ClientService| {
        service_fn(move |request: Request<Body>| {
            let inner = inner.clone();
            async move {
                let (head, body) = inner.oneshot(request).await?.into_parts();
                let mut rebuilt = Response::new(body);
                *rebuilt.status_mut() = head.status;
                Ok::<_, Error>(rebuilt)
            }
        })
    });
    let peer = Upstream::start([Step::status(200).body("12345")]).await;
    let clients = [
        exact(&peer.url()).layer_call(rebuild),
        exact(&peer.url()).layer_attempt(rebuild),
        exact(&peer.url()).layer_call(strip),
        exact(&peer.url()).layer_attempt(strip),
    ];
    for client in clients {
        let client = client.build().unwrap();
        let error = client.get("/").send_stream().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(error.to_string().contains("WantsStream"), "{error}");
        let response = client.get("/").send_raw().await.unwrap();
        assert_eq!(response.body(), "12345", "what is no stream is whole");
    }
}

#[tokio::test]
async fn an_empty_success_out_of_the_cache_of_a_stream_is_an_error() {
    let kept = Arc::<Mutex<Option<(StatusCode, HeaderMap, Bytes)>>>::default();
    let cache = layer_fn(move |inner: ClientService| {
        let kept = Arc::clone(&kept);
        service_fn(move |request: Request<Body>| {
            let (kept, inner) = (Arc::clone(&kept), inner.clone());
            async move {
                if let Some((status, headers, body)) = kept.lock().unwrap().clone() {
                    let mut response = Response::new(body);
                    *response.status_mut() = status;
                    *response.headers_mut() = headers;
                    return Ok(response);
                }
                let response = inner.oneshot(request).await?;
                let body = response.body().clone();
                *kept.lock().unwrap() = Some((response.status(), response.headers().clone(), body));
                Ok::<_, Error>(response)
            }
        })
    });
    let peer = Upstream::start([Step::status(200).body("12345")]).await;
    let client = exact(&peer.url()).layer_call(cache).build().unwrap();
    let mut answer = client.get("/").send_stream().await.unwrap();
    assert!(!answer.headers().contains_key("x-civic-streamed"));
    assert_eq!(read(&mut answer).await.unwrap(), 5);
    let errors = [
        client.get("/").send_stream().await.unwrap_err(),
        client.get("/").send().await.unwrap_err(),
        client.get("/").send_raw().await.unwrap_err(),
        client.get("/").fetch_optional::<u8>().await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Protocol);
    }
}

#[tokio::test]
async fn a_peer_cannot_say_that_its_response_is_a_stream() {
    let step = Step::json("1").header("x-civic-streamed", "1");
    let (_peer, client) = peer([step]).await;
    assert_eq!(client.get("/").fetch::<u8>().await.unwrap(), 1);
    let mut answer = client.get("/").send_stream().await.unwrap();
    assert_eq!(read(&mut answer).await.unwrap(), 1);
}

#[tokio::test]
async fn a_stream_without_a_body_has_ended_when_its_head_is_there() {
    for step in [Step::status(204), Step::status(200).body("")] {
        let peer = Upstream::start([step]).await;
        let client = exact(&peer.url()).max_in_flight(1).build().unwrap();
        let answers = [
            client.get("/").send_stream().await.unwrap(),
            client
                .get("/")
                .deadline(SECOND)
                .send_stream()
                .await
                .unwrap(),
        ];
        for mut answer in answers {
            assert_eq!(answer.chunk().await.unwrap(), None);
        }
        assert_eq!(peer.connections(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_fails_while_it_is_passed_on_fails_as_the_call_that_it_comes_from() {
    let source = Upstream::start([Step::hang_in_body()]).await;
    let sink = Upstream::start([Step::status(204)]).await;
    let (from, to) = (exact(&source.url()), exact(&sink.url()));
    let (from, to) = (from.build().unwrap(), to.build().unwrap());
    let request = from.get("/").idle_timeout(SECOND);
    let body = request.send_stream().await.unwrap().into_body();
    let error = ends(to.put("/").body(Body::stream(body)).send()).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.transmission(), Transmission::Unknown);
    assert_eq!(error.not_retried(), Some(NotRetried::Begun));
    assert_eq!(
        Failure::from(error).status(),
        504,
        "no defect of this service"
    );
}

#[tokio::test]
async fn a_stack_that_reads_bodies_by_itself_gives_a_stream_of_one_piece() {
    let stack = service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Response::new(Bytes::from("12345")))
    });
    let client = bare("http://peer").build_over(stack).unwrap();
    let mut answer = client.get("/").send_stream().await.unwrap();
    assert_eq!(
        answer.chunk().await.unwrap().as_deref(),
        Some(&b"12345"[..])
    );
    assert_eq!(answer.chunk().await.unwrap(), None);
}

#[tokio::test]
async fn over_the_transport_a_stack_without_collect_body_layer_gives_a_stream_of_one_piece() {
    let pieces = [
        (Step::status(200).body("12345"), Some("12345")),
        (Step::status(200).body(""), None),
        (Step::status(204), None),
    ];
    for (step, expected) in pieces {
        let peer = Upstream::start([step]).await;
        // Its own way to read a body.
        let stack = service_fn(|request: Request<Body>| async move {
            let (head, body) = Transport::default().oneshot(request).await?.into_parts();
            let whole = body.collect().await.map_err(Error::transport)?;
            Ok::<_, Error>(Response::from_parts(head, whole.to_bytes()))
        });
        let client = bare(&peer.url()).build_over(stack).unwrap();
        let mut answer = client.get("/").send_stream().await.unwrap();
        let piece = answer.chunk().await.unwrap();
        assert_eq!(piece.as_deref(), expected.map(str::as_bytes));
        assert_eq!(answer.chunk().await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_stream_can_be_passed_on_as_a_body_with_its_length() {
    let source = Upstream::start([Step::status(200).body("12345")]).await;
    let sink = Upstream::start([Step::status(204)]).await;
    let (from, to) = (exact(&source.url()), exact(&sink.url()));
    let (from, to) = (from.build().unwrap(), to.build().unwrap());
    let answer = from.get("/").send_stream().await.unwrap();
    let body = answer.into_body();
    assert_eq!(http_body::Body::size_hint(&body).exact(), Some(5));
    to.put("/").body(Body::stream(body)).send().await.unwrap();
    let attempts = sink.attempts();
    assert_eq!(attempts[0].body, "12345");
    assert_eq!(attempts[0].header("content-length"), Some("5"));

    let answer = from.get("/").send_stream().await.unwrap();
    let collected = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(collected, "12345");
}
