//! A refusal arrives, however large the refused request's body is.

use std::convert::Infallible;
use std::future::{pending, ready};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use civic_auth::{AuthLayer, RequireRoleLayer, Role};
use http::header::{AUTHORIZATION, CONNECTION, EXPECT};
use http::{HeaderValue, Request, Response, Version};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::time::Instant;
use tower::{ServiceBuilder, ServiceExt as _};

use crate::support::verifier;

/// A body of so many frames of 64 KiB, or of none, that ends, breaks off, or never does.
struct Upload {
    frames: usize,
    frame: Bytes,
    end: End,
    polled: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Clean,
    Error,
    Never,
}

impl Body for Upload {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        self.polled = true;
        if let Some(rest) = self.frames.checked_sub(1) {
            self.frames = rest;
            return Poll::Ready(Some(Ok(Frame::data(self.frame.clone()))));
        }
        match self.end {
            End::Clean => Poll::Ready(None),
            End::Error => Poll::Ready(Some(Err("reset"))),
            End::Never => Poll::Pending,
        }
    }
}

fn upload(frames: usize, frame: usize, end: End) -> Request<Upload> {
    Request::post("/x")
        .body(Upload {
            frames,
            frame: Bytes::from(vec![b'x'; frame]),
            end,
            polled: false,
        })
        .expect("a request")
}

async fn refuse(request: Request<Upload>) -> (Response<Bytes>, Duration) {
    let before = Instant::now();
    let response = ServiceBuilder::new()
        .layer(AuthLayer::new(verifier()))
        .service_fn(|_: Request<Upload>| {
            ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
        })
        .oneshot(request)
        .await
        .expect("infallible");
    let took = before.elapsed();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("infallible").to_bytes();
    (Response::from_parts(parts, body), took)
}

const KIB_64: usize = 64 * 1024;

/// Large, so that a debug build sends 20 MB in a moment.
const WINDOW: u32 = 8 * 1024 * 1024;
const FRAME: u32 = 1024 * 1024;

#[tokio::test(start_paused = true)]
async fn the_body_of_a_refused_request_is_read_to_its_end_for_32_mib_or_for_2_s() {
    let closes = [
        ("no body", upload(0, 0, End::Clean), false, 0),
        ("32 MiB", upload(512, KIB_64, End::Clean), false, 0),
        ("more", upload(513, KIB_64, End::Clean), true, 0),
        ("endless", upload(usize::MAX, KIB_64, End::Clean), true, 0),
        (
            "a body that breaks off",
            upload(3, KIB_64, End::Error),
            false,
            0,
        ),
        ("a body that stops", upload(3, KIB_64, End::Never), true, 2),
        (
            "a body that never begins",
            upload(0, 0, End::Never),
            true,
            2,
        ),
    ];
    for (name, request, close, seconds) in closes {
        let (response, took) = refuse(request).await;
        assert_eq!(response.status(), 401, "{name}");
        assert_eq!(response.headers().contains_key(CONNECTION), close, "{name}");
        assert_eq!(took.as_secs(), seconds, "{name}");
        assert!(
            response.body().starts_with(br#"{"statusCode":401"#),
            "{name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn over_http_2_no_connection_is_closed() {
    let mut request = upload(0, 0, End::Never);
    *request.version_mut() = Version::HTTP_2;
    let (response, took) = refuse(request).await;
    assert_eq!(response.status(), 401);
    assert_eq!(took.as_secs(), 2);
    assert!(!response.headers().contains_key(CONNECTION));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_the_caller_has_not_sent_is_not_waited_for() {
    let mut request = upload(0, 0, End::Never);
    request
        .headers_mut()
        .insert(EXPECT, HeaderValue::from_static("100-Continue"));
    let (response, took) = refuse(request).await;
    assert_eq!(response.status(), 401);
    assert_eq!(took, Duration::ZERO);

    // With any other expectation it is on its way.
    for expected in ["100-continue-not", "something"] {
        let mut request = upload(0, 0, End::Never);
        request
            .headers_mut()
            .insert(EXPECT, HeaderValue::from_static(expected));
        let (response, took) = refuse(request).await;
        assert_eq!(response.status(), 401);
        assert_eq!(took.as_secs(), 2, "{expected}");
    }
}

/// The other tasks of the runtime run: without that, the timer could never fire.
#[tokio::test(start_paused = true)]
async fn a_body_of_empty_frames_does_not_keep_other_tasks_from_running() {
    let refusal = tokio::spawn(refuse(upload(usize::MAX, 0, End::Clean)));
    let others = async {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    };
    others.await;
    assert!(!refusal.is_finished());
    refusal.abort();
}

/// A server on a socket, over HTTP/1.1 or HTTP/2, as the first bytes say.
async fn serve() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                return pending().await;
            };
            let service = ServiceBuilder::new()
                .layer(AuthLayer::new(verifier()))
                .layer(RequireRoleLayer::new(Role::Treasurer))
                .service_fn(|_: Request<hyper::body::Incoming>| {
                    ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
                });
            tokio::spawn(async move {
                let mut server = auto::Builder::new(TokioExecutor::new());
                server
                    .http2()
                    .initial_connection_window_size(WINDOW)
                    .initial_stream_window_size(WINDOW)
                    .max_frame_size(FRAME);
                let _ = server
                    .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
                    .await;
            });
        }
    });
    address
}

async fn every_upload_sees_its_refusal(
    client: hyper_util::client::legacy::Builder,
    megabytes: usize,
    uploads: usize,
) {
    let address = serve().await;
    let client = client.build_http::<Full<Bytes>>();
    let body = Bytes::from(vec![b'x'; megabytes * 1_000_000]);
    for number in 0..uploads {
        let response = loop {
            let request = Request::post(format!("http://{address}/x"))
                .header(AUTHORIZATION, "Bearer wrong")
                .body(Full::new(body.clone()))
                .expect("a request");
            let begun = Instant::now();
            match client.request(request).await {
                Ok(response) => break response,
                // A body that takes longer is not read to its end, and a busy machine may be slow.
                Err(_) if begun.elapsed() >= Duration::from_secs(2) => {}
                Err(error) => panic!("{number}: {error:?}"),
            }
        };
        assert_eq!(response.status(), 401, "{number}");
        response.into_body().collect().await.expect("a body");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_of_5_and_20_mb_see_their_401_over_http_1() {
    let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
    every_upload_sees_its_refusal(client.clone(), 5, 100).await;
    every_upload_sees_its_refusal(client, 20, 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_of_5_and_20_mb_see_their_401_over_http_2() {
    let mut client = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
    client.http2_only(true).http2_max_frame_size(FRAME);
    every_upload_sees_its_refusal(client.clone(), 5, 100).await;
    every_upload_sees_its_refusal(client, 20, 100).await;
}
