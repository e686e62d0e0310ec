//! `cargo xtask chaos`: random faults into real replicas and a real server, then the history of
//! what happened is checked against what is promised. The crate's README has the promises.
//!
//! | part | what it does |
//! |---|---|
//! | `plan` | makes the faults of a run from its seed, and nothing else |
//! | `run`, `stage`, `replica`, `inject` | play it: processes, proxies, signals |
//! | `crowd` | a replica: many callers of one lock in one process |
//! | `candidate`, `ledger` | a replica: a candidate of an election, and what its leader writes to |
//! | `once` | `cargo xtask chaos once`: one effect per key, migrations, fences |
//! | `main_server`, `stepped`, `peer` | the servers, and a Node peer of them |
//! | `monitor`, `stall`, `history`, `log` | note what happened |
//! | `check` | reads the notes, and nothing else; its tests show each verdict go red |
//! | `report` | prints |

mod candidate;
mod check;
mod crowd;
mod fault;
mod history;
mod inject;
mod ledger;
mod log;
mod main_server;
mod monitor;
mod once;
mod operator;
mod options;
mod pace;
mod peer;
mod plan;
mod random;
mod recipe;
mod replica;
mod report;
mod run;
mod stage;
mod stall;
mod stepped;
mod store;
mod topology;

use std::io;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::check::Verdict;
use crate::options::{Options, USAGE};

/// The exit code of a program that was interrupted.
const INTERRUPTED: u8 = 130;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [once, rest @ ..] = &arguments[..]
        && once == "once"
    {
        return tokio::select! {
            code = once::run(rest) => code,
            () = interrupted() => ExitCode::from(INTERRUPTED),
        };
    }
    if arguments
        .iter()
        .any(|argument| argument == "--help" || argument == "-h")
    {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    // A process of the driver, which starts it as it starts the others.
    if let [stop_with_stdin, role, rest @ ..] = &arguments[..]
        && stop_with_stdin == "--stop-with-stdin"
    {
        return play(role, rest).await;
    }
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("chaos: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    tokio::select! {
        result = chaos(&options) => match result {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("chaos: {error}");
                ExitCode::FAILURE
            }
        },
        // Whatever is running is dropped, and killed.
        () = interrupted() => {
            eprintln!("chaos: interrupted");
            ExitCode::from(INTERRUPTED)
        }
    }
}

/// Plays a part in a run until its work is done, stdin ends, or the process is told to stop.
async fn play(role: &str, arguments: &[String]) -> ExitCode {
    // A thread of its own: the runtime would wait for one of its own until stdin ends.
    let (end, ended) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        end.send(())
    });
    let playing = async {
        match role {
            // It resigns before it ends.
            "candidate" => candidate::run(arguments, interrupted()).await,
            "crowd" => or_interrupted(crowd::run(arguments)).await,
            _ => or_interrupted(once::play(role, arguments)).await,
        }
    };
    tokio::select! {
        result = playing => match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("chaos: {role}: {error}");
                ExitCode::FAILURE
            }
        },
        _ = ended => ExitCode::SUCCESS,
    }
}

/// Ends at SIGINT or SIGTERM, which is no failure.
async fn or_interrupted<E>(playing: impl Future<Output = Result<(), E>>) -> Result<(), E> {
    tokio::select! {
        result = playing => result,
        () = interrupted() => Ok(()),
    }
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

/// Whether every promise was kept.
async fn chaos(options: &Options) -> io::Result<bool> {
    let records = match &options.check {
        Some(folder) => log::read(&folder.join("history.jsonl"))?,
        None => {
            println!("seed {}: {}", options.seed, options.replay());
            let folder = run::prepare(options)?;
            run::run(options, &folder).await?
        }
    };
    let verdicts = check::check(&records);
    report::print(&records, &verdicts);
    let kept = verdicts.iter().all(Verdict::holds);
    if kept {
        println!("\nevery promise was kept");
    } else if options.check.is_some() {
        println!("\nnot every promise was kept");
    } else {
        println!("\nnot every promise was kept. Again: {}", options.replay());
    }
    Ok(kept)
}
