//! One server, and the commands and replies that are on their way to and from it.
//!
//! A command that meets no fault is sent, carried out and answered in one step: in which order the
//! commands of a unit of time reach the server is decided by the order of these steps. One that
//! meets a fault is stuck before or behind the server; it goes on at any later step, or never.

use crate::rules::{Rule, Rules};
use crate::store::{Answer, Command, Holder, Settings, Store};

/// Who waits for a reply: a process, and which of its callers.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Lane {
    /// The number of the process.
    pub process: u8,
    /// The caller; [`Lane::UNDO`] is the task that takes lost acquires back.
    pub caller: u8,
}

/// How a command fares.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Fate {
    /// It is carried out and answered.
    Answered,
    /// It is stuck on its way to the server.
    Stuck,
    /// It is carried out, and its reply is stuck.
    ReplyStuck,
    /// It cannot be sent.
    Refused,
}

/// What a server answers, with its clock as each reply carries it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Reply {
    /// The answer itself.
    pub answer: Answer,
    /// The server's clock.
    pub clock: i8,
    /// The how manyth acquisition it was, over all processes. Only the properties know it.
    pub order: u8,
}

/// A command or a reply that is stuck.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Message {
    /// Who sent the command.
    pub from: Lane,
    /// The command with its arguments.
    pub command: Command,
    /// How manyth command of its lease: what tells the echoes of renewals apart.
    pub serial: i8,
    /// The server does nothing after this moment of its clock.
    pub not_after: i8,
    /// The reply; none before the command is carried out.
    pub reply: Option<Reply>,
}

/// What is known only to the properties: the true history.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct History {
    /// How many acquisitions there were.
    pub acquisitions: u8,
    /// The largest fence so far.
    pub fence: u16,
    /// Some acquisition had no larger fence than the one before.
    pub fence_shrank: bool,
    /// Some command deleted or extended the key of another holder.
    pub touched_anothers: bool,
    /// The ticks whose completion was recorded, one bit each.
    pub recorded: u16,
}

/// A server with what is stuck before and behind it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Server {
    /// The keys that it holds.
    pub store: Store,
    /// Its clock, ahead of the true time by this much.
    pub ahead: i8,
    /// Whether it stands still.
    pub frozen: bool,
    /// What is stuck, in a fixed order.
    pub wire: Vec<Message>,
    /// The server is dead since this moment, and of the clock that it had; it comes back later.
    pub down: Option<Down>,
    /// A replica's keys, as they were copied last.
    pub copy: Option<Store>,
    /// What only the properties know.
    pub history: History,
}

/// The end of a server.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Down {
    /// When it died.
    pub since: i8,
    /// What its clock showed then.
    pub clock: i8,
}

/// What a step needs to know beside the server.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// The true time.
    pub now: i8,
    /// What is configured.
    pub settings: &'a Settings,
    /// The rules that are followed.
    pub rules: Rules,
}

// ===== impl Fate =====

impl Fate {
    /// What a printed path says about it.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Answered => "",
            Self::Stuck => " (stuck on its way)",
            Self::ReplyStuck => " (carried out, the reply is stuck)",
            Self::Refused => " (never sent)",
        }
    }
}

// ===== impl Lane =====

impl Lane {
    /// The task that takes lost acquires back.
    pub const UNDO: u8 = 9;
}

// ===== impl Server =====

impl Server {
    /// A server with these keys.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self {
            store,
            ahead: 0,
            frozen: false,
            down: None,
            wire: Vec::new(),
            copy: None,
            history: History::default(),
        }
    }

    /// Sends a command. Answers the reply if one comes at once.
    pub fn send(&mut self, message: Message, fate: Fate, moment: Moment<'_>) -> Option<Reply> {
        match fate {
            Fate::Answered => {
                let reply = self.carry_out(&message, moment);
                if reply.answer != Answer::Expired {
                    return Some(reply);
                }
                // The server's clock was set. The reply tells its time: it is sent once more.
                let not_after = reply.clock;
                Some(self.carry_out(
                    &Message {
                        not_after,
                        ..message
                    },
                    moment,
                ))
            }
            Fate::Stuck => {
                self.put(message);
                None
            }
            Fate::ReplyStuck => {
                let reply = self.carry_out(&message, moment);
                self.put(Message {
                    reply: Some(reply),
                    ..message
                });
                None
            }
            Fate::Refused => None,
        }
    }

    /// The server dies. It will come back with these keys, and with a clock that is ahead by this.
    pub fn goes_down(&mut self, now: i8, store: Store, ahead: i8) {
        self.down = Some(Down {
            since: now,
            clock: now + self.ahead,
        });
        self.frozen = true;
        self.store = store;
        self.copy = None;
        self.ahead = ahead;
        self.wire.clear();
    }

    /// Whether a server that stands still, or is dead, may go on. One that died comes back later
    /// than it died, also by its clock: that is what keeps fences growing over a loss of data.
    #[must_use]
    pub fn may_return(&self, now: i8, rules: Rules) -> bool {
        self.down.is_none_or(|down| {
            let outlasts = now + self.ahead > down.clock;
            now > down.since && (outlasts || !rules.follow(Rule::FailoverOutlastsTheClocks))
        })
    }

    /// The server goes on. What was sent to a dead one is lost.
    pub fn comes_back(&mut self) {
        self.frozen = false;
        if self.down.take().is_some() {
            self.wire.clear();
        }
    }

    /// Carries out the stuck command at `index`; its reply is stuck then.
    pub fn arrive(&mut self, index: usize, moment: Moment<'_>) {
        let message = self.wire.remove(index);
        let reply = self.carry_out(&message, moment);
        self.put(Message {
            reply: Some(reply),
            ..message
        });
    }

    /// Forgets what is stuck and cannot change anything any more.
    pub fn forget(&mut self, is_dead: impl Fn(&Message) -> bool) {
        self.wire.retain(|message| !is_dead(message));
    }

    /// Keeps the order, so that equal contents are equal states.
    fn put(&mut self, message: Message) {
        let at = self.wire.partition_point(|other| *other < message);
        self.wire.insert(at, message);
    }

    fn carry_out(&mut self, message: &Message, moment: Moment<'_>) -> Reply {
        let clock = moment.now + self.ahead;
        let late = clock > message.not_after;
        let answer = if late && moment.rules.follow(Rule::LateCommandsDoNothing) {
            Answer::Expired
        } else {
            self.step(clock, &message.command, moment)
        };
        Reply {
            answer,
            clock,
            order: self.history.acquisitions,
        }
    }

    fn step(&mut self, clock: i8, command: &Command, moment: Moment<'_>) -> Answer {
        self.store.expire(clock, moment.rules);
        let before = self.store.key;
        let answer = self
            .store
            .step(clock, command, moment.settings, moment.rules);
        let after = self.store.key;
        if let (Command::Complete(_, tick, _), Answer::Ours) = (command, &answer) {
            self.history.recorded |= 1 << tick;
        }
        if let Answer::Granted(fence) | Answer::Claimed { fence, .. } = answer {
            let taken = before.map(|held| held.holder) != after.map(|held| held.holder);
            if taken {
                self.history.acquisitions += 1;
                self.history.fence_shrank |= fence <= self.history.fence;
                self.history.fence = self.history.fence.max(fence);
            }
        } else if let (Some(before), Some(holder)) = (before, command.holder()) {
            self.history.touched_anothers |= before.holder != holder && after != Some(before);
        }
        answer
    }
}

impl Message {
    /// A command that is about to be sent.
    #[must_use]
    pub fn new(from: Lane, command: Command, not_after: i8) -> Self {
        Self {
            from,
            command,
            serial: 0,
            not_after,
            reply: None,
        }
    }

    /// The value that the reply has to echo.
    #[must_use]
    pub fn echo(&self) -> Option<Holder> {
        self.command.holder()
    }
}
