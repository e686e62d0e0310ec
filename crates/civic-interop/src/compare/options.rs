//! The command line of `--compare`.

use std::path::PathBuf;

use clap::Parser;

use super::differences::Values;
use super::target::Target;

/// Replays reads against a Node service and the Rust service that takes its place, and reports
/// every difference. Exits with 1 if there is one.
///
/// `CIVIC_TOKEN` is the token of the reads. Without it, a service token is minted for each read
/// from `JWT_SECRET`.
#[derive(Debug, Parser)]
#[command(name = "civic-interop", bin_name = "cargo xtask interop")]
pub(crate) struct CompareOptions {
    /// The two services, such as http://localhost:3020: the Node one, then the Rust one.
    #[arg(long, num_args = 2, value_names = ["NODE_URL", "RUST_URL"], required = true)]
    compare: Vec<String>,
    /// A file with one path per line. Defaults to the reads of the example fleet's assessment roll.
    #[arg(long, value_name = "FILE")]
    pub(crate) reads: Option<PathBuf>,
    /// Print the values that differ. They may be about a person.
    #[arg(long)]
    show_values: bool,
}

// ===== impl CompareOptions =====

impl CompareOptions {
    /// Whether the program is to compare two services, and not to run the checks.
    pub(crate) fn are_asked_for() -> bool {
        std::env::args().any(|argument| argument == "--compare")
    }

    pub(super) fn targets(&self) -> Result<[Target; 2], String> {
        match &self.compare[..] {
            [node, rust] => Ok([Target::parse(node)?, Target::parse(rust)?]),
            _ => Err("--compare needs two URLs: the Node service, then the Rust service".into()),
        }
    }

    pub(super) fn values(&self) -> Values {
        match self.show_values {
            true => Values::Shown,
            false => Values::Described,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<CompareOptions, clap::Error> {
        CompareOptions::try_parse_from(["civic-interop"].into_iter().chain(words.split(' ')))
    }

    #[test]
    fn two_urls_are_needed_and_values_are_described_unless_they_are_asked_for() {
        let options = parse("--compare http://a:1 http://b:2").expect("valid");
        assert_eq!(options.values(), Values::Described);
        assert!(options.targets().is_ok());
        let options = parse("--compare http://a:1 http://b:2 --show-values").expect("valid");
        assert_eq!(options.values(), Values::Shown);
        assert!(parse("--compare http://a:1").is_err());
        assert!(parse("--reads file").is_err());
    }
}
