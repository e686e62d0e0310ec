//! A list that is shown again and again.

use std::io::{self, Write};
use std::time::Duration;

use crate::start_error::StartError;
use crate::table::{Format, Row};

/// What lists have in common.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Print JSON even on a terminal.
    #[arg(long)]
    json: bool,
    /// Show the list again every SECONDS, until the command is interrupted.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2",
          value_parser = clap::value_parser!(u64).range(1..))]
    watch: Option<u64>,
}

impl Options {
    pub(crate) fn format(self) -> Format {
        Format::of(self.json)
    }

    /// Prints the list, again and again if that was asked for.
    ///
    /// # Errors
    ///
    /// Fails if the list cannot be read. A list that is watched is read again instead.
    pub(crate) async fn show<R: Row>(
        self,
        list: impl AsyncFn() -> Result<Vec<R>, StartError>,
    ) -> Result<(), StartError> {
        let format = self.format();
        let Some(seconds) = self.watch else {
            format.print(&list().await?)?;
            return Ok(());
        };
        loop {
            let rows = list().await;
            if format == Format::Table {
                // Clear the screen, and begin at its top.
                write!(io::stdout().lock(), "\u{1b}[2J\u{1b}[H")?;
            }
            match rows {
                Ok(rows) => format.print(&rows)?,
                Err(error) => eprintln!("civic: {error}"),
            }
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
    }
}
