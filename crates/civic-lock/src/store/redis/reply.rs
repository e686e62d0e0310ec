//! What a script answered.

use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::store::answer::Released;

/// A reply whose echo was checked.
pub(super) struct Reply {
    items: Vec<String>,
}

impl Reply {
    /// Echo, time and outcome are there, and the echo is ours.
    pub(super) fn read(items: Vec<String>, echo: &str) -> Result<Self, Error> {
        let reply = Self { items };
        if reply.items.len() < 3 || reply.items[0] != echo {
            return Err(reply.corrupt());
        }
        Ok(reply)
    }

    pub(super) fn what(&self) -> &str {
        &self.items[2]
    }

    pub(super) fn server_us(&self) -> Result<u64, Error> {
        self.items[1].parse().map_err(|_| self.corrupt())
    }

    /// Milliseconds since the epoch.
    pub(super) fn now(&self) -> Result<u64, Error> {
        Ok(self.server_us()? / 1000)
    }

    pub(super) fn text(&self, index: usize) -> Result<&str, Error> {
        self.items
            .get(3 + index)
            .map(String::as_str)
            .ok_or_else(|| self.corrupt())
    }

    pub(super) fn number(&self, index: usize) -> Result<u64, Error> {
        self.optional(index)?.ok_or_else(|| self.corrupt())
    }

    pub(super) fn attempt(&self, index: usize) -> Result<u32, Error> {
        u32::try_from(self.number(index)?).map_err(|_| self.corrupt())
    }

    pub(super) fn optional(&self, index: usize) -> Result<Option<u64>, Error> {
        match self.text(index)? {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| self.corrupt()),
        }
    }

    pub(super) fn duration(&self, index: usize) -> Result<Option<Duration>, Error> {
        Ok(self.optional(index)?.map(Duration::from_millis))
    }

    pub(super) fn released(&self) -> Result<Released, Error> {
        match self.what() {
            "released" => Ok(Released::Released),
            "held" => Ok(Released::Held),
            "not_owner" => Ok(Released::NotOwner),
            _ => Err(self.corrupt()),
        }
    }

    pub(super) fn corrupt(&self) -> Error {
        Error::new(
            ErrorKind::Corrupt,
            format!("{} items, {:?}", self.items.len(), self.items.get(2)),
        )
    }
}
