//! One redis-server process.

use std::ffi::{OsStr, OsString};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use super::ports::free_port;
use super::resp::{Reply, command};
use crate::process;

/// A server that is not ready after this time never will be.
const READY: Duration = Duration::from_secs(60);

/// A free port may be taken by another process before the server binds it.
const PORTS: u32 = 5;

/// A redis-server process. Killed when dropped.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    folder: TempDir,
    arguments: Vec<String>,
    environment: Vec<(String, OsString)>,
    child: Child,
}

impl RedisServer {
    /// Starts a server that keeps nothing on disk, and waits until it answers.
    ///
    /// # Panics
    ///
    /// Panics if there is no redis-server, with the command that installs it.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a server with further arguments, such as `["--appendonly", "yes"]`.
    ///
    /// # Panics
    ///
    /// Panics as [`start`](Self::start).
    pub async fn start_with(arguments: &[&str]) -> Self {
        Self::start_in(arguments, &[]).await
    }

    /// Starts a server with further arguments and further variables in its environment.
    ///
    /// # Panics
    ///
    /// Panics as [`start`](Self::start).
    pub async fn start_in(arguments: &[&str], environment: &[(&str, &OsStr)]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
        let environment: Vec<(String, OsString)> = environment
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        for _ in 0..PORTS {
            let port = free_port();
            let folder = TempDir::new().expect("a temporary folder");
            let child = spawn(folder.path(), &words(port, &arguments), &environment);
            let mut server = Self {
                port,
                folder,
                arguments: arguments.clone(),
                environment: environment.clone(),
                child,
            };
            if server.is_ready().await {
                return server;
            }
        }
        panic!("redis-server does not start with {arguments:?}")
    }

    /// Starts a replica of `primary`, and waits until it is in sync.
    ///
    /// # Panics
    ///
    /// Panics as [`start`](Self::start).
    pub async fn replica_of(primary: &Self) -> Self {
        let port = primary.port.to_string();
        let replica = Self::start_with(&["--replicaof", "127.0.0.1", &port]).await;
        replica
            .until_info("the link to the primary is up", |info| {
                has_line(info, "master_link_status:up")
            })
            .await;
        // The link is up before the first write goes over it, which may take a second more: WAIT
        // for a lock would run out of time meanwhile.
        primary.command(&["PUBLISH", "replica", "hello"]).await;
        let replica_port = format!("port={},", replica.port);
        primary
            .until_info(&format!("the replica at {replica_port} keeps up"), |info| {
                let written = number_after(info, "master_repl_offset:");
                let acknowledged = info
                    .split_once(&replica_port)
                    .and_then(|(_, rest)| number_after(rest, "offset="));
                written > Some(0) && acknowledged >= written
            })
            .await;
        replica
    }

    pub(super) async fn sentinel(config: &str) -> Self {
        for _ in 0..PORTS {
            let folder = TempDir::new().expect("a temporary folder");
            let file = folder.path().join("sentinel.conf");
            let port = free_port();
            fs::write(&file, format!("port {port}\n{config}"))
                .expect("a temporary folder is writable");
            let child = spawn(
                folder.path(),
                &[file.display().to_string(), "--sentinel".to_owned()],
                &[],
            );
            let mut sentinel = Self {
                port,
                folder,
                arguments: Vec::new(),
                environment: Vec::new(),
                child,
            };
            if sentinel.is_ready().await {
                return sentinel;
            }
        }
        panic!("the sentinel does not start")
    }

    /// Returns the address that it listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Returns the URL for a client of Redis: `redis://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.addr())
    }

    /// Returns the port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the folder of its files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Sends one command on a new connection, and returns the reply.
    ///
    /// # Panics
    ///
    /// Panics if it does not answer.
    pub async fn command(&self, words: &[&str]) -> Reply {
        command(self.addr(), words)
            .await
            .unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Kills it with SIGKILL: it forgets what it has not written.
    pub fn kill(&mut self) {
        // It may have died already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Stops it with SIGSTOP: connections stay open, nothing is answered.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on with SIGCONT.
    pub fn cont(&self) {
        self.signal(Signal::CONT);
    }

    /// Kills it and starts it again, on the same port and in the same folder.
    pub async fn restart(&mut self) {
        self.kill();
        self.child = spawn(
            self.folder.path(),
            &words(self.port, &self.arguments),
            &self.environment,
        );
        assert!(self.is_ready().await, "redis-server does not start again");
    }

    /// Waits until the server says of itself, in `INFO`, what the test needs.
    ///
    /// # Panics
    ///
    /// Panics after a minute, with `what` in the message.
    pub async fn until_info(&self, what: &str, as_it_should_be: impl Fn(&str) -> bool) {
        let began = Instant::now();
        loop {
            let info = self.command(&["INFO"]).await;
            if as_it_should_be(info.text()) {
                return;
            }
            assert!(began.elapsed() < READY, "not in time: {what}: {info:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until this very process answers. Returns false if it has ended because another process
    /// has the port.
    async fn is_ready(&mut self) -> bool {
        let began = Instant::now();
        let own = format!("process_id:{}", self.child.id());
        loop {
            if let Ok(Reply::Text(info)) = command(self.addr(), &["INFO", "server"]).await
                && info.lines().any(|line| line == own)
            {
                return true;
            }
            if let Ok(Some(_)) = self.child.try_wait() {
                return false;
            }
            assert!(began.elapsed() < READY, "redis-server does not answer");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .expect("the kernel's process ids are positive");
        // It may have died already.
        let _ = process::signal(pid, signal);
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn words(port: u16, arguments: &[String]) -> Vec<String> {
    let port = port.to_string();
    let mut words: Vec<String> = [
        "--port",
        &port,
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        // A replica need not wait for others to join it.
        "--repl-diskless-sync-delay",
        "0",
        "--enable-debug-command",
        "yes",
    ]
    .map(str::to_owned)
    .into();
    words.extend_from_slice(arguments);
    words
}

fn spawn(folder: &Path, arguments: &[String], environment: &[(String, OsString)]) -> Child {
    let program = program();
    Command::new(&program)
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()))
}

fn program() -> PathBuf {
    if let Some(program) = env::var_os("CIVIC_REDIS_SERVER") {
        return program.into();
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|folder| folder.join("redis-server"))
        .find(|program| program.is_file())
        .unwrap_or_else(|| {
            panic!(
                "these tests need a redis-server. Run: sudo apt-get install -y redis-server \
                 (or set CIVIC_REDIS_SERVER to the path of a redis-server or valkey-server)"
            )
        })
}

/// Whether one of the lines of `info` is `line`.
pub(super) fn has_line(info: &str, line: &str) -> bool {
    info.lines().any(|has| has == line)
}

fn number_after(text: &str, name: &str) -> Option<u64> {
    let (_, rest) = text.split_once(name)?;
    let end = rest
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}
