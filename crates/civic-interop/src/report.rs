//! Which promises were kept, and what was seen.

use std::fmt::Display;
use std::time::Instant;

/// The promises that were checked so far.
#[derive(Debug)]
pub(crate) struct Report {
    began: Instant,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    peers: String,
    check: &'static str,
    promise: String,
    kept: bool,
    seen: String,
}

// ===== impl Report =====

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            rows: Vec::new(),
        }
    }

    /// Says whether a promise was kept, and what was seen.
    pub(crate) fn row(
        &mut self,
        peers: &str,
        check: &'static str,
        promise: &str,
        kept: bool,
        seen: impl Display,
    ) {
        let seen = seen.to_string();
        let mark = if kept { '✓' } else { '✗' };
        println!("   {mark} {promise}\n      {}", indented(&seen));
        self.rows.push(Row {
            peers: peers.to_owned(),
            check,
            promise: promise.to_owned(),
            kept,
            seen,
        });
    }

    /// Whether something was checked, and all of it was kept.
    pub(crate) fn is_kept(&self) -> bool {
        !self.rows.is_empty() && self.rows.iter().all(|row| row.kept)
    }

    /// Prints the table of results.
    pub(crate) fn print(&self) {
        print!("{}", self.table());
        let broken = self.rows.iter().filter(|row| !row.kept).count();
        println!(
            "\n{} of {} promises were kept, in {:.1} s",
            self.rows.len() - broken,
            self.rows.len(),
            self.began.elapsed().as_secs_f64()
        );
    }

    fn table(&self) -> String {
        let mut table =
            String::from("\n| peers | check | promise | result | seen |\n|---|---|---|---|---|\n");
        for row in &self.rows {
            let result = if row.kept { "kept" } else { "BROKEN" };
            let seen = row.seen.lines().next().unwrap_or_default();
            table.push_str(&format!(
                "| {} | {} | {} | {result} | {} |\n",
                row.peers,
                row.check,
                row.promise,
                seen.replace('|', "\\|")
            ));
        }
        table
    }
}

fn indented(text: &str) -> String {
    text.replace('\n', "\n      ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_broken_promise_breaks_the_run_and_is_named_in_the_table() {
        let mut report = Report::new();
        report.row("NestJS 11", "tokens", "first", true, "3 tokens");
        assert!(report.is_kept());
        report.row("NestJS 11", "tokens", "second", false, "a|b\nmore");
        assert!(!report.is_kept());
        let table = report.table();
        assert!(
            table.contains("| NestJS 11 | tokens | first | kept | 3 tokens |\n"),
            "{table}"
        );
        assert!(table.contains("| second | BROKEN | a\\|b |\n"), "{table}");
    }

    #[test]
    fn a_run_that_checked_nothing_has_kept_nothing() {
        assert!(!Report::new().is_kept());
    }
}
