//! `cargo xtask chaos once`: one effect per key, whatever is killed.
//!
//! | part | what is tried | what it is checked for |
//! |---|---|---|
//! | `posts` | POSTs with keys; client, proxy, service and server are killed at random | `check/posts.rs` |
//! | `migration` | many processes come for one migration, some of them are killed | `check/migration.rs` |
//! | `fence` | holders are stopped for longer than their ttl, and write when they wake | `check/fence.rs` |
//! | `pause` | an executor is stopped, wakes after another one has finished, and completes | `check/pause.rs` |
//!
//! Each part collects what happened, writes it to a file, and checks it; the checks are pure, and
//! `--check` repeats them on the files of an earlier run. The processes of a run are this program
//! in the roles of `role`.

mod backend;
mod check;
mod facts;
mod fence;
mod lane;
mod migration;
mod notes;
mod options;
mod pause;
mod posts;
mod process;
mod report;
mod role;
mod site;
mod store;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::{fs, io};

use civic_progress::Progress;

use crate::check::Verdict;
use crate::once::backend::Backend;
use crate::once::facts::Facts;
use crate::once::options::{Options, Part, USAGE};
use crate::once::site::Site;
use crate::pace;

/// Plays a part in a run.
///
/// # Errors
///
/// Fails if an argument is missing or makes no sense, or a file or a socket cannot be used.
pub(crate) async fn play(role: &str, arguments: &[String]) -> Result<(), Box<dyn Error>> {
    role::play(role, arguments).await
}

/// Runs the command.
pub(crate) async fn run(arguments: &[String]) -> ExitCode {
    if arguments
        .iter()
        .any(|argument| argument == "--help" || argument == "-h")
    {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("chaos once: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    println!("seed {}: {}", options.seed, options.replay());
    match parts(&options).await {
        Ok(true) => {
            println!("\nevery promise was kept");
            ExitCode::SUCCESS
        }
        Ok(false) => {
            println!("\nnot every promise was kept. Again: {}", options.replay());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("chaos once: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every promise was kept. The stores are tried side by side, and so are the parts: none
/// needs much of the machine.
async fn parts(options: &Options) -> io::Result<bool> {
    let folder = options.folder()?;
    let on = async |backend: Backend| {
        if !options.backends.contains(&backend) {
            return Ok(true);
        }
        let site = Site {
            options,
            backend,
            folder: folder.join(backend.name()),
        };
        fs::create_dir_all(&site.folder)?;
        let kept = tokio::try_join!(
            judge(&site, Part::Posts, posts::run(&site), check::posts),
            judge(
                &site,
                Part::Migration,
                migration::run(&site),
                check::migration
            ),
            judge(&site, Part::Fence, fence::run(&site), check::fence),
            judge(&site, Part::Pause, pause::run(&site), check::pause),
        )?;
        io::Result::Ok(kept == (true, true, true, true))
    };
    let pace = tokio::spawn(pace::show(Arc::new(Progress::new()), options.length));
    let kept = tokio::try_join!(on(Backend::Redis), on(Backend::Host));
    pace.abort();
    Ok(kept? == (true, true))
}

/// Runs a part, if it is asked for, and prints what it has shown. Returns whether every promise was
/// kept.
async fn judge<F: Facts>(
    site: &Site<'_>,
    part: Part,
    run: impl Future<Output = io::Result<F>>,
    check: fn(&F) -> Vec<Verdict>,
) -> io::Result<bool> {
    if !site.options.parts.contains(&part) {
        return Ok(true);
    }
    let path = site.facts(part);
    let facts = if site.options.check.is_some() {
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let text = fs::read(&path).map_err(named)?;
        serde_json::from_slice(&text).map_err(|error| named(error.into()))?
    } else {
        let facts = run.await?;
        fs::write(&path, serde_json::to_vec(&facts)?)?;
        facts
    };
    let title = format!("{} on {}", part.name(), site.backend.name());
    Ok(report::print(&title, &facts.counts(), &check(&facts)))
}
