//! The settings that all jobs of a scheduler share.

use std::time::Duration;

use crate::scheduler::clock_offset::LocalClock;
use crate::scheduler::event::Event;
use crate::scheduler::job::Job;

/// The settings that all jobs of a scheduler share.
pub(super) struct Settings {
    pub(super) clock: LocalClock,
    pub(super) observer: Option<Observer>,
    pub(super) poll_cap: Duration,
    pub(super) max_skew: Duration,
    pub(super) shutdown_bound: Duration,
}

/// What is called with each event.
pub(super) struct Observer(Box<dyn Fn(&Job, &Event) + Send + Sync>);

impl Observer {
    pub(super) fn new(observer: impl Fn(&Job, &Event) + Send + Sync + 'static) -> Self {
        Self(Box::new(observer))
    }

    pub(super) fn call(&self, job: &Job, event: &Event) {
        (self.0)(job, event);
    }
}
