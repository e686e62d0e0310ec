//! A redis-server whose wall clock is not the machine's.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;

use civic_testkit::redis::{RedisServer, Reply, command};
use tempfile::TempDir;

/// How far the clock is set wrong to see whether it can be.
const PROOF_S: i64 = 1000;

/// A redis-server that is started with `clock/shifted.c`.
#[derive(Debug)]
pub(crate) struct SteppedServer {
    server: RedisServer,
    /// The folder of the file that says how wrong the clock is.
    folder: TempDir,
}

// ===== impl SteppedServer =====

impl SteppedServer {
    /// Starts it with a clock that is right.
    ///
    /// # Errors
    ///
    /// Fails if the server does not follow the file: then no step would be one.
    pub(crate) async fn start(library: &Path) -> io::Result<Self> {
        let folder = TempDir::new()?;
        let file = folder.path().join(FILE);
        fs::write(&file, 0_i64.to_ne_bytes())?;
        let environment = [
            ("LD_PRELOAD", library.as_os_str()),
            ("CIVIC_CLOCK_FILE", OsStr::new(&file)),
        ];
        let server = RedisServer::start_in(&[], &environment).await;
        let stepped = Self { server, folder };
        let right = stepped.seconds().await?;
        stepped.set_wrong_by(PROOF_S)?;
        let wrong = stepped.seconds().await?;
        stepped.set_wrong_by(0)?;
        if wrong < right + PROOF_S {
            return Err(io::Error::other(format!(
                "{}: the server does not follow the clock of this library",
                library.display()
            )));
        }
        Ok(stepped)
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// Sets the wall clock of the running server wrong by so many seconds.
    pub(crate) fn set_wrong_by(&self, seconds: i64) -> io::Result<()> {
        // In place: the server has mapped this very file.
        OpenOptions::new()
            .write(true)
            .open(self.folder.path().join(FILE))?
            .write_all(&seconds.to_ne_bytes())
    }

    async fn seconds(&self) -> io::Result<i64> {
        let Reply::Array(time) = command(self.addr(), &["TIME"]).await? else {
            return Err(io::Error::other("the server does not tell its time"));
        };
        time.first()
            .and_then(|seconds| seconds.text().parse().ok())
            .ok_or_else(|| io::Error::other("the server does not tell its time"))
    }
}

const FILE: &str = "clock";
