//! Replicas come back with another schedule, or in another version, one by one.

use std::io;
use std::time::Duration;

use tokio::time::sleep;

use super::injector::{Injector, Target};
use crate::fault::Fault;
use crate::history::Signal;
use crate::plan::Step;
use crate::replica::Deployment;
use crate::stage::Slot;

/// How long after one replica the next one is replaced.
const ROLL: Duration = Duration::from_millis(800);

// ===== impl Injector =====

impl Injector {
    pub(super) async fn deploy(&self, step: &Step) -> io::Result<()> {
        let (group, slots) = &self.stage.groups[step.group];
        let target = Target {
            life: None,
            group: Some(step.group),
        };
        let next = self.stage.next_deployment();
        let number = self.begin(
            step.fault,
            target,
            &format!("{}: now every {} s", group.name, next.interval_ms / 1000),
        );
        if step.fault == Fault::Deploy {
            for slot in slots {
                self.replace(slot, next, step.skew_ms).await?;
                sleep(ROLL).await;
            }
        } else if let Some(slot) = slots.last() {
            let before = *slot.deployment();
            self.replace(slot, next, step.skew_ms).await?;
            sleep(Duration::from_millis(step.lasts_ms)).await;
            self.replace(slot, before, step.skew_ms).await?;
        }
        self.end(number, step.fault, target);
        Ok(())
    }

    pub(super) async fn upgrade(&self, step: &Step) -> io::Result<()> {
        let (group, slots) = &self.stage.groups[step.group];
        let target = Target {
            life: None,
            group: Some(step.group),
        };
        let version = slots[0].deployment().version.other();
        let number = self.begin(
            step.fault,
            target,
            &format!("{}: to {version:?}", group.name),
        );
        for slot in slots {
            let next = Deployment {
                version,
                ..*slot.deployment()
            };
            self.replace(slot, next, step.skew_ms).await?;
            sleep(ROLL).await;
        }
        self.end(number, step.fault, target);
        Ok(())
    }

    /// Ends the replica in its place, in order, and starts another one of this deployment.
    pub(super) async fn replace(
        &self,
        slot: &Slot,
        next: Deployment,
        skew_ms: i64,
    ) -> io::Result<()> {
        let mut place = slot.replica.lock().await;
        *slot.deployment() = next;
        if let Some(replica) = place.take() {
            replica.signal(Signal::Term);
            replica.gone().await?;
            *place = Some(self.stage.start(slot, skew_ms)?);
        }
        Ok(())
    }
}
