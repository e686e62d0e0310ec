//! A process, from its start to its end.

use super::span::{AFTERMATH, Span};
use crate::history::{Signal, Version};

/// A process, from its start to its end.
#[derive(Debug)]
pub(crate) struct Life<'a> {
    pub(crate) replica: &'a str,
    pub(crate) group: usize,
    pub(crate) deployment: u32,
    pub(crate) interval_ms: u64,
    pub(crate) version: Version,
    /// How often it has said that another replica has another schedule.
    pub(crate) other_schedules: u64,
    /// How often it has said that locks are not safe on its server.
    pub(crate) unsafe_servers: u64,
    pub(crate) started: u64,
    pub(crate) killed: Option<u64>,
    pub(crate) terminated: Option<u64>,
    pub(crate) exit: Option<u64>,
    pub(crate) pauses: Vec<Span>,
}

// ===== impl Life =====

impl Life<'_> {
    pub(super) fn signalled(&mut self, at: u64, signal: Signal) {
        match signal {
            Signal::Kill => self.killed = Some(at),
            Signal::Term => self.terminated = Some(at),
            Signal::Stop => self.pauses.push(Span {
                from: at,
                to: u64::MAX,
            }),
            Signal::Cont => {
                if let Some(pause) = self.pauses.last_mut() {
                    pause.to = at + AFTERMATH;
                }
            }
        }
    }

    /// Returns the instant at which it ended, or was told to.
    pub(crate) fn gone(&self) -> u64 {
        [self.killed, self.terminated, self.exit]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(u64::MAX)
    }

    /// Returns whether the process was alive and running for all of the span.
    pub(crate) fn is_well(&self, span: Span) -> bool {
        self.started <= span.from
            && self.gone() >= span.to
            && !self.pauses.iter().any(|pause| pause.meets(span))
    }
}
