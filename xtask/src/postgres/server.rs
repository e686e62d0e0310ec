//! A PostgreSQL server in a temporary folder, on a socket in that folder.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use super::session::Session;
use crate::process::{end_family, interrupt};
use crate::{installers, sh};

/// Where the packages of Debian put their programs, one folder per version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// How long the server may take to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// What brings a server, by package manager.
pub(crate) const INSTALLERS: [(&str, &str); 5] = [
    ("apt-get", "apt-get install -y postgresql"),
    ("dnf", "dnf install -y postgresql-server"),
    ("apk", "apk add postgresql"),
    ("pacman", "pacman -S --noconfirm postgresql"),
    ("brew", "brew install postgresql"),
];

/// A running server. Dropped, it is stopped, and its folder removed.
#[derive(Debug)]
pub(super) struct Server {
    programs: PathBuf,
    folder: PathBuf,
    user: Option<User>,
    child: Child,
}

/// Whom the server runs as: it refuses to run as root.
#[derive(Clone, Copy, Debug)]
struct User {
    uid: u32,
    gid: u32,
}

/// The folder with `initdb`, `postgres` and `psql`; else what to install.
pub(crate) fn programs() -> Result<PathBuf, String> {
    let is_complete = |folder: &Path| {
        ["initdb", "postgres", "psql"]
            .iter()
            .all(|program| folder.join(program).is_file())
    };
    if let Some(named) = std::env::var_os("CIVIC_POSTGRES_BIN") {
        let folder = PathBuf::from(named);
        return match is_complete(&folder) {
            true => Ok(folder),
            false => Err(format!(
                "CIVIC_POSTGRES_BIN names {}, which has not all of initdb, postgres and psql",
                folder.display()
            )),
        };
    }
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            Some((version, path.join("bin")))
        })
        .filter(|(_, folder)| is_complete(folder))
        .collect();
    versions.sort();
    let newest = versions.pop().map(|(_, folder)| folder);
    let on_path = || {
        let initdb = sh::which("initdb")?;
        Some(initdb.parent()?.to_path_buf()).filter(|folder| is_complete(folder))
    };
    newest.or_else(on_path).ok_or_else(|| {
        let install =
            installers::line(&INSTALLERS).map_or_else(String::new, |line| format!("\n    {line}"));
        format!(
            "there is no PostgreSQL server here: initdb, postgres and psql are neither in \
             {DEBIAN}/*/bin nor on the PATH. Install it, then run this again:{install}"
        )
    })
}

// ===== impl Server =====

impl Server {
    pub(super) fn start(programs: &Path) -> Result<Self, String> {
        let folder = std::env::temp_dir().join(format!("civic-postgres-{}", std::process::id()));
        let io = |error: std::io::Error| format!("{}: {error}", folder.display());
        fs::create_dir(&folder).map_err(io)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).map_err(io)?;
        let user = User::other_than_root()?;
        if let Some(user) = user {
            chown(&folder, Some(user.uid), Some(user.gid)).map_err(io)?;
        }
        let mut initdb = command(&programs.join("initdb"), user, &folder);
        initdb
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8"])
            .args(["--locale=C", "--no-sync", "--pgdata"])
            .arg(folder.join("data"));
        if let Err(error) = sh::output(&mut initdb) {
            let _ = fs::remove_dir_all(&folder);
            return Err(error);
        }
        let log = fs::File::create(folder.join("log")).map_err(io)?;
        let mut postgres = command(&programs.join("postgres"), user, &folder);
        let child = postgres
            .arg("-D")
            .arg(folder.join("data"))
            .arg("-k")
            .arg(&folder)
            // On the socket only: no port is taken.
            .args(["-c", "listen_addresses="])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("postgres cannot be started: {error}"))?;
        let mut server = Self {
            programs: programs.to_path_buf(),
            folder,
            user,
            child,
        };
        server.wait_until_ready()?;
        Ok(server)
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let asked = self
                .psql()
                .args(["-c", "SELECT 1"])
                .stderr(Stdio::null())
                .output();
            if asked.is_ok_and(|output| output.status.success()) {
                return Ok(());
            }
            let ended = self.child.try_wait().ok().flatten();
            if ended.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                return Err(format!("the PostgreSQL server does not start:\n{log}"));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// What the server calls itself.
    pub(super) fn version(&self) -> String {
        let version = Command::new(self.programs.join("postgres"))
            .arg("--version")
            .output();
        version.map_or_else(
            |error| error.to_string(),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        )
    }

    /// Opens another connection.
    pub(super) fn session(&self) -> Result<Session, String> {
        Session::start(self.psql())
    }

    fn psql(&self) -> Command {
        let mut psql = command(&self.programs.join("psql"), self.user, &self.folder);
        psql.args([
            "--set=ON_ERROR_STOP=1",
            "--no-psqlrc",
            "--quiet",
            "--no-align",
            "--tuples-only",
            "--host",
        ])
        .arg(&self.folder)
        .args(["--username=postgres", "postgres"]);
        psql
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A fast shutdown: it ends its connections.
        interrupt(self.child.id());
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            if Instant::now() > deadline {
                end_family(self.child.id());
                let _ = self.child.wait();
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

// ===== impl User =====

impl User {
    /// `None` if this process is not root's.
    fn other_than_root() -> Result<Option<Self>, String> {
        let id = |args: &[&str]| {
            let text = sh::output(Command::new("id").args(args)).ok()?;
            text.trim().parse::<u32>().ok()
        };
        if id(&["-u"]) != Some(0) {
            return Ok(None);
        }
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| {
                let (uid, gid) = (id(&["-u", name])?, id(&["-g", name])?);
                Some(Some(Self { uid, gid }))
            })
            .ok_or_else(|| {
                "PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody`"
                    .into()
            })
    }
}

/// A program that is run as this user, in a folder that the user may enter.
fn command(program: &Path, user: Option<User>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null());
    if let Some(User { uid, gid }) = user {
        command.uid(uid).gid(gid);
    }
    command
}
