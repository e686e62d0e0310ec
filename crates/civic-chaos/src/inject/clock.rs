//! The wall clock of a server is set wrong, and right again.

use std::io;
use std::time::Duration;

use tokio::time::sleep;

use super::injector::{Injector, Target};
use crate::fault::Fault;
use crate::plan::Step;

/// How far the clock is set wrong.
const STEP_S: i64 = 2 * 60 * 60;

// ===== impl Injector =====

impl Injector {
    pub(super) async fn clock(&self, step: &Step) -> io::Result<()> {
        let Some(server) = &self.clock else {
            return Ok(());
        };
        let server = server.lock().await;
        let target = Target {
            life: None,
            group: Some(step.group),
        };
        let seconds = match step.fault {
            Fault::StepBack => -STEP_S,
            _ => STEP_S,
        };
        let number = self.begin(
            step.fault,
            target,
            &format!("{seconds} s for {} ms", step.lasts_ms),
        );
        server.set_wrong_by(seconds)?;
        sleep(Duration::from_millis(step.lasts_ms)).await;
        server.set_wrong_by(0)?;
        self.end(number, step.fault, target);
        Ok(())
    }
}
