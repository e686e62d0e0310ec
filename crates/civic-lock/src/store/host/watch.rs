//! Release hints on the host: a task that looks at a file.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;

use crate::store::host::files;

/// How often a waiter looks whether the state has changed.
const HINT_POLL: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(super) struct Poll {
    pub(super) heard: watch::Sender<u64>,
    task: tokio::task::AbortHandle,
}

impl Poll {
    pub(super) fn start(path: PathBuf) -> Self {
        let heard = watch::Sender::new(0);
        let tell = heard.clone();
        let task = tokio::spawn(async move {
            let mut last = files::stamp(&path);
            loop {
                tokio::time::sleep(HINT_POLL).await;
                let stamp = files::stamp(&path);
                // A renewal changes the file as well; a release leaves no holder.
                if stamp != last && files::is_free(&path) {
                    tell.send_modify(|count| *count += 1);
                }
                last = stamp;
            }
        })
        .abort_handle();
        Self { heard, task }
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        self.task.abort();
    }
}
