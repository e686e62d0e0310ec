//! The page as a whole.

use std::fmt::Write as _;

use super::reasons::reason;
use super::{Report, Row};

/// Writes the page, for a machine that is described in a line.
#[must_use]
pub fn page(report: &Report, machine: &str) -> String {
    // Writing to a String cannot fail.
    let mut text = String::from(include_str!("introduction.md"));
    let _ = writeln!(text, "\nMeasured on: {machine}.");
    for table in &report.tables {
        let _ = writeln!(text, "\n## {}\n", table.title);
        let _ = writeln!(
            text,
            "`cargo xtask bench {}`. {}\n",
            table.name, table.measure
        );
        text.push_str(&table.to_markdown());
        let missed: Vec<&Row> = table
            .rows
            .iter()
            .filter(|row| row.is_met() == Some(false))
            .collect();
        if !missed.is_empty() {
            text.push('\n');
        }
        for row in missed {
            let why = reason(&row.what, &row.beside)
                .unwrap_or("This was not so in the runs before; run it again on an idle machine.");
            let _ = writeln!(text, "- **{}, beside {}**: {why}", row.what, row.beside);
        }
        for plot in report.plots.iter().filter(|plot| plot.table == table.name) {
            let _ = writeln!(text, "\n![{}]({})", plot.title, plot.path);
        }
    }
    if let Some(counts) = &report.counts {
        let _ = writeln!(text, "\n## {}\n", counts.title);
        let _ = writeln!(
            text,
            "`cargo xtask bench {}`, counted by callgrind: the same on every run.\n",
            counts.name
        );
        text.push_str(&counts.to_markdown());
    }
    text
}
