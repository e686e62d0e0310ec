//! The injector: it hands each fault to the file of its class, and notes when it begins and ends.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use civic_progress::Progress;
use tokio::sync::{Mutex, watch};

use crate::fault::{Class, Fault};
use crate::history::{Phase, What};
use crate::main_server::MainServer;
use crate::plan::Step;
use crate::stage::Stage;
use crate::stepped::SteppedServer;

#[derive(Debug)]
pub(crate) struct Injector {
    pub(crate) stage: Arc<Stage>,
    pub(crate) server: Option<Arc<Mutex<MainServer>>>,
    /// The server whose wall clock is set wrong.
    pub(crate) clock: Option<Arc<Mutex<SteppedServer>>>,
    pub(crate) watching: watch::Receiver<bool>,
    pub(crate) next: AtomicUsize,
    /// Cleared before a fault is printed.
    pub(crate) progress: Arc<Progress>,
}

/// The target of a fault, for its records.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Target {
    pub(super) life: Option<u32>,
    pub(super) group: Option<usize>,
}

impl Injector {
    /// Injects the fault, and takes it back. Errors are those of the driver itself; the checker
    /// judges what the replicas do.
    pub(crate) async fn inject(&self, step: Step) -> io::Result<()> {
        match step.fault.class() {
            Class::Replica => self.replica(&step).await,
            Class::Link => self.link(&step).await,
            Class::Server => self.server(&step).await,
            Class::Key => self.key(&step).await,
            Class::Work => self.work(&step).await,
            Class::Deployment => self.deploy(&step).await,
            Class::Version => self.upgrade(&step).await,
            Class::Clock => self.clock(&step).await,
        }
    }

    pub(super) fn begin(&self, fault: Fault, target: Target, what: &str) -> usize {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.progress.clear();
        println!("    {number:>4}  {:<14} {what}", name(fault));
        self.note(number, fault, Phase::Begin, target);
        number
    }

    pub(super) fn end(&self, number: usize, fault: Fault, target: Target) {
        self.note(number, fault, Phase::End, target);
    }

    fn note(&self, number: usize, fault: Fault, phase: Phase, target: Target) {
        self.stage.log.now(What::Fault {
            number,
            fault,
            phase,
            life: target.life,
            group: target.group,
        });
    }
}

/// Returns the name of a fault, as the report shows it.
pub(crate) fn name(fault: Fault) -> String {
    serde_json::to_value(fault)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}
