//! What a replica is started with.

use std::io;
use std::path::{Path, PathBuf};

use crate::history::{Group, Kind};
use crate::options::Options;
use crate::store::Store;

/// The lock that penalty-scheduler acquires.
pub(crate) const SCHEDULER_LOCK: &str = "cron:penalty-calculation";
/// How long hammers hold the lock. The long hold outlives its ttl, so that it depends on renewals.
const HOLDS_MS: [u64; 3] = [30, 60, 3000];
/// For how long a candidate leads before it resigns. The last two outlive the ttl, so that they
/// depend on renewals.
const TERMS_MS: [u64; 5] = [800, 1200, 1600, 2500, 4000];

/// The settings that a replica is started with.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) executable: PathBuf,
    /// The same program in the version that an upgrade begins with.
    pub(crate) last: Option<PathBuf>,
    pub(crate) name: String,
    pub(crate) group: usize,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    /// The file of its stderr.
    pub(crate) log_file: PathBuf,
    /// The file to which a hammer appends when it enters and leaves.
    pub(crate) events: Option<PathBuf>,
}

/// Returns the resource that the leaders of a group write to.
pub(crate) fn ledger(folder: &Path, group: &Group) -> PathBuf {
    folder.join("ledgers").join(&group.name)
}

/// Returns the settings of one replica of a group.
pub(crate) fn recipe(
    options: &Options,
    group: &Group,
    index: usize,
    folder: &Path,
    store: Store,
) -> io::Result<Recipe> {
    let name = format!("{}-{index}", group.name);
    let mut environment = store.environment()?;
    let mut set = |name: &str, value: String| environment.push((name.to_owned(), value));
    set(
        "RUST_LOG",
        "warn,civic_lock=debug,civic_fleet=info".to_owned(),
    );
    let seconds = |millis: u64| (millis / 1000).to_string();
    let arguments = match group.kind {
        Kind::Hammer => {
            let hold = HOLDS_MS[index % HOLDS_MS.len()].to_string();
            // Until it is told to stop.
            let length = (options.length.as_secs() + 600).to_string();
            [
                "lock",
                "hold",
                &group.lock,
                "--ttl",
                &seconds(group.ttl_ms),
                "--hold",
                &hold,
                "--hammer",
                &length,
            ]
            .map(str::to_owned)
            .into()
        }
        Kind::Crowd => {
            let (callers, ttl) = (options.callers.to_string(), seconds(group.ttl_ms));
            ["crowd", &group.lock, &callers, &ttl]
                .map(str::to_owned)
                .into()
        }
        Kind::Candidate => {
            let term = TERMS_MS[index % TERMS_MS.len()].to_string();
            let ledger = ledger(folder, group).display().to_string();
            [
                "candidate",
                &group.lock,
                &seconds(group.ttl_ms),
                &term,
                &ledger,
            ]
            .map(str::to_owned)
            .into()
        }
        Kind::AtLeastOnce | Kind::AtMostOnce | Kind::Deployed => {
            let delivery = match group.kind {
                Kind::AtMostOnce => "at-most-once",
                _ => "at-least-once",
            };
            set("CIVIC_DELIVERY", delivery.to_owned());
            if group.lock != SCHEDULER_LOCK {
                set("CIVIC_JOB", group.lock.clone());
            }
            set("CIVIC_JOB_MS", group.job_ms.to_string());
            set("CIVIC_LOCK_TTL", seconds(group.ttl_ms));
            set("CIVIC_MISFIRE_GRACE", seconds(group.grace_ms));
            // The checker judges each tick by itself.
            set("CIVIC_COALESCE", "every".to_owned());
            set("CIVIC_MAX_ATTEMPTS", group.max_attempts.to_string());
            // A holder that is told to stop hands over at once: that is what is measured.
            set("CIVIC_SHUTDOWN_BOUND_MS", "0".to_owned());
            vec!["penalty-scheduler".to_owned()]
        }
    };
    let last = options.last.as_ref().filter(|_| group.backend.is_main());
    Ok(Recipe {
        last: match group.kind {
            Kind::Hammer => last.map(|last| last.civic.clone()),
            Kind::Candidate | Kind::Crowd => None,
            Kind::AtLeastOnce | Kind::AtMostOnce | Kind::Deployed => {
                last.map(|last| last.fleet.clone())
            }
        },
        executable: match group.kind {
            Kind::Hammer => options.civic.clone(),
            Kind::Candidate | Kind::Crowd => std::env::current_exe()?,
            Kind::AtLeastOnce | Kind::AtMostOnce | Kind::Deployed => options.fleet.clone(),
        },
        group: group.group,
        arguments,
        environment,
        log_file: folder.join("logs").join(format!("{name}.log")),
        events: (group.kind == Kind::Hammer).then(|| folder.join("holds").join(&name)),
        name,
    })
}
