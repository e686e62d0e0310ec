//! A caller that asks for effects, and meets faults.

use std::fmt;

use super::random::Random;
use super::recipe::Recipe;
use super::server::Server;
use super::session::Session;

/// The account that all effects go to.
pub(super) const ACCOUNT: &str = "R-1";

/// The fence of the last holder of its lock.
pub(super) const FENCE: u64 = 1_772_089_206_913_021;

/// A caller that asks for one effect after the other, each until it has the answer.
pub(super) struct Caller<'a> {
    server: &'a Server,
    recipe: &'a Recipe,
    random: Random,
    session: Option<Session>,
    counts: Counts,
}

/// How often each thing has happened.
#[derive(Debug, Default)]
pub(super) struct Counts {
    executed: u64,
    told_again: u64,
    rolled_back: u64,
    cut_before_the_commit: u64,
    cut_after_the_commit: u64,
    stale: u64,
}

/// What happens to one transaction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    None,
    /// The caller changes its mind.
    RollBack,
    /// The caller is killed when it has the key.
    CutAfterTheKey,
    /// The caller is killed when the effect is made, and not committed.
    CutAfterTheEffect,
    /// The caller is killed before it hears of its commit.
    CutAfterTheCommit,
    /// The caller's lease is long lost.
    Stale,
}

// ===== impl Caller =====

impl<'a> Caller<'a> {
    pub(super) fn new(server: &'a Server, recipe: &'a Recipe, random: Random) -> Self {
        Self {
            server,
            recipe,
            random,
            session: None,
            counts: Counts::default(),
        }
    }

    /// Asks for each effect until it has the answer. Returns the answer of each key.
    pub(super) fn ask_for(
        mut self,
        keys: impl Iterator<Item = String>,
        answered: impl Fn(),
    ) -> Result<(Counts, Vec<(String, String)>), String> {
        let mut answers = Vec::new();
        for key in keys {
            let answer = loop {
                if let Some(answer) = self.attempt(&key)? {
                    break answer;
                }
            };
            answers.push((key, answer));
            answered();
        }
        Ok((self.counts, answers))
    }

    /// One transaction. `None` if the caller does not know the answer yet.
    fn attempt(&mut self, key: &str) -> Result<Option<String>, String> {
        let fault = match self.random.below(20) {
            0 | 1 => Fault::RollBack,
            2 => Fault::CutAfterTheKey,
            3 => Fault::CutAfterTheEffect,
            4 | 5 => Fault::CutAfterTheCommit,
            6 => Fault::Stale,
            _ => Fault::None,
        };
        let mut session = match self.session.take() {
            Some(session) => session,
            None => {
                let mut session = self.server.session()?;
                self.recipe.prepare(&mut session)?;
                session
            }
        };
        session.run("BEGIN;")?;
        if session.run(&format!("EXECUTE take_key('{key}');"))?.count == 0 {
            let answer = session.run(&format!("EXECUTE answer_of('{key}');"))?;
            session.run("ROLLBACK;")?;
            self.session = Some(session);
            self.counts.told_again += 1;
            return match &answer.rows[..] {
                [answer] => Ok(Some(answer.clone())),
                rows => Err(format!("{key} is taken, and its answers are {rows:?}")),
            };
        }
        if fault == Fault::CutAfterTheKey {
            self.counts.cut_before_the_commit += 1;
            return Ok(None);
        }
        let fence = match fault {
            Fault::Stale => FENCE - 1 - self.random.below(FENCE - 1),
            _ => FENCE,
        };
        let effect = session.run(&format!("EXECUTE effect('{ACCOUNT}', 1, {fence});"))?;
        let ([cents], 1) = (&effect.rows[..], effect.count) else {
            // A later holder has written. The key goes back with the transaction.
            session.run("ROLLBACK;")?;
            self.session = Some(session);
            self.counts.stale += 1;
            return match fault {
                Fault::Stale => Ok(None),
                _ => Err(format!("the fence {fence} was refused: {effect:?}")),
            };
        };
        if fault == Fault::Stale {
            return Err(format!("the fence {fence} has written after {FENCE}"));
        }
        let answer = cents.clone();
        session.run(&format!("EXECUTE keep_answer('{key}', '{answer}');"))?;
        match fault {
            Fault::CutAfterTheEffect => {
                self.counts.cut_before_the_commit += 1;
                return Ok(None);
            }
            Fault::CutAfterTheCommit => {
                session.send("COMMIT;\n")?;
                self.counts.cut_after_the_commit += 1;
                return Ok(None);
            }
            Fault::RollBack => {
                session.run("ROLLBACK;")?;
                self.session = Some(session);
                self.counts.rolled_back += 1;
                return Ok(None);
            }
            Fault::None | Fault::CutAfterTheKey | Fault::Stale => {}
        }
        session.run("COMMIT;")?;
        self.session = Some(session);
        self.counts.executed += 1;
        Ok(Some(answer))
    }
}

// ===== impl Counts =====

impl Counts {
    pub(super) fn add(&mut self, other: &Self) {
        self.executed += other.executed;
        self.told_again += other.told_again;
        self.rolled_back += other.rolled_back;
        self.cut_before_the_commit += other.cut_before_the_commit;
        self.cut_after_the_commit += other.cut_after_the_commit;
        self.stale += other.stale;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "    transactions: {} committed, {} found the key taken, {} rolled back, {} cut off before \
             the commit and {} after it, {} refused for a stale fence",
            self.executed,
            self.told_again,
            self.rolled_back,
            self.cut_before_the_commit,
            self.cut_after_the_commit,
            self.stale
        )
    }
}
