//! Mutual TLS: a service that only clients with a certificate of its authority reach, beside the
//! tokens.
//!
//! ```sh
//! cargo run --package civic-server --features tls --example mtls
//! ```
//!
//! The certificates are those of the tests in this repository. A service reads its own files, and
//! replaces them without a restart when they are renewed. It prints:
//!
//! ```text
//! with a certificate: a client with a certificate of … bytes
//! without one: the connection failed
//! ```

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use axum::routing::get;
use axum::{Extension, Router};
use civic_auth::{Secret, TokenMinter, TokenVerifier};
use civic_client::ServiceClient;
use civic_client::transport::{ClientIdentity, TlsConfig};
use civic_server::serve::{ClientCertificate, Tls};
use civic_server::{Json, Server, Service, Shutdown};

async fn hello(Extension(certificate): Extension<ClientCertificate>) -> Json<String> {
    let bytes = certificate.der().len();
    Json(format!("a client with a certificate of {bytes} bytes"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/tls");
    let pem = |name: &str| std::fs::read(folder.join(name));
    let authority = pem("ca.pem")?;

    let secret = Secret::new("a secret of at least thirty-two bytes")?;
    let app = Service::new("/api/roll", TokenVerifier::new(secret.clone()))?
        .guarded(Router::new().route("/hello", get(hello)))
        .into_router();
    let tls = Tls::from_pem(&pem("server.pem")?, &pem("server.key")?)?
        .with_client_authorities(&authority)?;
    let server = Server::bind("127.0.0.1", 0)
        .await?
        .with_drain_delay(Duration::ZERO)
        .with_tls(tls);
    let url = format!("https://localhost:{}", server.local_addr().port());
    let shutdown = Shutdown::new();
    let serving = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { server.serve(app, &shutdown).await }
    });

    let client = |tls: TlsConfig| {
        ServiceClient::builder(&url)
            .minter(TokenMinter::new(secret.clone()))
            .retries(0)
            .tls(tls)
            .build()
    };
    let known = ClientIdentity::from_pem(&pem("client.pem")?, &pem("client.key")?)?;
    let trusting = TlsConfig::from_authorities(&authority)?;
    let admitted = client(trusting.clone().with_identity(known)?)?;
    let answer: String = admitted.get("/api/roll/hello").fetch().await?;
    println!("with a certificate: {answer}");

    let stranger = client(trusting)?;
    match stranger.get("/api/roll/hello").send().await {
        Ok(answer) => return Err(format!("it was answered {}", answer.status()).into()),
        Err(_) => println!("without one: the connection failed"),
    }
    shutdown.drain();
    serving.await??;
    Ok(())
}
