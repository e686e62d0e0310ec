//! `civic once show`.

use std::io::{self, Write};
use std::process::ExitCode;

use civic_lock::{Admin, OnceKey, OnceRecord};

use crate::once::list::OnceRow;
use crate::start_error::StartError;
use crate::table::Format;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The key of the execution, without the prefix of its lock.
    key: OnceKey,
    /// Print the recorded result and nothing else, as it is. It may be about people.
    #[arg(long, conflicts_with = "json")]
    result: bool,
    /// Print JSON even on a terminal.
    #[arg(long)]
    json: bool,
}

/// Prints one execution, or its result. The exit code is 1 if there is none.
pub(super) async fn run(admin: &Admin, args: Args) -> Result<ExitCode, StartError> {
    if args.result {
        let record = admin.once_result(&args.key).await?;
        let Some(record) = record.filter(OnceRecord::has_result) else {
            return Ok(ExitCode::FAILURE);
        };
        let mut stdout = io::stdout().lock();
        stdout.write_all(record.result())?;
        stdout.flush()?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(status) = admin.once(&args.key).await? else {
        return Ok(ExitCode::FAILURE);
    };
    Format::of(args.json).print(&[OnceRow::of(&status)])?;
    Ok(ExitCode::SUCCESS)
}
