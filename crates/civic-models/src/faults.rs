//! What may go wrong, and how often within one scope.

use std::fmt;

/// A kind of fault.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Fault {
    /// A command or its reply is stuck on its way: it arrives late, or never.
    Delay,
    /// A process is killed; another one starts in its place.
    Crash,
    /// A process is stopped (SIGSTOP) and goes on later.
    Pause,
    /// A process is told to end (SIGTERM); another one starts in its place.
    Stop,
    /// The work returns an error.
    Fail,
    /// The server stands still, keeps what it is sent, and goes on later.
    Freeze,
    /// A process takes the reply to one of its commands for the reply to another.
    Misdeliver,
    /// A connection is refused: the command is never sent.
    Refuse,
    /// The server's clock is set back.
    ClockBack,
    /// The server's clock is set forward.
    ClockForward,
    /// The server comes back empty.
    Lose,
    /// A replica that lags behind becomes the server.
    FailOver,
    /// A process is replaced by one of another version.
    Deploy,
}

const ALL: [Fault; KINDS] = [
    Fault::Delay,
    Fault::Crash,
    Fault::Pause,
    Fault::Stop,
    Fault::Fail,
    Fault::Freeze,
    Fault::Misdeliver,
    Fault::Refuse,
    Fault::ClockBack,
    Fault::ClockForward,
    Fault::Lose,
    Fault::FailOver,
    Fault::Deploy,
];

const KINDS: usize = Fault::Deploy as usize + 1;

/// How many faults are left, in all and of each kind.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Budget {
    total: u8,
    each: [u8; KINDS],
}

// ===== impl Budget =====

impl Budget {
    /// At most `total` faults, and of each kind at most as many as listed.
    #[must_use]
    pub fn new(total: u8, kinds: &[(Fault, u8)]) -> Self {
        let mut each = [0; KINDS];
        for (kind, most) in kinds {
            each[*kind as usize] = *most;
        }
        Self { total, each }.reduced()
    }

    /// Whether a fault of this kind may still happen.
    #[must_use]
    pub fn has(&self, fault: Fault) -> bool {
        self.each[fault as usize] > 0
    }

    /// How many faults of this kind may still happen.
    #[must_use]
    pub fn count(&self, fault: Fault) -> u8 {
        self.each[fault as usize]
    }

    /// How many may still happen in all.
    #[must_use]
    pub fn total(&self) -> u8 {
        self.total
    }

    /// The same kinds, with at most `total` faults.
    #[must_use]
    pub fn at_most(mut self, total: u8) -> Self {
        self.total = self.total.min(total);
        self.reduced()
    }

    /// Takes one fault of this kind from the budget.
    pub fn spend(&mut self, fault: Fault) {
        self.each[fault as usize] = self.each[fault as usize].saturating_sub(1);
        self.total = self.total.saturating_sub(1);
        *self = self.reduced();
    }

    /// None is left of any kind.
    pub fn end(&mut self) {
        self.total = 0;
        *self = self.reduced();
    }

    /// States that allow the same future are the same state.
    fn reduced(mut self) -> Self {
        for each in &mut self.each {
            *each = (*each).min(self.total);
        }
        if self.each.iter().all(|each| *each == 0) {
            self.total = 0;
        }
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Delay => "message stuck or lost",
            Self::Crash => "process killed",
            Self::Pause => "process stopped",
            Self::Stop => "process told to end",
            Self::Fail => "work fails",
            Self::Freeze => "server stopped",
            Self::Misdeliver => "reply mixed up",
            Self::Refuse => "connection refused",
            Self::ClockBack => "server's clock set back",
            Self::ClockForward => "server's clock set forward",
            Self::Lose => "data lost",
            Self::FailOver => "failover to a lagging replica",
            Self::Deploy => "another version deployed",
        })
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = ALL.iter().filter(|fault| self.has(**fault));
        let kinds: Vec<String> = kinds
            .map(|fault| match self.count(*fault) {
                1 => fault.to_string(),
                most => format!("{fault} (up to {most})"),
            })
            .collect();
        match self.total {
            0 => f.write_str("no faults"),
            1 => write!(f, "1 fault: {}", kinds.join(", or ")),
            total => write!(f, "{total} faults: {}", kinds.join(", ")),
        }
    }
}
