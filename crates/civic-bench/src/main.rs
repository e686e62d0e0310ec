//! The program behind `cargo xtask bench`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::{fs, io};

use civic_bench::calls::{self, Kind};
use civic_bench::machine::machine;
use civic_bench::measure::Effort;
use civic_bench::report::{Report, page};
use civic_bench::{count, node, run};
use clap::Parser;

/// Measures what the crates cost beside what people would use instead.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
struct Options {
    /// The groups to run. All of them if none is named.
    groups: Vec<String>,
    /// Writes `performance.md` and its plots into this folder. Needs a run of all groups.
    #[arg(long, value_name = "FOLDER")]
    docs: Option<PathBuf>,
    /// Shows that everything works. The figures mean little.
    #[arg(long)]
    quick: bool,
    /// Does one piece of work so many times and nothing else, for a program that counts
    /// instructions.
    #[arg(long, num_args = 2, value_names = ["PIECE", "TIMES"])]
    repeat: Option<Vec<String>>,
    /// Holds calls of one client in flight, and prints by how many KB the process has grown.
    #[arg(long, num_args = 2, value_names = ["CLIENT", "URL"])]
    hold: Option<Vec<String>>,
    /// Calls with one client, so many at a time, for a profiler. The peer is the thread of that
    /// name.
    #[arg(long, num_args = 2, value_names = ["CLIENT", "AT_A_TIME"])]
    profile: Option<Vec<String>>,
    /// Serves the route of the comparison with Node, with the payloads in this folder, until
    /// standard input ends.
    #[arg(long, value_name = "FOLDER")]
    serve: Option<PathBuf>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if let Some(payloads) = &options.serve {
        node::serve(payloads);
        return ExitCode::SUCCESS;
    }
    match act(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("civic-bench: {message}");
            ExitCode::FAILURE
        }
    }
}

fn act(options: &Options) -> Result<(), String> {
    if let Some([piece, times]) = options.repeat.as_deref() {
        let times = times
            .parse()
            .map_err(|_| format!("{times} is not a number of times"))?;
        return count::repeat(piece, times);
    }
    if let Some([name, url]) = options.hold.as_deref() {
        calls::hold(kind(name)?, url);
        return Ok(());
    }
    if let Some([name, at_a_time]) = options.profile.as_deref() {
        let at_a_time = at_a_time
            .parse()
            .map_err(|_| format!("{at_a_time} is not a number of calls"))?;
        let micros = calls::profile(kind(name)?, at_a_time);
        println!("{micros:.2} µs per call");
        return Ok(());
    }
    let names = run::names();
    let chosen: Vec<&str> = if options.groups.is_empty() {
        names.clone()
    } else {
        options.groups.iter().map(String::as_str).collect()
    };
    if let Some(unknown) = chosen.iter().find(|name| !names.contains(name)) {
        return Err(format!(
            "no group is named {unknown}: there are {}",
            names.join(", ")
        ));
    }
    let effort = if options.quick {
        Effort::QUICK
    } else {
        Effort::WHOLE
    };
    let report = run::run(&chosen, effort);
    for table in &report.tables {
        println!("\n{}\n\n{}", table.title, table.to_markdown());
    }
    if let Some(counts) = &report.counts {
        println!("\n{}\n\n{}", counts.title, counts.to_markdown());
    }
    match &options.docs {
        Some(_) if chosen.len() < names.len() => {
            Err("the page needs a run of all groups: name none of them".to_owned())
        }
        Some(folder) => {
            write(&report, folder).map_err(|error| format!("cannot write the page: {error}"))
        }
        None => Ok(()),
    }
}

fn kind(name: &str) -> Result<Kind, String> {
    Kind::named(name).ok_or_else(|| format!("no client is named {name}"))
}

fn write(report: &Report, folder: &std::path::Path) -> io::Result<()> {
    for plot in &report.plots {
        let path = folder.join(plot.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, plot.to_svg())?;
    }
    fs::write(folder.join("performance.md"), page(report, &machine()))
}
