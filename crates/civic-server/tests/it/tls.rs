//! TLS: who may connect, and what is spoken.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Extension;
use axum::routing::get;
use civic_server::serve::{ClientCertificate, MemoryStream, Tls};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::wire::{Caller, Served};

const CA: &[u8] = include_bytes!("tls/ca.pem");
const OTHER_CA: &[u8] = include_bytes!("tls/other.pem");
const SERVER: (&[u8], &[u8]) = (
    include_bytes!("tls/server.pem"),
    include_bytes!("tls/server.key"),
);
const CLIENT: (&[u8], &[u8]) = (
    include_bytes!("tls/client.pem"),
    include_bytes!("tls/client.key"),
);
const STRANGER: (&[u8], &[u8]) = (
    include_bytes!("tls/stranger.pem"),
    include_bytes!("tls/stranger.key"),
);

fn tls() -> Tls {
    Tls::from_pem(SERVER.0, SERVER.1).unwrap()
}

fn served(tls: Tls) -> Served {
    let who = async |certificate: Option<Extension<ClientCertificate>>| {
        certificate
            .map_or(0, |Extension(certificate)| certificate.der().len())
            .to_string()
    };
    Served::start_with(Router::new().route("/", get(who)), |server| {
        server.with_tls(tls)
    })
}

async fn connect(
    served: &Served,
    identity: Option<(&[u8], &[u8])>,
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<MemoryStream>> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(CA).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = vec![CertificateDer::from_pem_slice(certificate).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(key).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = served.connector.connect()?;
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

#[tokio::test]
async fn http_1_and_http_2_are_spoken_over_tls_as_it_is_negotiated() {
    let served = served(tls());
    let stream = connect(&served, None, &[]).await.unwrap();
    assert_eq!(Caller::new(stream).get("/").await.body, "0");
    let stream = connect(&served, None, &[b"http/1.1"]).await.unwrap();
    assert_eq!(Caller::new(stream).get("/").await.body, "0");
    let stream = connect(&served, None, &[b"h2", b"http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let executor = hyper_util::rt::TokioExecutor::new();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("https://localhost/")
        .body(http_body_util::Empty::<bytes::Bytes>::new())
        .unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
}

#[tokio::test]
async fn only_a_client_with_a_certificate_of_the_named_authority_gets_in_and_its_handler_sees_it() {
    let served = served(tls().with_client_authorities(CA).unwrap());
    let stream = connect(&served, Some(CLIENT), &[]).await.unwrap();
    let shown = Caller::new(stream).get("/").await.body;
    let der = CertificateDer::from_pem_slice(CLIENT.0).unwrap();
    assert_eq!(shown, der.len().to_string());
    for identity in [None, Some(STRANGER)] {
        // Over TLS 1.3 the client learns of it when it reads.
        if let Ok(stream) = connect(&served, identity, &[]).await {
            let mut caller = Caller::new(stream);
            let _ = caller.try_write("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
            assert_eq!(caller.rest().await, "");
        }
    }
    assert!(tls().with_client_authorities(OTHER_CA).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_end_is_cut_off_and_delays_no_shutdown() {
    let served = served(tls());
    let mut silent = served.connect();
    let begun = Instant::now();
    assert_eq!(silent.rest().await, "");
    assert_eq!(begun.elapsed(), Duration::from_secs(10));

    let _silent = served.connect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    served.shutdown.drain();
    served.ended().await;
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
}

#[test]
fn a_certificate_or_a_key_that_cannot_be_used_is_refused_in_words_and_never_quoted() {
    let quoted = std::str::from_utf8(SERVER.1)
        .unwrap()
        .lines()
        .nth(1)
        .unwrap();
    for (certificate, key) in [
        (&b""[..], SERVER.1),
        (SERVER.1, SERVER.1),
        (SERVER.0, b"not a key"),
        (SERVER.0, SERVER.0),
        (SERVER.0, CLIENT.1),
    ] {
        let error = Tls::from_pem(certificate, key).unwrap_err();
        let printed = format!("{error} {error:?}");
        assert!(error.to_string().contains("PEM"), "{printed}");
        assert!(!printed.contains(quoted), "{printed}");
    }
    assert!(tls().with_client_authorities(b"none").is_err());
    assert!(!format!("{:?}", tls()).contains(quoted));
}
