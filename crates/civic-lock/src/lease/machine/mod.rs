//! The states of a lease, without a clock, a store or a task.
//!
//! The promise: until [`deadline`](Machine::deadline), unless it is lost or released, no other
//! holder can have the key, provided that both clocks run at the same rate to within 1 %.
//!
//! | state | renewal due | renewed | not owner | no answer | deadline | end |
//! |---|---|---|---|---|---|---|
//! | Held | Renewing | | | | Lost | Released |
//! | Renewing | | Held, deadline moves | Lost | Unsure | Lost | Released |
//! | Unsure | Renewing | | | | Lost | Released |
//! | Lost | | | | | | Released |
//!
//! The deadline is counted from the moment at which the last *confirmed* acquire or renewal was
//! *sent*. A renewal whose answer is outstanding or lost does not move it. Lost is final: an answer
//! that comes after the holder was told changes nothing.

use std::fmt;
use std::time::Duration;

use crate::timing::Timing;

/// Why a lease is no longer sure.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum LostReason {
    /// The store says that the key is gone or has another holder.
    NotOwner,
    /// No renewal was confirmed in time: the store did not answer, or this process was stopped.
    Expired,
    /// The lease was held for as long as its maximum hold allows, and is not renewed any more.
    MaxHold,
    /// The lock was released. Only views of its lease are left.
    Released,
}

impl fmt::Display for LostReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOwner => "another holder may have the lock",
            Self::Expired => "no renewal was confirmed in time",
            Self::MaxHold => "its maximum hold has passed",
            Self::Released => "it was released",
        })
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Confirmed; the next renewal is due at `renew_at`.
    Held {
        renew_at: Duration,
    },
    /// A renewal that was sent at `sent` is under way.
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
    /// Nothing until then.
    Wait { until: Duration },
    /// Send a renewal now and wait for its answer at most this long.
    Renew { within: Duration },
    /// Tell the holder.
    Lost(LostReason),
    /// Nothing any more.
    Ended,
}

/// The answer to a renewal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    Renewed,
    NotOwner,
    /// An error, a time-out: it may or may not have been carried out.
    None,
}

#[derive(Clone, Debug)]
pub(crate) struct Machine {
    timing: Timing,
    state: State,
    /// When the last confirmed acquire or renewal was sent.
    confirmed: Duration,
    /// It is not renewed from then on.
    renew_until: Duration,
}

impl Machine {
    /// A lease whose acquire was sent at `sent` and has been confirmed.
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

    /// The lease is not sure any more from then on.
    pub(crate) fn deadline(&self) -> Duration {
        self.confirmed + self.timing.lose
    }

    /// Whether no one else can have the key at `now`.
    #[cfg(test)]
    fn is_sure(&self, now: Duration) -> bool {
        now < self.deadline() && !matches!(self.state, State::Lost(_) | State::Released)
    }

    /// Moves on to `now`, and says what to do.
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

    /// Takes the answer to the renewal that is under way. Any other answer changes nothing.
    pub(crate) fn answered(&mut self, now: Duration, answer: Answer) {
        let State::Renewing { sent } = self.state else {
            return;
        };
        if now >= self.deadline() {
            // `check` has said so already; the holder may have acted on it.
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

    /// The holder has ended it. What is under way no longer matters.
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
