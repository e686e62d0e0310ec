//! Ending processes with all that they started.

use std::process::{Command, Stdio};

/// Ends a process and what it started.
///
/// All are stopped before the first is killed: one that runs could start another unseen, and the
/// children of one that is gone are no longer known as its.
pub(crate) fn end_family(process: u32) {
    let mut stopped = Vec::new();
    let mut running = vec![process];
    while !running.is_empty() {
        signal("STOP", &running);
        stopped.append(&mut running);
        running = descendants(process);
        running.retain(|process| !stopped.contains(process));
    }
    signal("KILL", &stopped);
}

/// Asks a process to end as Ctrl-C does.
pub(crate) fn interrupt(process: u32) {
    signal("INT", &[process]);
}

/// Sends a signal with the shell's own `kill`: not every machine has a program of that name.
fn signal(name: &str, processes: &[u32]) {
    let processes: Vec<String> = processes.iter().map(u32::to_string).collect();
    let _ = Command::new("sh")
        .args(["-c", &format!("kill -{name} {}", processes.join(" "))])
        .stderr(Stdio::null())
        .status();
}

/// The processes that a process started, and those that they started.
fn descendants(process: u32) -> Vec<u32> {
    let parents = parents();
    let mut found = vec![process];
    let mut at = 0;
    while at < found.len() {
        let parent = found[at];
        found.extend(
            parents
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(child, _)| *child),
        );
        at += 1;
    }
    found.split_off(1)
}

/// Every process and its parent: from `/proc` where there is one, else from `ps`.
fn parents() -> Vec<(u32, u32)> {
    if let Ok(entries) = std::fs::read_dir("/proc") {
        return entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let process = entry.file_name().to_str()?.parse().ok()?;
                let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
                // The name, in parentheses, may hold anything: state and parent follow it.
                let (_, rest) = stat.rsplit_once(')')?;
                Some((process, rest.split_whitespace().nth(1)?.parse().ok()?))
            })
            .collect();
    }
    let Ok(listed) = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output() else {
        return Vec::new();
    };
    String::from_utf8_lossy(&listed.stdout)
        .lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        })
        .collect()
}
