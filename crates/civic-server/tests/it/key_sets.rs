//! Services that publish their keys and fetch those of their callers, on real sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use civic_auth::{
    Algorithm, KeySet, KeySetService, KeySource, KeySources, Principal, SharedKeySet, SigningKey,
    TokenMinter, TokenVerifier, VerifyingKey,
};
use civic_client::ServiceClient;
use civic_client::jwks::{JwksSource, JwksSourceBuilder};
use civic_server::{Json, Server, Service, Shutdown};
use http::{Method, Request};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::support::{PREFIX, answer, service, verifier};

const NAMES: [&str; 3] = ["desk", "billing", "assessment-roll"];

/// How often it is looked whether something has happened.
const LOOK: Duration = Duration::from_millis(20);

fn key(id: &str) -> SigningKey {
    let pem = SigningKey::generate_pem(Algorithm::EdDsa).unwrap();
    SigningKey::from_pem(pem.as_str())
        .unwrap()
        .with_id(id)
        .unwrap()
}

fn public(key: &SigningKey) -> VerifyingKey {
    key.public_key().unwrap()
}

#[tokio::test]
async fn a_key_set_is_public_has_no_envelope_and_is_under_both_paths() {
    let billing = key("b-1");
    let keys = SharedKeySet::new(public(&billing));
    let app = Service::new(PREFIX, verifier())
        .unwrap()
        .guarded(Router::new().route("/x", get(async || Json(1))))
        .key_set(KeySetService::new(keys))
        .limit(1)
        .into_router();
    let ask = async |method: Method, path: &str| {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("x-correlation-id", "req-1");
        answer(&app, request.body(axum::body::Body::empty()).unwrap()).await
    };
    for path in [
        "/.well-known/jwks.json",
        "/api/things/.well-known/jwks.json",
    ] {
        let found = ask(Method::GET, path).await;
        assert_eq!(found.status, 200, "{path}");
        assert_eq!(
            found.header("content-type"),
            Some("application/jwk-set+json")
        );
        assert_eq!(found.header("cache-control"), Some("public, max-age=300"));
        assert_eq!(found.header("x-envelope"), None);
        let set = KeySet::from_jwks(&found.body).unwrap();
        assert_eq!(set.iter().next().unwrap().id(), Some("b-1"));
        let head = ask(Method::HEAD, path).await;
        assert_eq!((head.status, &*head.body), (found.status, &b""[..]));
        assert_eq!(
            head.header("content-length"),
            found.header("content-length")
        );
        let words = format!("Cannot POST {path}");
        ask(Method::POST, path).await.assert_error(405, &words);
    }
    // It is there only if it was asked for.
    let bare = service(Router::new().route("/x", get(async || Json(1))));
    let request = Request::get("/.well-known/jwks.json").body(axum::body::Body::empty());
    assert_eq!(answer(&bare, request.unwrap()).await.status, 404);
}

/// A service of the fleet: it calls, and it is called.
struct Member {
    minter: TokenMinter,
    /// What it publishes.
    published: SharedKeySet,
    /// The keys of the others.
    sources: Vec<JwksSource>,
    url: String,
    server: JoinHandle<()>,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Starts services that publish these keys, and waits until each has those of the others.
async fn start(keys: &[SigningKey]) -> Vec<Member> {
    let mut servers = Vec::new();
    for _ in keys {
        servers.push(Server::bind("127.0.0.1", 0).await.unwrap());
    }
    let urls: Vec<String> = servers
        .iter()
        .map(|server| format!("http://{}", server.local_addr()))
        .collect();
    let mut fleet = Vec::new();
    for (index, server) in servers.into_iter().enumerate() {
        let (name, key) = (NAMES[index], &keys[index]);
        let sources: Vec<JwksSource> = (0..keys.len())
            .filter(|other| *other != index)
            .map(|other| follow(&urls[other], NAMES[other]))
            .collect();
        let joined = sources
            .iter()
            .cloned()
            .fold(KeySources::new(), KeySources::with_source);
        let verifier = TokenVerifier::from_source(joined).with_service_name(name);
        let published = SharedKeySet::new(public(key));
        let whoami = async |caller: Principal| Json(caller.issuer().map(str::to_owned));
        let app = Service::new(PREFIX, verifier)
            .unwrap()
            .guarded(Router::new().route("/whoami", get(whoami)))
            .key_set(KeySetService::new(published.clone()))
            .into_router();
        fleet.push(Member {
            minter: TokenMinter::new(key.clone()).with_issuer(name),
            published,
            sources,
            url: urls[index].clone(),
            server: tokio::spawn(async move {
                server.serve(app, &Shutdown::new()).await.unwrap();
            }),
        });
    }
    for member in &fleet {
        for source in &member.sources {
            source.ready().await;
        }
    }
    fleet
}

fn follow(url: &str, issuer: &'static str) -> JwksSource {
    let client = ServiceClient::builder(url).anonymous().build().unwrap();
    JwksSourceBuilder::new(client, issuer).start().unwrap()
}

/// Waits until every source whose issuer has such a key knows it.
async fn seen(fleet: &[Member], number: u32) {
    for source in fleet.iter().flat_map(|member| &member.sources) {
        let id = format!("{}-{number}", source.issuer());
        let is_known = || {
            let keys = source.current().unwrap();
            keys.iter().any(|key| key.id() == Some(&*id))
        };
        while !is_known() {
            match source.refresh() {
                Some(refresh) => refresh.await,
                None => sleep(LOOK).await,
            }
        }
    }
}

fn client(caller: &Member, callee: usize, fleet: &[Member]) -> ServiceClient {
    let minter = caller.minter.clone().for_audience(NAMES[callee]);
    ServiceClient::builder(&format!("{}{PREFIX}", fleet[callee].url))
        .minter(minter)
        // A refused call must not hide behind another attempt.
        .retries(0)
        .build()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_rotated_over_http_while_services_call_each_other_and_no_call_is_refused() {
    let generation = |number: u32| NAMES.map(|name| key(&format!("{name}-{number}")));
    let (first, second) = (generation(1), generation(2));
    let fleet = start(&first).await;
    let mut calls = Vec::new();
    let stop = Arc::new(AtomicBool::new(false));
    let counts: Arc<[AtomicUsize]> = (0..6).map(|_| AtomicUsize::new(0)).collect();
    for (caller, member) in fleet.iter().enumerate() {
        for callee in (0..fleet.len()).filter(|callee| *callee != caller) {
            let client = client(member, callee, &fleet);
            let (stop, counts, number) = (Arc::clone(&stop), Arc::clone(&counts), calls.len());
            calls.push(tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let issuer: String = client.get("/whoami").fetch().await.unwrap();
                    assert_eq!(issuer, NAMES[caller]);
                    counts[number].fetch_add(1, Ordering::Relaxed);
                    sleep(LOOK).await;
                }
            }));
        }
    }
    // A call of each pair, from now on.
    let each_calls = async || {
        let before: Vec<usize> = counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .collect();
        for (count, before) in counts.iter().zip(before) {
            // The one that is under way may have begun before.
            while count.load(Ordering::Relaxed) < before + 2 {
                assert!(
                    calls.iter().all(|call| !call.is_finished()),
                    "no call was refused"
                );
                sleep(LOOK).await;
            }
        }
    };
    each_calls().await;
    // Publish beside the old one, sign, remove: one service after the other.
    for (member, keys) in fleet.iter().zip(first.iter().zip(&second)) {
        let both: KeySet = [public(keys.0), public(keys.1)].into_iter().collect();
        member.published.replace(both);
    }
    seen(&fleet, 2).await;
    each_calls().await;
    for (member, key) in fleet.iter().zip(&second) {
        member.minter.replace_key(key.clone());
        each_calls().await;
    }
    for (member, key) in fleet.iter().zip(&second) {
        member.published.replace(public(key));
    }
    each_calls().await;
    stop.store(true, Ordering::Relaxed);
    for call in calls {
        call.await.unwrap();
    }

    // A service that starts from now on does not know the first key any more.
    let late = follow(&fleet[1].url, NAMES[1]);
    late.ready().await;
    let verifier = TokenVerifier::from_source(late);
    for (key, is_accepted) in [(&first[1], false), (&second[1], true)] {
        let minter = TokenMinter::new(key.clone()).with_issuer(NAMES[1]);
        let headers = civic_auth::internal_headers(&minter, None);
        assert_eq!(verifier.verify(&headers).is_ok(), is_accepted);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_that_wait_for_each_other_at_start_find_each_other() {
    // An address of its own, on which no one listens at first: it is asked until it does.
    let server = Server::bind("127.53.9.2", 0).await.unwrap();
    let address = server.local_addr();
    drop(server);
    let keys = follow(&format!("http://{address}"), "billing");
    assert!(keys.check().unwrap_err().to_string().contains("billing"));
    let server = Server::bind("127.53.9.2", address.port()).await.unwrap();
    let billing = key("b-1");
    let app = Service::new(PREFIX, verifier())
        .unwrap()
        .key_set(KeySetService::new(SharedKeySet::new(public(&billing))))
        .into_router();
    let served = tokio::spawn(async move { server.serve(app, &Shutdown::new()).await });
    keys.ready().await;
    keys.check().unwrap();
    served.abort();
}
