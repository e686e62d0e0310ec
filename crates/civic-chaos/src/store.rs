//! Where a process keeps its lock.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// Where a process keeps its lock.
#[derive(Debug)]
pub(crate) enum Store {
    Url(String),
    Folder(PathBuf),
}

impl Store {
    /// Returns the environment of a process that uses it.
    pub(crate) fn environment(self) -> io::Result<Vec<(String, String)>> {
        let mut environment: Vec<(String, String)> = ["PATH", "HOME"]
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)))
            .collect();
        let (name, value) = match self {
            Self::Url(url) => ("REDIS_URL", url),
            Self::Folder(folder) => {
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(&folder)?;
                ("CIVIC_LOCK_DIR", folder.display().to_string())
            }
        };
        environment.push((name.to_owned(), value));
        Ok(environment)
    }
}
