//! HTTP/2 over TLS: what is chosen in the handshake, and certificates that change.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use civic_client::transport::{ClientIdentity, Http2, TlsConfig};
use civic_client::{ErrorKind, ServiceClient, Transmission, TransportConfig};
use http::{Method, Response, Version};
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::support::names::Names;
use crate::support::{call, exact};
use crate::tls::{CA, CLIENT, CLIENT_2, RENEWED, SERVER, der, server_config};

const H2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// A server that speaks what was chosen, HTTP/2 where nothing was and `assumes` is set.
struct Served {
    port: u16,
    tls: Arc<Mutex<Arc<ServerConfig>>>,
    state: Arc<Mutex<State>>,
    /// Ends all of its connections gracefully.
    end: watch::Sender<()>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    requests: usize,
    /// What was chosen on each connection, and the certificate that the client has shown.
    chosen: Vec<Option<Vec<u8>>>,
    shown: Vec<Option<Vec<u8>>>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn config(identity: (&[u8], &[u8]), asks: bool, protocols: &[&[u8]]) -> Arc<ServerConfig> {
    let mut config = ServerConfig::clone(&server_config(identity, asks));
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

async fn serve(config: Arc<ServerConfig>, assumes: bool) -> Served {
    civic_testkit::log::install();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let tls = Arc::new(Mutex::new(config));
    let state = Arc::<Mutex<State>>::default();
    let (end, ended) = watch::channel(());
    let task = tokio::spawn({
        let (tls, state) = (Arc::clone(&tls), Arc::clone(&state));
        async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let config = Arc::clone(&tls.lock().unwrap());
                let (state, mut ended) = (Arc::clone(&state), ended.clone());
                ended.mark_unchanged();
                connections.spawn(async move {
                    let stream = TlsAcceptor::from(config).accept(stream).await.ok()?;
                    let session = stream.get_ref().1;
                    let chosen = session.alpn_protocol().map(<[u8]>::to_vec);
                    let shown = session.peer_certificates().and_then(|chain| chain.first());
                    let shown = shown.map(|leaf| leaf.as_ref().to_vec());
                    {
                        let mut state = state.lock().unwrap();
                        state.chosen.push(chosen.clone());
                        state.shown.push(shown);
                    }
                    if chosen.as_deref() == Some(H2) || chosen.is_none() && assumes {
                        serve_http2(stream, state, ended).await
                    } else {
                        serve_http1(stream, state).await
                    }
                });
            }
        }
    });
    Served {
        port,
        tls,
        state,
        end,
        task,
    }
}

async fn serve_http2(
    stream: TlsStream<TcpStream>,
    state: Arc<Mutex<State>>,
    mut ended: watch::Receiver<()>,
) -> Option<()> {
    let mut connection = h2::server::handshake(stream).await.ok()?;
    let mut is_ending = false;
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            _ = ended.changed(), if !is_ending => {
                is_ending = true;
                connection.graceful_shutdown();
                continue;
            }
        };
        let (_, mut response) = accepted?.ok()?;
        state.lock().unwrap().requests += 1;
        let answer = Response::builder().status(204).body(()).unwrap();
        response.send_response(answer, true).ok()?;
    }
}

async fn serve_http1(mut stream: TlsStream<TcpStream>, state: Arc<Mutex<State>>) -> Option<()> {
    let mut read = Vec::new();
    loop {
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
        if read.ends_with(b"\r\n\r\n") {
            read.clear();
            state.lock().unwrap().requests += 1;
            let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
            stream.write_all(answer).await.ok()?;
        }
    }
}

fn client(served: &Served, http2: Option<Http2>, tls: TlsConfig) -> ServiceClient {
    let transport = TransportConfig::new();
    let transport = match http2 {
        Some(http2) => transport.with_http2(http2),
        None => transport,
    };
    exact(&format!("https://roll.test:{}", served.port))
        .resolver(Names::local([1]))
        .transport(transport)
        .tls(tls)
        .build()
        .unwrap()
}

fn trusting() -> TlsConfig {
    TlsConfig::from_authorities(CA).unwrap()
}

#[tokio::test]
async fn what_is_chosen_in_the_handshake_is_spoken() {
    let negotiated = Some(Http2::negotiated());
    let prior = Some(Http2::prior_knowledge());
    let cases: [(Option<Http2>, &[&[u8]], Option<&[u8]>, Version); 7] = [
        (None, &[H2, HTTP1], None, Version::HTTP_11),
        (None, &[], None, Version::HTTP_11),
        (negotiated, &[H2, HTTP1], Some(H2), Version::HTTP_2),
        (negotiated, &[HTTP1], Some(HTTP1), Version::HTTP_11),
        (negotiated, &[], None, Version::HTTP_11),
        (prior, &[H2, HTTP1], Some(H2), Version::HTTP_2),
        (prior, &[], None, Version::HTTP_2),
    ];
    for (http2, protocols, chosen, version) in cases {
        let config = config(SERVER, false, protocols);
        let served = serve(config, version == Version::HTTP_2).await;
        let client = client(&served, http2, trusting());
        for _ in 0..3 {
            let answer = client.get("/").send_raw().await.unwrap();
            assert_eq!(answer.version(), version, "{http2:?} {protocols:?}");
        }
        let state = served.state.lock().unwrap();
        assert_eq!(state.chosen, [chosen.map(<[u8]>::to_vec)]);
    }
}

#[tokio::test]
async fn a_peer_that_refuses_http_2_though_it_was_assumed_is_not_sent_the_request() {
    let served = serve(config(SERVER, false, &[HTTP1]), false).await;
    let client = client(&served, Some(Http2::prior_knowledge()), trusting());
    let error = call(&client, &Method::POST).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Protocol, 1));
    assert_eq!(error.transmission(), Transmission::NotSent);
    assert!(error.to_string().contains("Http2::negotiated"), "{error}");
    assert_eq!(served.state.lock().unwrap().requests, 0);
}

#[tokio::test]
async fn calls_that_begin_at_once_share_the_connection_that_turns_out_to_speak_http_2() {
    for (protocols, connections) in [(&[H2, HTTP1][..], 1..=1), (&[HTTP1], 2..=40)] {
        let served = serve(config(SERVER, false, protocols), false).await;
        let client = client(&served, Some(Http2::negotiated()), trusting());
        let mut calls = JoinSet::new();
        for _ in 0..40 {
            let client = client.clone();
            calls.spawn(async move { call(&client, &Method::GET).await.unwrap() });
        }
        calls.join_all().await;
        let state = served.state.lock().unwrap();
        assert!(
            connections.contains(&state.chosen.len()),
            "{}",
            state.chosen.len()
        );
        assert_eq!(state.requests, 40);
    }
}

#[tokio::test]
async fn the_certificate_of_the_server_may_change_under_load() {
    let protocols = [H2, HTTP1];
    let served = serve(config(SERVER, false, &protocols), false).await;
    let client = client(&served, Some(Http2::negotiated()), trusting());
    let mut under_way = JoinSet::new();
    for _ in 0..4 {
        let client = client.clone();
        under_way.spawn(async move {
            for _ in 0..100 {
                call(&client, &Method::POST).await.unwrap();
            }
        });
    }
    for identity in [RENEWED, SERVER, RENEWED] {
        sleep(Duration::from_millis(5)).await;
        *served.tls.lock().unwrap() = config(identity, false, &protocols);
        // Those that are open end as those of a server do that is reloaded.
        served.end.send_replace(());
    }
    under_way.join_all().await;
    assert_eq!(served.state.lock().unwrap().requests, 400);
}

#[tokio::test]
async fn a_new_certificate_of_the_client_is_shown_by_the_next_connection_and_no_call_fails() {
    let served = serve(config(SERVER, true, &[H2]), false).await;
    let identity = ClientIdentity::from_pem(CLIENT.0, CLIENT.1).unwrap();
    let tls = trusting().with_identity(identity.clone()).unwrap();
    let client = client(&served, Some(Http2::negotiated()), tls);
    for _ in 0..10 {
        call(&client, &Method::POST).await.unwrap();
    }
    identity.replace(CLIENT_2.0, CLIENT_2.1).unwrap();
    for _ in 0..10 {
        call(&client, &Method::POST).await.unwrap();
    }
    served.end.send_replace(());
    for _ in 0..10 {
        call(&client, &Method::POST).await.unwrap();
    }
    let state = served.state.lock().unwrap();
    assert_eq!(state.shown, [CLIENT, CLIENT_2].map(|pem| Some(der(pem))));
    assert_eq!(state.requests, 30);
}
