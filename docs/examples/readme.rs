//! The three programs of the README, started as their reader starts them.
//!
//! ```sh
//! cargo run --package civic-docs --example readme
//! ```
//!
//! `build.rs` takes them from the README. They are as they are shown there, but for the port, which
//! has to be free. It prints:
//!
//! ```text
//! roll: listens
//! client: prop-001 is assessed at 500000
//! job 1 and job 2: … charging R-2 with fence …
//! each tick ran on one of the two
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than it takes on any machine; no wait is this long where the programs work.
const TIMEOUT: Duration = Duration::from_secs(60);

mod roll {
    include!(concat!(env!("OUT_DIR"), "/readme_roll.rs"));
}

mod client {
    include!(concat!(env!("OUT_DIR"), "/readme_client.rs"));
}

mod job {
    include!(concat!(env!("OUT_DIR"), "/readme_job.rs"));
}

/// One of the programs. Killed when it is dropped.
struct Program(Child);

impl Program {
    /// Starts this executable once more, as the program of this name.
    fn start(name: &str) -> Result<Self, Box<dyn Error>> {
        let child = Command::new(std::env::current_exe()?)
            .arg(name)
            .env("JWT_SECRET", "what `openssl rand -hex 32` has printed")
            .env(
                "ASSESSMENT_ROLL_URL",
                format!("http://localhost:{}", port()),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self(child))
    }

    /// Sends on each line that it prints.
    fn lines(&mut self) -> Result<Receiver<String>, Box<dyn Error>> {
        let stdout = self.0.stdout.take().ok_or("stdout is a pipe")?;
        let (sender, receiver) = channel();
        thread::spawn(move || {
            let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.try_for_each(|line| sender.send(line))
        });
        Ok(receiver)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The port that stands in place of the one of the README.
fn port() -> &'static str {
    env!("README_PORT")
}

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        Some("roll") => roll::run(),
        Some("client") => client::run(),
        Some("job") => job::run(),
        _ => play(),
    }
}

fn play() -> Result<(), Box<dyn Error>> {
    let _roll = Program::start("roll")?;
    let begun = Instant::now();
    while TcpStream::connect(format!("127.0.0.1:{}", port())).is_err() {
        if begun.elapsed() > TIMEOUT {
            return Err("the server of the README does not listen".into());
        }
        thread::sleep(Duration::from_millis(50));
    }
    println!("roll: listens");

    let mut client = Program::start("client")?;
    let said = client.lines()?.recv_timeout(TIMEOUT)?;
    println!("client: {said}");

    let mut jobs = [Program::start("job")?, Program::start("job")?];
    let (sender, lines) = channel();
    for (number, job) in jobs.iter_mut().enumerate() {
        let (lines, sender) = (job.lines()?, sender.clone());
        thread::spawn(move || {
            lines
                .iter()
                .try_for_each(|line| sender.send((number + 1, line)))
        });
    }
    // Which of the two has begun a tick, by the tick.
    let mut ticks: BTreeMap<String, usize> = BTreeMap::new();
    loop {
        let (number, line) = lines.recv_timeout(TIMEOUT)?;
        let Some((tick, _)) = line.split_once(": charging ") else {
            continue;
        };
        if *ticks.entry(tick.to_owned()).or_insert(number) != number {
            return Err(format!("both have run the tick {tick}").into());
        }
        if line.contains("R-2") && ticks.len() == 2 {
            println!("job 1 and job 2: {line}");
            break;
        }
    }
    println!("each tick ran on one of the two");
    Ok(())
}
