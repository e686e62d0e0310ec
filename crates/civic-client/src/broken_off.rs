//! The error of a response that breaks off.

use std::error::Error as StdError;

use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::transmission::Transmission;

/// The head has arrived, so the request was sent, whatever the cause looks like.
pub(crate) fn broken_off(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    match cause.into().downcast::<Error>() {
        // Taken at its word, a body's error that says "never sent" would have a POST executed
        // twice.
        Ok(own) if own.transmission() == Transmission::NotSent => {
            Error::new(ErrorKind::Transport).with_source(*own)
        }
        Ok(own) => *own,
        Err(cause) => Error::new(ErrorKind::Transport).with_source(cause),
    }
}
