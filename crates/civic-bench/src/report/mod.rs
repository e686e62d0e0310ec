//! The results as a page with plots.

mod page;
mod plots;
mod reasons;

use std::fmt::Write as _;

pub use self::page::page;
pub use self::plots::Plot;
use crate::measure::Summary;

/// A line of a table: our side against one other.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What is done.
    pub what: String,
    /// The other side.
    pub beside: String,
    /// Ours divided by the other, round by round.
    pub ratio: Summary,
    /// The median of our side, in `unit`.
    pub ours: f64,
    /// The median of the other side, in `unit`.
    pub theirs: f64,
    /// The unit of both.
    pub unit: &'static str,
    /// The largest ratio that is aimed at.
    pub aim: Option<f64>,
}

/// The rows of one group.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The name on the command line.
    pub name: &'static str,
    /// The heading on the page.
    pub title: &'static str,
    /// What was measured: processor time of a thread, or time.
    pub measure: &'static str,
    /// The lines, in order.
    pub rows: Vec<Row>,
}

/// Everything that a run has measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// The tables, in order.
    pub tables: Vec<Table>,
    /// The plots, in order.
    pub plots: Vec<Plot>,
    /// The instructions of the work in memory, where they could be counted.
    pub counts: Option<Counts>,
}

/// The instructions that our side of each piece of work takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Counts {
    /// The name on the command line.
    pub name: &'static str,
    /// The heading on the page.
    pub title: &'static str,
    /// The names of the pieces, and their instructions.
    pub pieces: Vec<(String, f64)>,
}

impl Row {
    /// Returns whether the aim is met, if there is one.
    #[must_use]
    pub fn is_met(&self) -> Option<bool> {
        self.aim.map(|aim| self.ratio.median <= aim)
    }

    fn verdict(&self) -> String {
        match (self.aim, self.is_met()) {
            (Some(aim), Some(true)) => format!("{aim:.2}: met"),
            (Some(aim), _) => format!("{aim:.2}: not met"),
            (None, _) => "–".to_owned(),
        }
    }
}

impl Table {
    /// Returns the table as Markdown, ratios first.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = String::from(
            "| what | beside | ratio | of the rounds | ours | theirs | aim |\n\
             |---|---|---:|---:|---:|---:|---:|\n",
        );
        for row in &self.rows {
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "| {} | {} | **{:.2}** | {:.2} to {:.2} | {} | {} | {} |",
                row.what,
                row.beside,
                row.ratio.median,
                row.ratio.least,
                row.ratio.most,
                amount(row.ours, row.unit),
                amount(row.theirs, row.unit),
                row.verdict(),
            );
        }
        text
    }
}

impl Counts {
    /// Returns the counts as Markdown.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = String::from("| what | instructions |\n|---|---:|\n");
        for (piece, count) in &self.pieces {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "| {piece} | {count:.0} |");
        }
        text
    }
}

/// Writes an amount with three digits.
fn amount(value: f64, unit: &str) -> String {
    let (value, unit) = match unit {
        "ns" if value >= 1e6 => (value / 1e6, "ms"),
        "ns" if value >= 1e3 => (value / 1e3, "µs"),
        "µs" if value >= 1e3 => (value / 1e3, "ms"),
        unit => (value, unit),
    };
    if value >= 100.0 {
        format!("{value:.0} {unit}")
    } else if value >= 10.0 {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.2} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(median: f64, aim: Option<f64>) -> Row {
        Row {
            what: "mint".into(),
            beside: "HMAC".into(),
            ratio: Summary {
                median,
                least: 1.4,
                most: 1.6,
            },
            ours: 1_234.0,
            theirs: 822.6,
            unit: "ns",
            aim,
        }
    }

    #[test]
    fn a_row_says_whether_its_aim_is_met() {
        let table = Table {
            name: "tokens",
            title: "Tokens",
            measure: "",
            rows: vec![row(1.5, Some(1.5)), row(1.51, Some(1.5)), row(1.0, None)],
        };
        let text = table.to_markdown();
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            lines[0],
            "| mint | HMAC | **1.50** | 1.40 to 1.60 | 1.23 µs | 823 ns | 1.50: met |"
        );
        assert!(lines[1].ends_with("1.50: not met |"), "{}", lines[1]);
        assert!(lines[2].ends_with("– |"), "{}", lines[2]);
    }
}
