//! What a reader has to know of the machine.

use std::process::Command;
use std::{fs, thread};

/// Describes this machine and the compiler in a line.
#[must_use]
pub fn machine() -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let model = fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| value(&text, "model name"))
        .unwrap_or_else(|| "an unknown processor".to_owned());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let compiler = Command::new("rustc")
        .arg("--version")
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .unwrap_or_default();
    format!(
        "{cores} cores of {model}, Linux {}, {}",
        kernel.trim(),
        compiler.trim()
    )
}

/// Returns the value after the first `name:` at the start of a line.
fn value(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::{machine, value};

    #[test]
    fn the_machine_is_described_in_a_line() {
        assert_eq!(
            value("processor\t: 0\nmodel name\t: Some CPU\n", "model name").as_deref(),
            Some("Some CPU")
        );
        assert_eq!(machine().lines().count(), 1);
    }
}
