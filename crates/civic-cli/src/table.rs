//! Rows for people on a terminal, and JSON for programs.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::output::print;

/// How a list is printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    /// One JSON object per line.
    Json,
    /// A table with a header.
    Table,
}

/// A row that can be printed in both ways.
pub(crate) trait Row: Serialize {
    /// The names of the columns.
    const COLUMNS: &'static [&'static str];

    /// The text of each column.
    fn cells(&self) -> Vec<String>;
}

impl Format {
    /// A table if a person is looking, and JSON otherwise or if it is asked for.
    pub(crate) fn of(json: bool) -> Self {
        if json || !io::stdout().is_terminal() {
            Self::Json
        } else {
            Self::Table
        }
    }

    /// Prints the rows.
    pub(crate) fn print<R: Row>(self, rows: &[R]) -> io::Result<()> {
        match self {
            Self::Json => rows.iter().try_for_each(print),
            Self::Table => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(table(rows).as_bytes())?;
                stdout.flush()
            }
        }
    }
}

/// Lays the rows out in columns that are as wide as their widest cell.
fn table<R: Row>(rows: &[R]) -> String {
    let header = R::COLUMNS
        .iter()
        .map(|column| (*column).to_owned())
        .collect();
    let mut lines: Vec<Vec<String>> = vec![header];
    lines.extend(rows.iter().map(Row::cells));
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|cells| cells.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..R::COLUMNS.len()).map(width).collect();
    let mut text = String::new();
    for cells in &lines {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| {
            let padding = " ".repeat(width - cell.chars().count());
            // What a name contains must not steer the terminal.
            let plain = cell.replace(char::is_control, "?");
            format!("{plain}{padding}")
        });
        let line = padded.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Pair(&'static str, &'static str);

    impl Row for Pair {
        const COLUMNS: &'static [&'static str] = &["NAME", "HOLDER"];

        fn cells(&self) -> Vec<String> {
            vec![self.0.to_owned(), self.1.to_owned()]
        }
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_no_cell_steers_the_terminal() {
        let rows = [Pair("a", "x"), Pair("été-long", "\u{1b}[2J")];
        let lines = "NAME      HOLDER\na         x\nété-long  ?[2J\n";
        assert_eq!(table(&rows), lines);
        assert_eq!(table::<Pair>(&[]), "NAME  HOLDER\n");
    }
}
