//! HEAD behind a layer that compresses, in the order that the documentation asks for.

use std::convert::Infallible;
use std::future::ready;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_http::compression::CompressionLayer;

use crate::support::{json, layer};

const LENGTH: usize = 5002;

/// Answers HEAD as axum does: with the length, and without the body.
fn handler(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let body = match *request.method() {
        Method::HEAD => Full::default(),
        _ => Full::new(Bytes::from(format!("\"{}\"", "x".repeat(LENGTH - 2)))),
    };
    let mut response = json(body);
    response.headers_mut().insert(CONTENT_LENGTH, LENGTH.into());
    response
}

#[tokio::test]
async fn head_has_the_length_of_get_with_and_without_compression_over_http_1_and_http_2() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = ServiceBuilder::new()
                .layer(CompressionLayer::new())
                .layer(layer())
                .service_fn(|request: Request<Incoming>| {
                    ready(Ok::<_, Infallible>(handler(&request)))
                });
            tokio::spawn(async move {
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
                    .await;
            });
        }
    });
    let mut http_2 = Client::builder(TokioExecutor::new());
    http_2.http2_only(true);
    for (name, builder) in [("1", Client::builder(TokioExecutor::new())), ("2", http_2)] {
        let client = builder.build_http::<Empty<Bytes>>();
        for encoding in ["gzip", "identity"] {
            for method in [Method::HEAD, Method::GET, Method::HEAD] {
                let request = Request::builder()
                    .method(&method)
                    .uri(format!("http://{address}/x"))
                    .header(ACCEPT_ENCODING, encoding)
                    .body(Empty::new())
                    .unwrap();
                let response = client.request(request).await.unwrap();
                assert_eq!(response.status(), 200);
                let headers = response.headers().clone();
                let body = response.into_body().collect().await.unwrap().to_bytes();
                let compressed = method == Method::GET && encoding == "gzip";
                assert_eq!(
                    headers.contains_key(CONTENT_ENCODING),
                    compressed,
                    "{name} {method}"
                );
                if !compressed {
                    assert_eq!(
                        headers[CONTENT_LENGTH],
                        (LENGTH + 63).to_string(),
                        "{name} {method}"
                    );
                }
                assert_eq!(body.is_empty(), method == Method::HEAD, "{name} {method}");
            }
        }
    }
}
