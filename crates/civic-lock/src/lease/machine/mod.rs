//! The state machine of a lease. It reads no clock, calls no store and starts no task.
//!
//! The promise: until the [`deadline`](Machine::deadline), no other holder can have the key, unless
//! the lease is lost or released before. This requires that the clocks of the store and of this
//! process run at the same rate to within 1 %.
//!
//! | state | renewal due | renewed | not owner | no answer | deadline | end |
//! |---|---|---|---|---|---|---|
//! | Held | Renewing | | | | Lost | Released |
//! | Renewing | | Held, deadline moves | Lost | Unsure | Lost | Released |
//! | Unsure | Renewing | | | | Lost | Released |
//! | Lost | | | | | | Released |
//!
//! The deadline is counted from the moment at which the last *confirmed* acquire or renewal was
//! *sent*. A renewal whose answer is outstanding or lost does not move the deadline. `Lost` is
//! final: an answer that arrives after the holder was told changes nothing.

use std::fmt;
use std::time::Duration;

use crate::timing::Timing;

/// Why a lease has ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum LostReason {
    /// The store says that the key is gone or has another holder.
    NotOwner,
    /// No renewal was confirmed in time: the store did not answer, or this process was stopped.
    Expired,
    /// The lease was held for the longest time allowed, and is no longer renewed.
    MaxHold,
    /// The lock was released.
    Released,
}

impl fmt::Display for LostReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOwner => "another holder may have the lock",
            Self::Expired => "no renewal was confirmed in time",
            Self::MaxHold => "it was held for the longest time allowed",
            Self::Released => "it was released",
        })
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// The lock is confirmed; the next renewal is due at `renew_at`.
    Held {
        renew_at: Duration,
    },
    /// A renewal was sent at `sent`, and its answer is outstanding.
    Renewing {
        sent: Duration,
    },
    /// The last renewal got no answer; the next one is due at `retry_at`.
    Unsure {
        retry_at: Duration,
    },
    Lost(LostReason),
    Released,
}

/// What to do next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    /// Wait until this moment, then poll again.
    Wait { until: Duration },
    /// Send a renewal now, and wait at most this long for its answer.
    Renew { within: Duration },
    /// Tell the holder that the lease is lost.
    Lost(LostReason),
    /// Do nothing: the lease was released.
    Ended,
}

/// The answer to a renewal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    Renewed,
    NotOwner,
    /// An error or a timeout: the renewal may or may not have been carried out.
    None,
}

#[derive(Clone, Debug)]
pub(crate) struct Machine {
    timing: Timing,
    state: State,
    /// When the last confirmed acquire or renewal was sent.
    confirmed: Duration,
    /// From this moment on, the lease is not renewed.
    renew_until: Duration,
}

impl Machine {
    /// Creates the state of a lease whose acquire was sent at `sent` and was confirmed.
    pub(crate) fn new(timing: Timing, sent: Duration, max_hold: Duration) -> Self {
        Self {
            timing,
            state: State::Held {
                renew_at: sent + timing.renew,
            },
            confirmed: sent,
            renew_until: sent.saturating_add(max_hold),
        }
    }

    /// Returns the moment from which on another holder may have the key.
    pub(crate) fn deadline(&self) -> Duration {
        self.confirmed + self.timing.lose
    }

    /// Returns whether no other holder can have the key at `now`.
    #[cfg(test)]
    fn is_sure(&self, now: Duration) -> bool {
        now < self.deadline() && !matches!(self.state, State::Lost(_) | State::Released)
    }

    /// Advances to `now`, and returns what to do next.
    pub(crate) fn poll(&mut self, now: Duration) -> Action {
        match self.state {
            State::Released => Action::Ended,
            State::Lost(reason) => Action::Lost(reason),
            _ if now >= self.deadline() => self.lose(if now >= self.renew_until {
                LostReason::MaxHold
            } else {
                LostReason::Expired
            }),
            State::Renewing { .. } => Action::Wait {
                until: self.deadline(),
            },
            State::Held { renew_at: due } | State::Unsure { retry_at: due } => {
                if due >= self.renew_until {
                    Action::Wait {
                        until: self.deadline(),
                    }
                } else if now < due {
                    Action::Wait {
                        until: due.min(self.deadline()),
                    }
                } else {
                    self.state = State::Renewing { sent: now };
                    Action::Renew {
                        within: self.timing.attempt.min(self.deadline() - now),
                    }
                }
            }
        }
    }

    /// Handles the answer to the outstanding renewal. If no renewal is outstanding, nothing
    /// changes.
    pub(crate) fn answered(&mut self, now: Duration, answer: Answer) {
        let State::Renewing { sent } = self.state else {
            return;
        };
        if now >= self.deadline() {
            // `Lease::check` already fails, and the holder may have stopped because of it.
            self.poll(now);
            return;
        }
        match answer {
            Answer::Renewed => {
                self.confirmed = sent;
                self.state = State::Held {
                    renew_at: sent + self.timing.renew,
                };
            }
            Answer::NotOwner => {
                self.lose(LostReason::NotOwner);
            }
            Answer::None => {
                self.state = State::Unsure {
                    retry_at: now + self.timing.retry,
                };
            }
        }
    }

    /// Ends the lease for its holder. The answer to an outstanding renewal is then ignored.
    pub(crate) fn release(&mut self) {
        self.state = State::Released;
    }

    fn lose(&mut self, reason: LostReason) -> Action {
        self.state = State::Lost(reason);
        Action::Lost(reason)
    }
}

#[cfg(test)]
mod tests;
