//! TLS: which certificates are accepted, who is shown, and what an operator is told.

use std::sync::{Arc, Mutex};

use civic_client::balance::StaticEndpoints;
use civic_client::transport::{ClientIdentity, TlsConfig};
use civic_client::{
    ErrorKind, NotRetried, ServiceClient, ServiceClientBuilder, Transmission, TransportConfig,
};
use http::Method;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::support::names::Names;
use crate::support::{call, exact};

pub(crate) const CA: &[u8] = include_bytes!("tls/ca.pem");

pub(crate) const SERVER: (&[u8], &[u8]) = (
    include_bytes!("tls/server.pem"),
    include_bytes!("tls/server.key"),
);
pub(crate) const RENEWED: (&[u8], &[u8]) = (
    include_bytes!("tls/renewed.pem"),
    include_bytes!("tls/renewed.key"),
);
const EXPIRED: (&[u8], &[u8]) = (
    include_bytes!("tls/expired.pem"),
    include_bytes!("tls/expired.key"),
);
const ELSEWHERE: (&[u8], &[u8]) = (
    include_bytes!("tls/elsewhere.pem"),
    include_bytes!("tls/elsewhere.key"),
);
pub(crate) const CLIENT: (&[u8], &[u8]) = (
    include_bytes!("tls/client.pem"),
    include_bytes!("tls/client.key"),
);
pub(crate) const CLIENT_2: (&[u8], &[u8]) = (
    include_bytes!("tls/client2.pem"),
    include_bytes!("tls/client2.key"),
);

/// A server that answers 204 to every request, over TLS.
struct Served {
    port: u16,
    tls: Arc<Mutex<Arc<ServerConfig>>>,
    state: Arc<Mutex<State>>,
    requests: watch::Sender<usize>,
    task: JoinHandle<()>,
}

impl Served {
    /// Waits until so many requests were answered.
    async fn answered(&self, count: usize) {
        let mut requests = self.requests.subscribe();
        requests
            .wait_for(|answered| *answered >= count)
            .await
            .unwrap();
    }

    fn requests(&self) -> usize {
        *self.requests.borrow()
    }
}

#[derive(Default)]
struct State {
    /// The certificates that clients have shown, and the names that they have asked for.
    shown: Vec<Option<Vec<u8>>>,
    names: Vec<Option<String>>,
    hosts: Vec<String>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn server_config(identity: (&[u8], &[u8]), asks_for_clients: bool) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if asks_for_clients {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(CA).unwrap())
            .unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let chain = vec![CertificateDer::from_pem_slice(identity.0).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(identity.1).unwrap();
    Arc::new(builder.with_single_cert(chain, key).unwrap())
}

async fn serve(config: Arc<ServerConfig>) -> Served {
    civic_testkit::log::install();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let tls = Arc::new(Mutex::new(config));
    let state = Arc::new(Mutex::new(State::default()));
    let requests = watch::Sender::new(0);
    let task = tokio::spawn({
        let (tls, state) = (Arc::clone(&tls), Arc::clone(&state));
        let requests = requests.clone();
        async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let config = Arc::clone(&tls.lock().unwrap());
                let (state, requests) = (Arc::clone(&state), requests.clone());
                connections.spawn(async move {
                    let Ok(mut stream) = TlsAcceptor::from(config).accept(stream).await else {
                        return;
                    };
                    {
                        let (_, session) = stream.get_ref();
                        let shown = session.peer_certificates().and_then(|chain| chain.first());
                        let mut state = state.lock().unwrap();
                        state.shown.push(shown.map(|leaf| leaf.as_ref().to_vec()));
                        state.names.push(session.server_name().map(str::to_owned));
                    }
                    let mut read = Vec::new();
                    loop {
                        let mut bytes = [0; 1024];
                        match stream.read(&mut bytes).await {
                            Ok(count) if count > 0 => read.extend_from_slice(&bytes[..count]),
                            _ => return,
                        }
                        let text = String::from_utf8_lossy(&read).into_owned();
                        if !text.ends_with("\r\n\r\n") {
                            continue;
                        }
                        read.clear();
                        let host = text.lines().find_map(|line| line.strip_prefix("host: "));
                        let host = host.unwrap_or_default().to_owned();
                        state.lock().unwrap().hosts.push(host);
                        requests.send_modify(|answered| *answered += 1);
                        let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
                        if stream.write_all(answer).await.is_err() {
                            return;
                        }
                    }
                });
            }
        }
    });
    Served {
        port,
        tls,
        state,
        requests,
        task,
    }
}

fn builder(served: &Served, tls: TlsConfig) -> ServiceClientBuilder {
    exact(&format!("https://roll.test:{}", served.port))
        .resolver(Names::local([1]))
        .tls(tls)
}

fn client(served: &Served, tls: TlsConfig) -> ServiceClient {
    builder(served, tls).build().unwrap()
}

/// Each request opens a connection, and closes it.
fn once() -> TransportConfig {
    TransportConfig::new().with_max_idle(0)
}

/// Makes 200 calls, four at a time.
async fn load(client: ServiceClient) {
    let calls = (0..4).map(|_| {
        let client = client.clone();
        async move {
            for _ in 0..50 {
                call(&client, &Method::POST).await.unwrap();
            }
        }
    });
    calls.collect::<JoinSet<_>>().join_all().await;
}

pub(crate) fn der(pem: (&[u8], &[u8])) -> Vec<u8> {
    let certificate = CertificateDer::from_pem_slice(pem.0).unwrap();
    certificate.as_ref().to_vec()
}

fn trusting() -> TlsConfig {
    TlsConfig::from_authorities(CA).unwrap()
}

#[tokio::test]
async fn the_certificate_of_a_private_authority_is_accepted_and_connections_are_used_again() {
    let served = serve(server_config(SERVER, false)).await;
    let client = client(&served, trusting());
    for _ in 0..5 {
        call(&client, &Method::GET).await.unwrap();
    }
    let state = served.state.lock().unwrap();
    assert_eq!((served.requests(), state.names.len()), (5, 1));
    assert_eq!(state.names[0].as_deref(), Some("roll.test"));
    assert_eq!(state.hosts[0], format!("roll.test:{}", served.port));
}

#[tokio::test]
async fn a_certificate_that_is_not_accepted_is_refused_once_in_words_that_an_operator_understands()
{
    let other = TlsConfig::from_authorities(SERVER.0);
    // A server's certificate is a trust anchor like any other, and has not issued this one.
    let other = other.unwrap();
    let cases = [
        (EXPIRED, trusting(), "roll.test expired on Thu, 01 Jan 2026"),
        (
            ELSEWHERE,
            trusting(),
            "not made out for roll.test: it is for elsewhere.test",
        ),
        (
            RENEWED,
            other,
            "issued by an authority that is not accepted",
        ),
    ];
    for (identity, tls, words) in cases {
        let served = serve(server_config(identity, false)).await;
        let error = call(&client(&served, tls), &Method::GET).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Certificate, "{words}");
        assert_eq!(error.transmission(), Transmission::NotSent);
        assert_eq!(error.not_retried(), Some(NotRetried::NotRetryable));
        assert_eq!(error.attempts(), 1);
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(served.requests(), 0);
    }
}

#[tokio::test]
async fn the_certificate_of_the_server_may_change_under_load() {
    for config in [TransportConfig::new(), once()] {
        let served = serve(server_config(SERVER, false)).await;
        let client = builder(&served, trusting()).transport(config).build();
        let under_way = tokio::spawn(load(client.unwrap()));
        for (quarter, identity) in (1..).zip([RENEWED, SERVER, RENEWED]) {
            served.answered(50 * quarter).await;
            *served.tls.lock().unwrap() = server_config(identity, false);
        }
        under_way.await.unwrap();
        assert_eq!(served.requests(), 200);
    }
}

#[tokio::test]
async fn the_certificate_of_the_client_may_change_under_load() {
    let served = serve(server_config(SERVER, true)).await;
    let identity = ClientIdentity::from_pem(CLIENT.0, CLIENT.1).unwrap();
    let tls = trusting().with_identity(identity.clone()).unwrap();
    let client = builder(&served, tls).transport(once()).build();
    let under_way = tokio::spawn(load(client.unwrap()));
    for (quarter, next) in (1..).zip([CLIENT_2, CLIENT, CLIENT_2]) {
        served.answered(50 * quarter).await;
        identity.replace(next.0, next.1).unwrap();
    }
    under_way.await.unwrap();
    let shown = &served.state.lock().unwrap().shown;
    assert_eq!((served.requests(), shown.len()), (200, 200));
    let of = |pem| shown.iter().filter(|leaf| **leaf == Some(der(pem))).count();
    // Four calls at a time may still have the one before.
    let (first, second) = (of(CLIENT), of(CLIENT_2));
    assert_eq!(first + second, 200);
    assert!(first >= 50 && second >= 50, "{first} and {second}");
}

#[tokio::test]
async fn the_certificate_of_the_client_is_shown_and_may_change_without_a_restart() {
    let served = serve(server_config(SERVER, true)).await;
    let identity = ClientIdentity::from_pem(CLIENT.0, CLIENT.1).unwrap();
    let tls = trusting().with_identity(identity.clone()).unwrap();
    let client = builder(&served, tls).transport(once()).build().unwrap();
    call(&client, &Method::GET).await.unwrap();
    // What cannot be used changes nothing.
    let error = identity.replace(CLIENT_2.0, CLIENT.1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    call(&client, &Method::GET).await.unwrap();
    identity.replace(CLIENT_2.0, CLIENT_2.1).unwrap();
    call(&client, &Method::GET).await.unwrap();
    let shown = served.state.lock().unwrap().shown.clone();
    let expected = [CLIENT, CLIENT, CLIENT_2].map(|pem| Some(der(pem)));
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn a_client_without_a_certificate_does_not_get_in_where_one_is_asked_for() {
    let served = serve(server_config(SERVER, true)).await;
    call(&client(&served, trusting()), &Method::GET)
        .await
        .unwrap_err();
    assert_eq!(served.requests(), 0);
}

#[tokio::test]
async fn endpoints_are_spoken_to_by_the_name_of_the_service() {
    let served = serve(server_config(SERVER, false)).await;
    let place = format!("127.0.0.1:{}", served.port);
    let client = exact("https://roll.test")
        .endpoints(StaticEndpoints::parse(&place).unwrap())
        .tls(trusting())
        .build()
        .unwrap();
    call(&client, &Method::GET).await.unwrap();
    let state = served.state.lock().unwrap();
    assert_eq!(state.names, [Some("roll.test".to_owned())]);
    assert_eq!(state.hosts, ["roll.test"]);
}

#[tokio::test]
async fn an_address_is_compared_with_the_addresses_of_a_certificate() {
    let served = serve(server_config(SERVER, false)).await;
    let client = exact(&format!("https://127.0.0.1:{}", served.port));
    let client = client.tls(trusting()).build().unwrap();
    call(&client, &Method::GET).await.unwrap();
}

#[tokio::test]
async fn a_port_that_does_not_speak_tls_was_never_sent_to() {
    let peer =
        civic_testkit::upstream::Upstream::start([civic_testkit::upstream::Step::garbage()]).await;
    let url = format!("https://{}", peer.addr());
    let client = exact(&url).tls(trusting()).retries(0).build().unwrap();
    let error = call(&client, &Method::POST).await.unwrap_err();
    assert_eq!(error.transmission(), Transmission::NotSent, "{error}");
}

#[test]
fn what_is_no_certificate_or_no_key_is_refused_and_not_quoted() {
    let hunter = b"-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----\n";
    for pem in [&b""[..], b"hunter2", hunter] {
        let error = TlsConfig::from_authorities(pem).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        let error = ClientIdentity::from_pem(pem, CLIENT.1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let error = ClientIdentity::from_pem(CLIENT.0, pem).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
