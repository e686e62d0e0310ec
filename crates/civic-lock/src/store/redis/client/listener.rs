//! What hears messages on channels.

/// A connection that listens to channels. It connects again when it breaks, and then listens to
/// the same channels. Dropping it closes it.
///
/// A message can be lost, so a caller that waits for one has a timer as well.
pub(crate) trait Listener: Send + 'static {
    /// Listens to a channel. If it cannot be asked for now, the next connection asks for it.
    fn subscribe(&mut self, channel: String) -> impl Future<Output = ()> + Send;

    /// No longer listens to a channel.
    fn unsubscribe(&mut self, channel: String) -> impl Future<Output = ()> + Send;

    /// Waits for the next message.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a message that was not returned is returned by the next call.
    fn next(&mut self) -> impl Future<Output = Heard> + Send;
}

/// What a listener has heard.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Heard {
    /// A message on this channel.
    Message(String),
    /// Messages that were lost, on any of its channels.
    Gap,
    /// It will hear no more.
    End,
}
