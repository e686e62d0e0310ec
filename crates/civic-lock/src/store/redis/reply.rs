//! The reply of a script.

use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::store::answer::Ownership;

/// A reply whose echo was checked: the items of a list, or the lines of a text.
pub(crate) struct Reply {
    items: Vec<String>,
}

impl Reply {
    /// How many items every reply has: echo, serial, time and outcome.
    const HEAD: usize = 4;
    /// The outcome of a script that has taken the key.
    pub(super) const GRANTED: &str = "granted";
    /// The outcome of a script that has recorded a result.
    pub(super) const RECORDED: &str = "recorded";
    /// The outcome of a script that came too late, and has done nothing.
    pub(super) const EXPIRED: &str = "expired";

    /// Checks that echo, serial, time and outcome are present, and that the first two are ours.
    pub(super) fn read(items: Vec<String>, echo: &[&str; 2]) -> Result<Self, Error> {
        let reply = Self { items };
        if reply.items.len() < Self::HEAD || reply.items[..2] != echo[..] {
            return Err(reply.corrupt());
        }
        Ok(reply)
    }

    pub(super) fn outcome(&self) -> &str {
        &self.items[3]
    }

    pub(super) fn server_us(&self) -> Result<u64, Error> {
        self.items[2].parse().map_err(|_| self.corrupt())
    }

    /// The server's clock, in milliseconds since the epoch.
    pub(super) fn now(&self) -> Result<u64, Error> {
        Ok(self.server_us()? / 1000)
    }

    pub(super) fn text(&self, index: usize) -> Result<&str, Error> {
        self.items
            .get(Self::HEAD + index)
            .map(String::as_str)
            .ok_or_else(|| self.corrupt())
    }

    /// All items after the outcome.
    pub(super) fn rest(&self) -> impl Iterator<Item = &str> {
        self.items.iter().skip(Self::HEAD).map(String::as_str)
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

    pub(super) fn ownership(&self) -> Result<Ownership, Error> {
        match self.outcome() {
            "ours" => Ok(Ownership::Ours),
            "not_ours" => Ok(Ownership::NotOurs),
            _ => Err(self.corrupt()),
        }
    }

    pub(super) fn corrupt(&self) -> Error {
        Error::new(
            ErrorKind::Corrupt,
            format!("{} items, {:?}", self.items.len(), self.items.get(3)),
        )
    }
}
