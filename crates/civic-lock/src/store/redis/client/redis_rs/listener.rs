//! What hears messages on channels.

use std::collections::HashSet;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::time::Duration;

use futures_core::Stream;
use redis::aio::{PubSub, PubSubSink, PubSubStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::store::redis::client::listener::{Heard, Listener};
use crate::store::redis::client::redis_rs::backoff::Backoff;
use crate::store::redis::client::redis_rs::opening::open_listening;
use crate::store::redis::client::redis_rs::place::Place;

pub(crate) struct RedisRsListener {
    requests: mpsc::UnboundedSender<Request>,
    heard: mpsc::UnboundedReceiver<Heard>,
    task: JoinHandle<()>,
}

enum Request {
    Subscribe(String),
    Unsubscribe(String),
}

/// What listens, on a task of its own.
struct Listening {
    place: Place,
    /// How long connecting or subscribing may take.
    limit: Duration,
    requests: mpsc::UnboundedReceiver<Request>,
    heard: mpsc::UnboundedSender<Heard>,
    channels: HashSet<String>,
    backoff: Backoff,
}

// ===== impl RedisRsListener =====

impl RedisRsListener {
    pub(super) fn open(place: Place, limit: Duration) -> Self {
        let (requests, requested) = mpsc::unbounded_channel();
        let (hears, heard) = mpsc::unbounded_channel();
        let listening = Listening {
            place,
            limit,
            requests: requested,
            heard: hears,
            channels: HashSet::new(),
            backoff: Backoff::default(),
        };
        Self {
            requests,
            heard,
            task: tokio::spawn(listening.run()),
        }
    }
}

impl Listener for RedisRsListener {
    async fn subscribe(&mut self, channel: String) {
        let _ = self.requests.send(Request::Subscribe(channel));
    }

    async fn unsubscribe(&mut self, channel: String) {
        let _ = self.requests.send(Request::Unsubscribe(channel));
    }

    async fn next(&mut self) -> Heard {
        self.heard.recv().await.unwrap_or(Heard::End)
    }
}

impl Drop for RedisRsListener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// ===== impl Listening =====

impl Listening {
    /// Opens a connection, listens until it ends, and opens another.
    async fn run(mut self) {
        while let Some(opened) = self.connect().await {
            let (sink, stream) = opened.split();
            if self.listen(sink, stream).await.is_break() {
                return;
            }
            // What was published from now on until all channels are subscribed to is lost.
            let _ = self.heard.send(Heard::Gap);
        }
    }

    /// Connects. `None` if no one listens any more.
    async fn connect(&mut self) -> Option<PubSub> {
        loop {
            let (pause, limit, place) = (self.backoff.next(), self.limit, &self.place);
            let mut opening = pin!(async move {
                sleep(pause).await;
                timeout(limit, open_listening(place)).await
            });
            let opened = loop {
                tokio::select! {
                    request = self.requests.recv() => match request? {
                        Request::Subscribe(channel) => {
                            self.channels.insert(channel);
                        }
                        Request::Unsubscribe(channel) => {
                            self.channels.remove(&channel);
                        }
                    },
                    opened = &mut opening => break opened,
                }
            };
            if let Ok(Ok(opened)) = opened {
                self.backoff.reset();
                return Some(opened);
            }
        }
    }

    /// Listens until the connection ends, or, with a break, until no one listens any more.
    async fn listen(&mut self, mut sink: PubSubSink, mut stream: PubSubStream) -> ControlFlow<()> {
        if !self.channels.is_empty() {
            let all: Vec<&str> = self.channels.iter().map(String::as_str).collect();
            let subscribed = timeout(self.limit, sink.subscribe(all)).await;
            if !matches!(subscribed, Ok(Ok(()))) {
                return ControlFlow::Continue(());
            }
        }
        loop {
            let message = poll_fn(|context| Pin::new(&mut stream).poll_next(context));
            tokio::select! {
                request = self.requests.recv() => {
                    let answer = match request {
                        None => return ControlFlow::Break(()),
                        Some(Request::Subscribe(channel)) => {
                            self.channels.insert(channel.clone());
                            timeout(self.limit, sink.subscribe(channel)).await
                        }
                        Some(Request::Unsubscribe(channel)) => {
                            self.channels.remove(&channel);
                            timeout(self.limit, sink.unsubscribe(channel)).await
                        }
                    };
                    if !matches!(answer, Ok(Ok(()))) {
                        return ControlFlow::Continue(());
                    }
                }
                message = message => match message {
                    Some(message) => {
                        let channel = message.get_channel_name().to_owned();
                        let _ = self.heard.send(Heard::Message(channel));
                    }
                    None => return ControlFlow::Continue(()),
                },
            }
        }
    }
}
