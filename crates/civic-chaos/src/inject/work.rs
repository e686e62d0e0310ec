//! The work of one tick ends every process that does it.

use std::io;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::{Instant, sleep, timeout_at};

use super::injector::{Injector, Target};
use crate::history::Signal;
use crate::plan::Step;
use crate::replica::Began;

// ===== impl Injector =====

impl Injector {
    /// Kills each holder of the next tick that begins, in the middle of its work, and starts it
    /// again, as a supervisor does; until another tick begins.
    pub(super) async fn work(&self, step: &Step) -> io::Result<()> {
        let (group, slots) = &self.stage.groups[step.group];
        let target = Target {
            life: None,
            group: Some(step.group),
        };
        let mut began = self.stage.began.subscribe();
        let number = self.begin(step.fault, target, &group.name);
        let end = Instant::now() + Duration::from_millis(step.lasts_ms);
        let mut poison = None;
        loop {
            let life = match timeout_at(end, began.recv()).await {
                Ok(Ok(Began {
                    group: of,
                    life,
                    tick,
                })) if of == step.group => {
                    if *poison.get_or_insert(tick) != tick {
                        break;
                    }
                    life
                }
                Ok(Err(broadcast::error::RecvError::Closed)) | Err(_) => break,
                Ok(_) => continue,
            };
            let Some(slot) = slots.iter().find(|slot| slot.life() == life) else {
                continue;
            };
            // Another fault may hit it at the moment: then it does the tick after all.
            let Ok(mut place) = slot.replica.try_lock() else {
                continue;
            };
            sleep(Duration::from_millis(
                step.variant % (group.job_ms / 2).max(1),
            ))
            .await;
            if let Some(replica) = place.take() {
                replica.signal(Signal::Kill);
                replica.gone().await?;
                *place = Some(self.stage.start(slot, step.skew_ms)?);
            }
        }
        self.end(number, step.fault, target);
        Ok(())
    }
}
