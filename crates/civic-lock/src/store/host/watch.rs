//! Release hints on the host: a task that looks at a file.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::store::host::files;

/// How often a waiter looks whether the state has changed.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// A task that looks at one state file until this is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    releases: watch::Sender<u64>,
    task: AbortHandle,
}

impl Watch {
    pub(super) fn start(path: PathBuf) -> Self {
        let releases = watch::Sender::new(0);
        let sender = releases.clone();
        let task = tokio::spawn(async move {
            let mut last = files::version(&path);
            loop {
                tokio::time::sleep(POLL_INTERVAL).await;
                let version = files::version(&path);
                // A renewal changes the file as well; a release leaves no holder.
                if version != last && files::is_free(&path) {
                    sender.send_modify(|count| *count += 1);
                }
                last = version;
            }
        })
        .abort_handle();
        Self { releases, task }
    }

    /// The task ends with its runtime.
    pub(super) fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.releases.subscribe()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}
