//! The record of one key, and what each command does to it.

use super::scope::TTL;
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
    /// The holder whose result is recorded.
    pub result: Option<Holder>,
}

/// How far an execution is.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Phase {
    /// It may be begun.
    #[default]
    Free,
    /// A holder has begun it.
    Begun,
    /// It is finished.
    Finished,
    /// Its holder died, and whether it had its effect is not known.
    InDoubt,
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
    Fail(Holder),
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
            | Self::Fail(holder) => *holder,
        }
    }
}

// ===== impl Record =====

impl Record {
    /// Carries out one command.
    pub(super) fn step(
        &mut self,
        now: i8,
        command: Command,
        delivery: Delivery,
        rules: Rules,
    ) -> Answer {
        match command {
            Command::Begin(echo, orphan) => self.begin(now, (echo, orphan), delivery, rules),
            Command::Renew(echo) if self.is_ours(echo) && now < self.expires => {
                self.expires = now + TTL;
                Answer::Ours
            }
            Command::Finish(echo) => self.finish(echo, rules),
            Command::Fail(echo) if self.is_ours(echo) => {
                self.phase = Phase::Free;
                Answer::Ours
            }
            Command::Renew(_) | Command::Fail(_) => Answer::NotOurs,
        }
    }

    fn is_ours(&self, echo: Holder) -> bool {
        self.phase == Phase::Begun && self.holder == Some(echo)
    }

    fn begin(
        &mut self,
        now: i8,
        (echo, orphan): (Holder, Option<Holder>),
        delivery: Delivery,
        rules: Rules,
    ) -> Answer {
        let again = |record: &mut Self, attempt: u8| record.grant(now, echo, attempt, rules);
        let orphaned = self.phase == Phase::Begun && orphan.is_some() && self.holder == orphan;
        match self.phase {
            Phase::Free => again(self, self.attempt + 1),
            Phase::Begun if orphaned => again(self, self.attempt),
            Phase::Begun if now < self.expires => Answer::Busy,
            Phase::Begun if delivery == Delivery::AtLeastOnce => again(self, self.attempt + 1),
            Phase::Begun => {
                self.phase = Phase::InDoubt;
                Answer::InDoubt
            }
            Phase::InDoubt if rules.follow(Rule::InDoubtIsNotRepeated) => Answer::InDoubt,
            Phase::InDoubt => again(self, self.attempt + 1),
            Phase::Finished if rules.follow(Rule::FinishedIsNotRepeated) => Answer::Finished,
            Phase::Finished => again(self, self.attempt + 1),
        }
    }

    fn grant(&mut self, now: i8, echo: Holder, attempt: u8, rules: Rules) -> Answer {
        self.phase = Phase::Begun;
        self.holder = Some(echo);
        self.attempt = attempt;
        self.fence += u8::from(rules.follow(Rule::OnceFenceGrows) || self.fence == 0);
        self.expires = now + TTL;
        Answer::Begun(attempt, self.fence)
    }

    fn finish(&mut self, echo: Holder, rules: Rules) -> Answer {
        if self.phase == Phase::Finished && self.result == Some(echo) {
            // The answer to the first call was lost.
            return Answer::Ours;
        }
        if !self.is_ours(echo) && rules.follow(Rule::OnceFinishChecksHolder) {
            return Answer::NotOurs;
        }
        self.phase = Phase::Finished;
        self.result = Some(echo);
        Answer::Ours
    }
}
