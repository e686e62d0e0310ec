//! The guard in a server that is made of hyper and tower alone, without axum.
//!
//! ```sh
//! cargo run --package civic-auth --example hyper_server
//! ```
//!
//! It prints:
//!
//! ```text
//! without a token: 401, correlation id …
//! with one: 200, correlation id …, hello service@internal
//! ```

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use civic_auth::{
    AuthLayer, CORRELATION_ID, CorrelationIdLayer, InternalHeadersLayer, Principal, Secret,
    TokenMinter, TokenVerifier,
};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::{BoxError, ServiceBuilder, ServiceExt};

async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let caller = request.extensions().get::<Principal>();
    let name = caller.map_or("no one", Principal::email);
    Ok(Response::new(Full::from(format!("hello {name}"))))
}

/// Serves until the process ends.
async fn serve(listener: TcpListener, verifier: TokenVerifier) {
    let service = ServiceBuilder::new()
        .layer(CorrelationIdLayer::new()) // outside of every layer that may answer
        .layer(AuthLayer::new(verifier))
        .service_fn(hello);
    while let Ok((stream, _)) = listener.accept().await {
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            let served = server.serve_connection(TokioIo::new(stream), service).await;
            if let Err(error) = served {
                eprintln!("a connection failed: {error}");
            }
        });
    }
}

fn ask(address: SocketAddr) -> Result<Request<Empty<Bytes>>, http::Error> {
    Request::get(format!("http://{address}/")).body(Empty::new())
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    // A service reads it with `Secret::from_env("JWT_SECRET")?`.
    let secret = Secret::new("a secret of at least thirty-two bytes")?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(listener, TokenVerifier::new(secret.clone())));

    let client = Client::builder(TokioExecutor::new()).build_http();
    let refused = client.request(ask(address)?).await?;
    let id = refused.headers()[CORRELATION_ID].to_str()?;
    println!(
        "without a token: {}, correlation id {id}",
        refused.status().as_u16()
    );

    // The same client with a layer that mints a token for each request.
    let client = ServiceBuilder::new()
        .layer(InternalHeadersLayer::new(TokenMinter::new(secret)))
        .map_err(BoxError::from)
        .service(client);
    let admitted = client.oneshot(ask(address)?).await?;
    let (head, body) = admitted.into_parts();
    let id = head.headers[CORRELATION_ID].to_str()?;
    let body = body.collect().await?.to_bytes();
    println!(
        "with one: {}, correlation id {id}, {}",
        head.status.as_u16(),
        String::from_utf8_lossy(&body)
    );
    Ok(())
}
