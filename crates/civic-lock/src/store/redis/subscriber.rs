//! One connection that listens for the release hints of all names.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use fred::clients::SubscriberClient;
use fred::interfaces::{ClientLike, EventInterface, PubsubInterface};
use fred::types::Builder;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, watch};

use crate::store::hints::Hints;

/// Who listens to which channel.
type Listeners = Arc<Mutex<HashMap<String, Weak<Subscription>>>>;

/// One connection that listens for all names of this process.
#[derive(Debug)]
pub(super) struct Hub {
    listeners: Listeners,
    /// Its end ends the task.
    wishes: mpsc::UnboundedSender<Wish>,
}

#[derive(Debug)]
enum Wish {
    Hear(String),
    Forget(String),
}

#[derive(Debug)]
struct Subscription {
    channel: String,
    heard: watch::Sender<u64>,
    wishes: mpsc::WeakUnboundedSender<Wish>,
}

impl Hub {
    pub(super) fn start(builder: &Builder) -> Self {
        let (wishes, asked) = mpsc::unbounded_channel();
        let listeners = Listeners::default();
        match builder.build_subscriber_client() {
            Ok(client) => {
                tokio::spawn(listen(client, asked, listeners.clone()));
            }
            // Whoever waits polls as well.
            Err(error) => tracing::debug!(%error, "no release hints"),
        }
        Self { listeners, wishes }
    }

    pub(super) fn subscribe(&self, channel: String) -> Hints {
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let subscription = listeners
            .get(&channel)
            .and_then(Weak::upgrade)
            .unwrap_or_else(|| {
                let subscription = Arc::new(Subscription {
                    channel: channel.clone(),
                    heard: watch::Sender::new(0),
                    wishes: self.wishes.downgrade(),
                });
                listeners.insert(channel.clone(), Arc::downgrade(&subscription));
                let _ = self.wishes.send(Wish::Hear(channel));
                subscription
            });
        Hints::new(subscription.heard.subscribe(), subscription)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(wishes) = self.wishes.upgrade() {
            let _ = wishes.send(Wish::Forget(std::mem::take(&mut self.channel)));
        }
    }
}

async fn listen(
    client: SubscriberClient,
    mut asked: mpsc::UnboundedReceiver<Wish>,
    listeners: Listeners,
) {
    let task = client.connect();
    let resubscribing = client.manage_subscriptions();
    let mut messages = client.message_rx();
    loop {
        tokio::select! {
            wish = asked.recv() => match wish {
                None => break,
                Some(Wish::Hear(channel)) => {
                    // A failure is repeated by the next connection: the client keeps the list.
                    let heard = client.subscribe(channel).await;
                    tracing::trace!(?heard, "subscribe");
                }
                Some(Wish::Forget(channel)) => {
                    let wanted = {
                        let mut listeners =
                            listeners.lock().unwrap_or_else(PoisonError::into_inner);
                        let wanted = listeners
                            .get(&channel)
                            .is_some_and(|listener| listener.strong_count() > 0);
                        if !wanted {
                            listeners.remove(&channel);
                        }
                        wanted
                    };
                    if !wanted {
                        let _ = client.unsubscribe(channel).await;
                    }
                }
            },
            message = messages.recv() => match message {
                Ok(message) => {
                    let listeners = listeners.lock().unwrap_or_else(PoisonError::into_inner);
                    let listener = listeners.get(&*message.channel).and_then(Weak::upgrade);
                    if let Some(listener) = listener {
                        listener.heard.send_modify(|count| *count += 1);
                    }
                }
                Err(RecvError::Lagged(_)) => {
                    let listeners = listeners.lock().unwrap_or_else(PoisonError::into_inner);
                    for listener in listeners.values().filter_map(Weak::upgrade) {
                        listener.heard.send_modify(|count| *count += 1);
                    }
                }
                Err(RecvError::Closed) => break,
            },
        }
    }
    resubscribing.abort();
    task.abort();
}
