//! The parts that this program plays in a run, each in a process of its own.

mod caller;
mod effects;
mod executor;
mod holder;
mod migrate;
mod output;
mod proxy;
mod rows;

use std::error::Error;
use std::io;

pub(super) use self::caller::WRONG;
pub(super) use self::effects::STARTED;
pub(super) use self::output::LISTENING;

pub(super) async fn play(role: &str, arguments: &[String]) -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .init();
    match role {
        "caller" => caller::run(arguments).await,
        "effects" => effects::run(arguments).await,
        "executor" => executor::run(arguments).await,
        "holder" => holder::run(arguments).await,
        "migrate" => migrate::run(arguments).await,
        "proxy" => proxy::run(arguments).await,
        "rows" => rows::run(arguments).await,
        _ => Err("there is no such role".into()),
    }
}
