//! Signals to child processes.

use std::io;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// Sends a signal to a child of this process.
///
/// After [`Signal::STOP`] it waits until each thread of the child has stopped: `kill` returns as
/// soon as the signal is under way, and the child may still take a lock or write a line then.
///
/// # Errors
///
/// The error of the system, for example if the process is no child of this one.
pub fn signal(pid: Pid, signal: Signal) -> io::Result<()> {
    kill_process(pid, signal)?;
    if signal == Signal::STOP {
        let states = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(pid), states)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_child_that_was_told_to_stop_has_stopped() {
        let mut child = Command::new("yes")
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("yes is everywhere");
        let pid = Pid::from_child(&child);
        for _ in 0..100 {
            signal(pid, Signal::STOP).expect("a child");
            let stat = format!("/proc/{}/stat", child.id());
            let stat = std::fs::read_to_string(stat).expect("a process");
            assert!(stat.contains(") T "), "{stat}");
            signal(pid, Signal::CONT).expect("a child");
        }
        child.kill().expect("a child");
        child.wait().expect("an end");
    }
}
