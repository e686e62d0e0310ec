//! A replica of a service with rows that keep the fence of their last write: `rows PORT FOLDER`.
//!
//! The rows are in a database that the replicas share, and a write compares as the recipe for SQL
//! says: `UPDATE … SET value = …, fence = $1 WHERE id = … AND fence <= $1`. Here a row is a file,
//! and its lock is what a transaction is there.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, Path, State};
use axum::routing::put;
use civic_lock::layer::{FenceLayer, Fences};
use civic_lock::{LockName, LockService};
use civic_server::{Server, Shutdown};
use http::StatusCode;
use serde_json::json;
use tokio::time::sleep;

use super::output::{LISTENING, print};
use crate::history::monotonic;
use crate::once::facts::fence::Write;
use crate::once::notes;
use crate::random::Random;

/// The time between the check of the layer and the write: at most so many milliseconds.
const ON_THE_WAY_MS: u64 = 40;

pub(super) async fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [port, folder] = arguments else {
        return Err("rows needs a port and a folder".into());
    };
    let app = Router::new()
        .route("/rows/{row}", put(write))
        .with_state(Arc::new(PathBuf::from(folder)))
        .layer(layer(&LockService::from_env()?));
    let server = Server::bind("127.0.0.1", port.parse()?).await?;
    print(&json!({"event": LISTENING}))?;
    server.serve(app, &Shutdown::new()).await?;
    Ok(())
}

/// Fences of the locks of rows are read, and no others.
fn layer(locks: &LockService) -> FenceLayer {
    FenceLayer::new(locks, |_, name: &LockName| {
        name.as_str().starts_with("row-")
    })
}

async fn write(
    State(folder): State<Arc<PathBuf>>,
    Path(row): Path<String>,
    Extension(fences): Extension<Fences>,
) -> StatusCode {
    let Some(fence) = fences.of(&row) else {
        return StatusCode::BAD_REQUEST;
    };
    let mut random = Random::new(fence ^ monotonic());
    sleep(Duration::from_millis(random.between(0, ON_THE_WAY_MS))).await;
    let compared = tokio::task::spawn_blocking(move || compare_and_write(&folder, &row, fence));
    match compared.await {
        Ok(Ok(true)) => StatusCode::NO_CONTENT,
        Ok(Ok(false)) => StatusCode::PRECONDITION_FAILED,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Writes if no larger fence has written before, and returns whether it has.
fn compare_and_write(folder: &std::path::Path, row: &str, fence: u64) -> io::Result<bool> {
    let mut file: File = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(folder.join(format!("{row}.fence")))?;
    file.lock()?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let last: u64 = text.trim().parse().unwrap_or_default();
    let accepted = last <= fence;
    if accepted {
        file.seek(SeekFrom::Start(0))?;
        file.set_len(0)?;
        file.write_all(fence.to_string().as_bytes())?;
    }
    let note = Write {
        row: row.to_owned(),
        fence,
        accepted,
    };
    notes::append(&folder.join("writes.jsonl"), &note)?;
    Ok(accepted)
}
