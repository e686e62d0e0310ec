//! What hears messages on channels.

use fred::clients::SubscriberClient;
use fred::interfaces::{ClientLike, EventInterface, PubsubInterface};
use fred::types::{ConnectHandle, Message};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;

use crate::store::redis::client::listener::{Heard, Listener};

pub(crate) struct FredListener {
    client: SubscriberClient,
    messages: broadcast::Receiver<Message>,
    connecting: ConnectHandle,
    /// Subscribes again after each connection.
    resubscribing: JoinHandle<()>,
}

impl FredListener {
    pub(super) fn open(client: SubscriberClient) -> Self {
        let connecting = client.connect();
        let resubscribing = client.manage_subscriptions();
        Self {
            messages: client.message_rx(),
            client,
            connecting,
            resubscribing,
        }
    }
}

impl Listener for FredListener {
    async fn subscribe(&mut self, channel: String) {
        // A failure is repeated by the next connection: the client keeps the list.
        let subscribed = self.client.subscribe(channel).await;
        tracing::trace!(?subscribed, "subscribe");
    }

    async fn unsubscribe(&mut self, channel: String) {
        let _ = self.client.unsubscribe(channel).await;
    }

    async fn next(&mut self) -> Heard {
        match self.messages.recv().await {
            Ok(message) => Heard::Message(message.channel.to_string()),
            Err(RecvError::Lagged(_)) => Heard::Gap,
            Err(RecvError::Closed) => Heard::End,
        }
    }
}

impl Drop for FredListener {
    fn drop(&mut self) {
        self.resubscribing.abort();
        self.connecting.abort();
    }
}
