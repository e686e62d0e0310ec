//! A replica is killed, told to stop, or stopped for a while.

use std::io;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::{sleep, timeout};

use super::injector::{Injector, Target, name};
use crate::fault::Fault;
use crate::history::Signal;
use crate::plan::Step;
use crate::replica::Began;

/// How long to wait for a holder before another replica is hit.
const HOLDER_LIMIT: Duration = Duration::from_millis(3500);
// ===== impl Injector =====

impl Injector {
    pub(super) async fn replica(&self, step: &Step) -> io::Result<()> {
        let (group, slots) = &self.stage.groups[step.group];
        let holder = if step.holder {
            let holder = self.next_holder(step.group).await;
            // Somewhere in the middle of its work.
            sleep(Duration::from_millis(step.variant % group.job_ms.max(1))).await;
            holder
        } else {
            None
        };
        let first = holder
            .and_then(|life| slots.iter().position(|slot| slot.life() == life))
            .unwrap_or(step.replica);
        // A replica that no other fault hits at the moment.
        let free = (0..slots.len())
            .map(|offset| &slots[(first + offset) % slots.len()])
            .find_map(|slot| Some((slot, slot.replica.try_lock().ok()?)));
        let Some((slot, mut place)) = free else {
            println!(
                "          {:<14} all of {} are hit already",
                name(step.fault),
                group.name
            );
            return Ok(());
        };
        let Some(replica) = place.take() else {
            return Ok(());
        };
        let target = Target {
            life: Some(replica.life),
            group: Some(step.group),
        };
        let number = self.begin(
            step.fault,
            target,
            &format!("{} for {} ms", slot.name(), step.lasts_ms),
        );
        let lasts = Duration::from_millis(step.lasts_ms);
        *place = Some(match step.fault {
            Fault::Kill | Fault::Terminate => {
                replica.signal(if step.fault == Fault::Kill {
                    Signal::Kill
                } else {
                    Signal::Term
                });
                replica.gone().await?;
                sleep(lasts).await;
                self.stage.start(slot, step.skew_ms)?
            }
            _ => {
                replica.signal(Signal::Stop);
                sleep(lasts).await;
                replica.signal(Signal::Cont);
                replica
            }
        });
        self.end(number, step.fault, target);
        Ok(())
    }

    /// Waits for the next replica of the group that begins to hold the lock.
    async fn next_holder(&self, group: usize) -> Option<u32> {
        let mut began = self.stage.began.subscribe();
        timeout(HOLDER_LIMIT, async {
            loop {
                match began.recv().await {
                    Ok(Began {
                        group: of, life, ..
                    }) if of == group => return Some(life),
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        })
        .await
        .ok()
        .flatten()
    }
}
