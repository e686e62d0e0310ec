//! The connections of one replica misbehave for a while.

use std::io;
use std::time::Duration;

use civic_testkit::proxy;
use tokio::time::sleep;

use super::injector::{Injector, Target, name};
use crate::fault::Fault;
use crate::plan::Step;

// ===== impl Injector =====

impl Injector {
    pub(super) async fn link(&self, step: &Step) -> io::Result<()> {
        let (_, slots) = &self.stage.groups[step.group];
        let free = (0..slots.len())
            .map(|offset| &slots[(step.replica + offset) % slots.len()])
            .find_map(|slot| Some((slot, slot.proxy.as_ref()?, slot.link.try_lock().ok()?)));
        let Some((slot, proxy, _link)) = free else {
            println!(
                "          {:<14} all links are hit already",
                name(step.fault)
            );
            return Ok(());
        };
        let target = Target {
            life: Some(slot.life()),
            group: Some(step.group),
        };
        let fault = misbehaviour(step);
        let number = self.begin(
            step.fault,
            target,
            &format!("{} for {} ms", slot.name(), step.lasts_ms),
        );
        proxy.set(fault);
        sleep(Duration::from_millis(step.lasts_ms)).await;
        proxy.set(proxy::Fault::Pass);
        self.end(number, step.fault, target);
        Ok(())
    }
}

fn misbehaviour(step: &Step) -> proxy::Fault {
    match step.fault {
        Fault::Delay => proxy::Fault::Delay(Duration::from_millis(20 + step.variant % 1200)),
        Fault::BlackHole => proxy::Fault::BlackHole,
        Fault::Reset => proxy::Fault::Reset,
        Fault::HalfOpen => proxy::Fault::HalfOpen,
        Fault::DropReply => proxy::Fault::DropReply,
        _ => proxy::Fault::SkipReply,
    }
}
