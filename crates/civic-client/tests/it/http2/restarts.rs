//! A peer that restarts under load, again and again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use civic_client::{Jitter, Transmission};
use h2::Reason;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use crate::support::http2::{DATA, END, Frames, HEADERS, RawPeer, assuming};

/// How often the peer is restarted.
const RESTARTS: usize = 100;

/// How many callers there are at once.
const CALLERS: usize = 16;

/// How often each numbered request was executed.
#[derive(Clone, Default)]
struct Effects(Arc<Mutex<HashMap<u64, usize>>>);

impl Effects {
    fn note(&self, number: u64) {
        *self.0.lock().unwrap().entry(number).or_default() += 1;
    }

    fn of(&self, number: u64) -> usize {
        let effects = self.0.lock().unwrap();
        effects.get(&number).copied().unwrap_or_default()
    }
}

async fn execute(
    request: Request<Incoming>,
    effects: Effects,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    let number: u64 = serde_json::from_slice(&body).unwrap_or_default();
    // Some are under way whenever it ends.
    sleep(Duration::from_millis(number % 4)).await;
    if number > 0 {
        effects.note(number);
    }
    let mut answer = Response::new(Full::from(number.to_string()));
    let json = http::HeaderValue::from_static("application/json");
    answer.headers_mut().insert("content-type", json);
    Ok(answer)
}

/// Serves connections until `end` changes, and then ends them gracefully.
async fn serve(listener: Arc<TcpListener>, effects: Effects, mut end: watch::Receiver<usize>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = end.changed() => break,
            accepted = listener.accept() => accepted,
        };
        let (socket, _) = accepted.unwrap();
        let (effects, mut end) = (effects.clone(), end.clone());
        connections.spawn(async move {
            let service = service_fn(move |request| execute(request, effects.clone()));
            let server = http2::Builder::new(TokioExecutor::new());
            let mut connection =
                std::pin::pin!(server.serve_connection(TokioIo::new(socket), service));
            tokio::select! {
                biased;
                _ = connection.as_mut() => return,
                _ = end.changed() => connection.as_mut().graceful_shutdown(),
            }
            let _ = connection.await;
        });
    }
    connections.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_graceful_restarts_under_load_cost_no_call_and_nothing_is_executed_twice() {
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
    let url = format!("http://{}", listener.local_addr().unwrap());
    let effects = Effects::default();
    let client = assuming(&url).build().unwrap();
    let is_over = Arc::<AtomicBool>::default();
    let answered = Arc::<AtomicUsize>::default();
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS as u64 {
        let (client, is_over, answered) =
            (client.clone(), Arc::clone(&is_over), Arc::clone(&answered));
        callers.spawn(async move {
            let mut posts = Vec::new();
            for turn in 1.. {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                let number = caller << 32 | turn;
                let post = client.post("/effects").json(&number).fetch::<u64>();
                assert_eq!(post.await.expect("no call fails"), number);
                posts.push(number);
                client.get("/").send().await.expect("no call fails");
                answered.fetch_add(1, Ordering::Relaxed);
            }
            posts
        });
    }
    let (restart, end) = watch::channel(0);
    let mut instances: Vec<JoinHandle<()>> = Vec::new();
    for number in 0..=RESTARTS {
        let mut end = end.clone();
        end.mark_unchanged();
        let next = tokio::spawn(serve(Arc::clone(&listener), effects.clone(), end));
        instances.push(next);
        if number == RESTARTS {
            break;
        }
        // Each instance has answered some requests of its own.
        let before = answered.load(Ordering::Relaxed);
        while answered.load(Ordering::Relaxed) < before + CALLERS {
            tokio::task::yield_now().await;
            assert!(!callers.is_empty());
            if let Some(ended) = callers.try_join_next() {
                ended.expect("no caller ends");
            }
        }
        restart.send_replace(number);
    }
    is_over.store(true, Ordering::Relaxed);
    let posts: Vec<u64> = callers.join_all().await.concat();
    assert!(posts.len() >= RESTARTS * CALLERS, "{}", posts.len());
    for number in &posts {
        assert_eq!(effects.of(*number), 1, "{number:x}");
    }
    let executed = effects.0.lock().unwrap().len();
    assert_eq!(executed, posts.len(), "executed and not answered");
    for instance in instances {
        instance.abort();
    }
}

/// Executes requests until it has had `last` of them, of which it answers all but the last ones,
/// says so and closes the connection at once.
async fn die(
    mut frames: Frames,
    effects: Effects,
    (taken, unanswered): (usize, usize),
) -> Option<()> {
    let mut bodies: HashMap<u32, Vec<u8>> = HashMap::new();
    let mut last = 0;
    let mut count = 0;
    while count < taken {
        let frame = frames.next().await?;
        match frame.kind {
            DATA => bodies
                .entry(frame.stream)
                .or_default()
                .extend_from_slice(&frame.payload),
            HEADERS => {}
            _ => continue,
        }
        if frame.flags & END == 0 {
            continue;
        }
        count += 1;
        last = last.max(frame.stream);
        let body = bodies.remove(&frame.stream).unwrap_or_default();
        effects.note(serde_json::from_slice(&body).unwrap());
        if count + unanswered <= taken {
            frames.answer(frame.stream, 204).await;
        }
    }
    // What has come after the last one is not looked at. Streams below it may be unfinished, and
    // count as taken.
    frames.go_away(last, Reason::NO_ERROR).await;
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_peer_closes_at_once_only_what_it_may_have_executed_fails_and_nothing_is_repeated()
{
    let effects = Effects::default();
    let executing = effects.clone();
    let peer = RawPeer::start(&[], move |number, frames| {
        let plan = (number % 11 + 1, number % 3);
        die(frames, executing.clone(), plan)
    })
    .await;
    let client = assuming(&peer.url())
        .jitter(Jitter::None)
        // So that a call that was never sent finds a connection that takes it.
        .retries(9)
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap();
    let (sender, mut outcomes) = mpsc::unbounded_channel();
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS as u64 {
        let (client, sender) = (client.clone(), sender.clone());
        callers.spawn(async move {
            for turn in 1..=30 {
                let number = caller << 32 | turn;
                let outcome = client.post("/effects").json(&number).send().await;
                sender.send((number, outcome.map(drop))).unwrap();
            }
        });
    }
    drop(sender);
    let (mut answered, mut failed) = (0, 0);
    while let Some((number, outcome)) = outcomes.recv().await {
        let executed = effects.of(number);
        match outcome {
            Ok(()) => {
                answered += 1;
                assert_eq!(executed, 1, "{number:x}");
            }
            Err(error) => {
                failed += 1;
                assert!(executed <= 1, "{number:x}");
                assert_eq!(error.transmission(), Transmission::Unknown, "{error}");
            }
        }
    }
    callers.join_all().await;
    assert_eq!(answered + failed, CALLERS * 30);
    assert!(peer.connections() > 40, "{}", peer.connections());
    // How many of each is a matter of how many calls a connection has when it dies.
    assert!(answered > 0 && failed > 0, "{answered} {failed}");
}
