//! The record of one key, and what each command does to it.

use super::scope::{KEEP, TTL};
use crate::rules::{Rule, Rules};
use crate::store::{Delivery, Holder};

/// What the store knows of the key.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Record {
    /// How far the execution is.
    pub phase: Phase,
    /// The holder that has begun it last.
    pub holder: Option<Holder>,
    /// How often it was begun.
    pub attempt: u8,
    /// The last fence.
    pub fence: u8,
    /// When the holder's key is gone.
    pub expires: i8,
    /// When the record is gone.
    pub until: i8,
    /// Which call has begun it first.
    pub call: u8,
    /// Whose result is recorded.
    pub result: Option<Author>,
}

/// Who has said that an execution is finished.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Author {
    /// The holder that has done the work.
    Holder(Holder),
    /// An operator who has looked.
    Operator,
}

/// How far an execution is.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Phase {
    /// There is no record.
    #[default]
    None,
    /// It may be begun again.
    Free,
    /// A holder has begun it. It is in doubt if it was begun at most once, and the key is gone.
    Begun,
    /// It is finished.
    Finished,
}

/// A command with its arguments.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Command {
    /// Begins the execution. The second value is an orphan of the same process, if it has one.
    Begin(Holder, Option<Holder>),
    /// Extends the key.
    Renew(Holder),
    /// Records the result.
    Finish(Holder),
    /// Frees the key after an error of the work.
    Forget(Holder),
}

/// What the store answers.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Answer {
    /// The caller is too late: nothing was done.
    Expired,
    /// The work is the caller's, with this attempt and fence.
    Begun(u8, u8),
    /// Another holder has it.
    Busy,
    /// It is finished.
    Finished,
    /// It is in doubt.
    InDoubt,
    /// The key belongs to another call.
    Different,
    /// The key was the caller's until now.
    Ours,
    /// It is not.
    NotOurs,
}

// ===== impl Command =====

impl Command {
    /// The value that the reply echoes.
    #[must_use]
    pub fn holder(&self) -> Holder {
        match self {
            Self::Begin(holder, _)
            | Self::Renew(holder)
            | Self::Finish(holder)
            | Self::Forget(holder) => *holder,
        }
    }
}

/// What a command is carried out with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around {
    pub(super) now: i8,
    pub(super) delivery: Delivery,
    /// Which call the sender makes.
    pub(super) call: u8,
    /// How long a finished record stays.
    pub(super) retain: i8,
    pub(super) rules: Rules,
}

// ===== impl Record =====

impl Record {
    /// Carries out one command.
    pub(super) fn step(&mut self, command: Command, around: Around) -> Answer {
        let Around { now, rules, .. } = around;
        match command {
            Command::Begin(echo, orphan) => self.begin((echo, orphan), around),
            Command::Renew(echo) if self.holder == Some(echo) && now < self.expires => {
                self.expires = now + TTL;
                Answer::Ours
            }
            Command::Finish(echo) => self.finish(echo, around),
            Command::Forget(echo)
                if self.phase == Phase::Begun
                    && (self.holder == Some(echo)
                        || !rules.follow(Rule::OnceForgetChecksHolder)) =>
            {
                self.phase = Phase::Free;
                self.expires = now;
                Answer::Ours
            }
            Command::Renew(_) | Command::Forget(_) => Answer::NotOurs,
        }
    }

    /// Removes what has ended. The key of a holder that runs stays.
    pub(super) fn end_if_over(&mut self, now: i8) {
        if self.phase != Phase::None && now >= self.until {
            self.phase = Phase::None;
            self.attempt = 0;
            self.result = None;
        }
    }

    /// Whether it was begun at most once by a holder that has the key no more.
    pub(super) fn is_in_doubt(&self, now: i8, delivery: Delivery) -> bool {
        self.phase == Phase::Begun && delivery == Delivery::AtMostOnce && now >= self.expires
    }

    /// What an operator says of an attempt that was seen in doubt.
    pub(super) fn resolve(&mut self, seen: (Holder, u8), done: bool, around: Around) -> Answer {
        let Around {
            now,
            delivery,
            retain,
            rules,
            ..
        } = around;
        let is_seen = (self.holder, self.attempt) == (Some(seen.0), seen.1);
        if !self.is_in_doubt(now, delivery)
            || (!is_seen && rules.follow(Rule::ResolveHitsWhatWasSeen))
        {
            return Answer::NotOurs;
        }
        self.phase = Phase::Free;
        if done {
            self.phase = Phase::Finished;
            self.result = Some(Author::Operator);
            self.until = now + retain;
        }
        Answer::Ours
    }

    fn begin(&mut self, (echo, orphan): (Holder, Option<Holder>), around: Around) -> Answer {
        let Around {
            now,
            delivery,
            call,
            rules,
            ..
        } = around;
        let mut held = now < self.expires;
        // The answer to an earlier call of this process was lost, and its work has not begun.
        if self.phase == Phase::Begun && orphan.is_some() && self.holder == orphan {
            held = false;
            self.attempt -= 1;
            self.phase = if self.attempt == 0 {
                Phase::None
            } else {
                Phase::Free
            };
        }
        if self.phase != Phase::None
            && self.call != call
            && rules.follow(Rule::FingerprintIsCompared)
        {
            return Answer::Different;
        }
        match self.phase {
            Phase::Finished if rules.follow(Rule::FinishedIsNotRepeated) => {
                return Answer::Finished;
            }
            Phase::Begun
                if self.is_in_doubt(now, delivery) && rules.follow(Rule::InDoubtIsNotRepeated) =>
            {
                return Answer::InDoubt;
            }
            _ if held => return Answer::Busy,
            _ => {}
        }
        if self.phase == Phase::None {
            self.call = call;
        }
        self.grant(echo, around)
    }

    fn grant(&mut self, echo: Holder, around: Around) -> Answer {
        let Around {
            now, retain, rules, ..
        } = around;
        self.phase = Phase::Begun;
        self.holder = Some(echo);
        self.attempt += 1;
        self.fence += u8::from(rules.follow(Rule::OnceFenceGrows) || self.fence == 0);
        self.expires = now + TTL;
        self.until = if rules.follow(Rule::RecordOutlivesTheLease) {
            now + retain.max(KEEP)
        } else {
            now + retain
        };
        Answer::Begun(self.attempt, self.fence)
    }

    fn finish(&mut self, echo: Holder, around: Around) -> Answer {
        let Around {
            now, retain, rules, ..
        } = around;
        let author = Some(Author::Holder(echo));
        if self.phase == Phase::Finished && self.result == author {
            // The answer to the first call was lost.
            return Answer::Ours;
        }
        let is_ours = self.phase == Phase::Begun && self.holder == Some(echo);
        if !is_ours && rules.follow(Rule::OnceFinishChecksHolder) {
            return Answer::NotOurs;
        }
        self.phase = Phase::Finished;
        self.result = author;
        self.expires = now;
        self.until = now + retain;
        Answer::Ours
    }
}
