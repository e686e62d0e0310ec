//! The driver of `cargo xtask interop`: starts real Node peers and the Rust fleet, lets them call
//! each other in both directions, and checks what the contract promises about it. `docs/interop.md`
//! is its manual.
//!
//! | part | what it does |
//! |---|---|
//! | `options` | the command line |
//! | `stage` | the programs under test: what is started, and with which environment |
//! | `process` | one child process: JSON lines in and out, stopped by its id |
//! | `wire` | one HTTP/1.1 exchange, with its bytes kept as they came |
//! | `attempts` | counts the attempts of the client |
//! | `local` | Rust services in this process, each behind a guard of its own |
//! | `balancer` | several processes behind one name, as a Kubernetes Service has them |
//! | `check` | the checks, one file each |
//! | `compare` | `--compare`: reads, replayed against a Node service and a Rust one |
//! | `defective` | a Rust service with a defect |
//! | `findings`, `report` | which promises were kept, as one table |

mod attempts;
mod balancer;
mod check;
mod compare;
mod defective;
mod findings;
mod local;
mod options;
mod process;
mod report;
mod stage;
mod text;
mod wire;

use std::process::ExitCode;

use civic_progress::Progress;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::attempts::Attempts;
use crate::check::Check;
use crate::compare::CompareOptions;
use crate::options::Options;
use crate::report::Report;
use crate::stage::Stage;

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = async {
        match CompareOptions::are_asked_for() {
            true => compare::run(&CompareOptions::parse()).await,
            false => run(&Options::parse()).await,
        }
    };
    tokio::select! {
        kept = outcome => match kept {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("interop: {error}");
                ExitCode::FAILURE
            }
        },
        // Dropping the run stops every process that it has started.
        () = interrupted() => {
            eprintln!("interop: interrupted");
            ExitCode::from(130)
        }
    }
}

/// Runs the checks against each version of the peers; whether every promise was kept.
async fn run(options: &Options) -> Result<bool, String> {
    let mut report = Report::new();
    let attempts = Attempts::install()?;
    let progress = Progress::new();
    for (index, peers) in options.programs.peers.iter().enumerate() {
        let mut stage = Stage::new(&options.programs, options.extent(), peers, attempts.clone())?;
        let checks: Vec<Check> = options
            .checks()
            .filter(|check| index == 0 || check.depends_on_peers())
            .collect();
        for (done, check) in checks.iter().enumerate() {
            progress.mark(done as u64, checks.len() as u64, check.name());
            check.run(&mut stage, &mut report).await;
        }
        stage.close().await;
    }
    report.print();
    Ok(report.is_kept())
}

/// Ready at SIGINT or SIGTERM.
async fn interrupted() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
