//! Processes of one kind that are killed, or stopped for a while, at random.

use std::io;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use crate::once::facts::injected::Injected;
use crate::once::process::{Process, Recipe};
use crate::random::Random;

/// The processes of one kind, and how each of them is started.
#[derive(Debug)]
pub(super) struct Lane {
    places: Vec<(Recipe, Process)>,
    random: Random,
    /// The line with which a process says that it works.
    ready: Option<&'static str>,
    /// How long one that is stopped is stopped, in milliseconds. None is ever, if it is absent.
    stops_ms: Option<(u64, u64)>,
}

// ===== impl Lane =====

impl Lane {
    pub(super) async fn start(
        recipes: Vec<Recipe>,
        random: Random,
        ready: Option<&'static str>,
        stops_ms: Option<(u64, u64)>,
    ) -> io::Result<Self> {
        let mut lane = Self {
            places: Vec::new(),
            random,
            ready,
            stops_ms,
        };
        for recipe in recipes {
            let mut process = recipe.start()?;
            if let Some(ready) = lane.ready {
                process.event(ready).await?;
            }
            lane.places.push((recipe, process));
        }
        Ok(lane)
    }

    /// Hits one of them every now and then until then.
    pub(super) async fn hit_until(&mut self, end: Instant) -> io::Result<Injected> {
        let mut injected = Injected::default();
        loop {
            let pause = Duration::from_millis(self.random.between(600, 3000));
            if Instant::now() + pause >= end {
                return Ok(injected);
            }
            sleep(pause).await;
            let index = self.random.index(self.places.len());
            let (recipe, process) = &mut self.places[index];
            match self.stops_ms {
                Some((least, most)) if self.random.one_in(3) => {
                    process.signal(Signal::STOP);
                    sleep(Duration::from_millis(self.random.between(least, most))).await;
                    process.signal(Signal::CONT);
                    injected.stops += 1;
                }
                _ => {
                    process.kill().await?;
                    sleep(Duration::from_millis(self.random.between(50, 1000))).await;
                    *process = recipe.start()?;
                    if let Some(ready) = self.ready {
                        process.event(ready).await?;
                    }
                    injected.kills += 1;
                }
            }
        }
    }

    /// Waits until each ends by itself.
    pub(super) async fn ended(self, within: Duration) -> io::Result<()> {
        let end = Instant::now() + within;
        for (_, process) in self.places {
            process
                .ended(end.saturating_duration_since(Instant::now()))
                .await?;
        }
        Ok(())
    }
}
