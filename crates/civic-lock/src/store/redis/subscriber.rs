//! One connection that listens for the release hints of all names.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use crate::mutex::Mutex;
use crate::store::hints::Hints;
use crate::store::redis::client::client::Client;
use crate::store::redis::client::listener::{Heard, Listener};

/// One connection that listens for all names of this process.
#[derive(Debug)]
pub(super) struct Subscriber {
    channels: Arc<Channels>,
    /// The task ends when it is dropped.
    commands: mpsc::UnboundedSender<Command>,
    /// `None` if it could not be started.
    task: Option<AbortHandle>,
}

/// Who listens to which channel.
#[derive(Debug, Default)]
struct Channels(Mutex<HashMap<String, Weak<Subscription>>>);

#[derive(Debug)]
enum Command {
    Subscribe(String),
    Unsubscribe(String),
}

#[derive(Debug)]
struct Subscription {
    channel: String,
    messages: watch::Sender<u64>,
    commands: mpsc::WeakUnboundedSender<Command>,
}

// ===== impl Subscriber =====

impl Subscriber {
    pub(super) fn start(client: &impl Client) -> Self {
        let (commands, receiver) = mpsc::unbounded_channel();
        let channels = Arc::<Channels>::default();
        let task = match client.listen() {
            Ok(listener) => {
                let task = tokio::spawn(listen(listener, receiver, channels.clone()));
                Some(task.abort_handle())
            }
            // Waiters poll as well.
            Err(error) => {
                tracing::debug!(%error, "cannot listen for release hints");
                None
            }
        };
        Self {
            channels,
            commands,
            task,
        }
    }

    /// The task ends with its runtime.
    pub(super) fn is_finished(&self) -> bool {
        self.task.as_ref().is_some_and(AbortHandle::is_finished)
    }

    pub(super) fn subscribe(&self, channel: String) -> Hints {
        let mut channels = self.channels.0.lock();
        let subscription = channels
            .get(&channel)
            .and_then(Weak::upgrade)
            .unwrap_or_else(|| {
                let subscription = Arc::new(Subscription {
                    channel: channel.clone(),
                    messages: watch::Sender::new(0),
                    commands: self.commands.downgrade(),
                });
                channels.insert(channel.clone(), Arc::downgrade(&subscription));
                let _ = self.commands.send(Command::Subscribe(channel));
                subscription
            });
        Hints::new(subscription.messages.subscribe(), subscription)
    }
}

// ===== impl Channels =====

impl Channels {
    fn wake(&self, channel: &str) {
        let subscription = self.0.lock().get(channel).and_then(Weak::upgrade);
        if let Some(subscription) = subscription {
            subscription.messages.send_modify(|count| *count += 1);
        }
    }

    fn wake_all(&self) {
        let all: Vec<_> = self.0.lock().values().filter_map(Weak::upgrade).collect();
        for subscription in all {
            subscription.messages.send_modify(|count| *count += 1);
        }
    }

    /// Removes a channel without listeners. There may be new ones.
    fn remove_unused(&self, channel: &str) -> Removal {
        let mut channels = self.0.lock();
        let in_use = channels
            .get(channel)
            .is_some_and(|subscription| subscription.strong_count() > 0);
        if in_use {
            return Removal::InUse;
        }
        channels.remove(channel);
        Removal::Removed
    }
}

/// What became of a channel that may have no listeners.
enum Removal {
    Removed,
    InUse,
}

// ===== impl Subscription =====

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(commands) = self.commands.upgrade() {
            let channel = std::mem::take(&mut self.channel);
            let _ = commands.send(Command::Unsubscribe(channel));
        }
    }
}

async fn listen(
    mut listener: impl Listener,
    mut commands: mpsc::UnboundedReceiver<Command>,
    channels: Arc<Channels>,
) {
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                None => break,
                Some(Command::Subscribe(channel)) => listener.subscribe(channel).await,
                Some(Command::Unsubscribe(channel)) => match channels.remove_unused(&channel) {
                    Removal::InUse => {}
                    Removal::Removed => listener.unsubscribe(channel).await,
                },
            },
            heard = listener.next() => match heard {
                Heard::Message(channel) => channels.wake(&channel),
                // Any channel may have been among those that were dropped.
                Heard::Gap => channels.wake_all(),
                Heard::End => break,
            },
        }
    }
}
