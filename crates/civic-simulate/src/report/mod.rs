//! The results, as a table for a terminal and as a page with charts.

mod balanced;
mod figures;
mod number;
mod page;
mod table;
mod verdict;
mod wrap;

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::thread;

use civic_progress::Progress;

pub use self::figures::figures;
pub use self::page::page;
pub use self::table::table;
pub use self::verdict::{Measure, Standing, Verdict};
use crate::measurement::Measurement;
use crate::policy::Policy;
use crate::published::Published;
use crate::scenario::Scenario;
use crate::simulation;

/// The results of a scenario, one per policy and in the policies' order.
#[derive(Clone, Debug)]
pub struct Results {
    /// What was run.
    pub scenario: Scenario,
    /// A measurement for each of [`Policy::ALL`].
    pub measured: Vec<Measurement>,
    /// A measurement for each of [`Policy::BALANCED`].
    pub balanced: Vec<Measurement>,
    /// A measurement of [`Policy::CivicWaiting`], where it is run.
    pub waiting: Option<Measurement>,
}

/// A file that the report consists of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct File {
    /// The path, from the folder of the documents.
    pub path: &'static str,
    /// What is in it.
    pub contents: String,
}

impl Results {
    /// Returns the measurement of a policy.
    #[must_use]
    pub fn of(&self, policy: Policy) -> &Measurement {
        &self.measured[policy as usize]
    }

    /// Returns how one of our policies stands against the peer.
    #[must_use]
    pub fn verdict(&self, ours: Policy) -> Verdict {
        Verdict::of(self.of(ours), self.of(Policy::PEER))
    }
}

/// Runs every scenario with every policy, on all processors. The results do not depend on their
/// number.
///
/// # Errors
///
/// A run could not be started.
pub fn run_all(scenarios: &[Scenario], seed: u64) -> Result<Vec<Results>, String> {
    let policies = |scenario: &Scenario| {
        let waiting = Published::of(scenario.name).waiting;
        let waiting = waiting.map(|_| Policy::CivicWaiting);
        let balanced = Policy::BALANCED.into_iter().chain(waiting);
        Policy::ALL.into_iter().chain(balanced)
    };
    let cells: Vec<_> = scenarios
        .iter()
        .flat_map(|scenario| policies(scenario).map(move |policy| (scenario, policy)))
        .collect();
    let next = Mutex::new(0..cells.len());
    let measured: Mutex<Vec<Option<Result<Measurement, String>>>> =
        Mutex::new(vec![None; cells.len()]);
    let progress = Progress::new();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZeroUsize::get) {
            scope.spawn(|| {
                loop {
                    let index = next.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(index) = index else { break };
                    let (scenario, policy) = cells[index];
                    progress.show(index as u64, cells.len() as u64, scenario.name);
                    let result = simulation::run(scenario, policy, seed);
                    measured.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(result);
                }
            });
        }
    });
    drop(progress);
    let mut measured = measured
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .into_iter();
    scenarios
        .iter()
        .map(|scenario| {
            let mut measured = measured
                .by_ref()
                .take(policies(scenario).count())
                .map(|result| result.unwrap_or_else(|| Err("a run did not end".into())))
                .collect::<Result<Vec<_>, _>>()?;
            let mut balanced = measured.split_off(Policy::ALL.len());
            let waiting = balanced.split_off(Policy::BALANCED.len()).pop();
            Ok(Results {
                scenario: scenario.clone(),
                measured,
                balanced,
                waiting,
            })
        })
        .collect()
}

/// Writes the page and its figures.
///
/// # Errors
///
/// Our stack is behind the peer somewhere, and the scenario does not say why.
pub fn files(results: &[Results], seed: u64) -> Result<Vec<File>, String> {
    let mut files = vec![File {
        path: "simulation.md",
        contents: page(results, seed)?,
    }];
    files.extend(figures(results));
    Ok(files)
}
