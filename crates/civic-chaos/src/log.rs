//! The file of a history.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::history::{Record, What, monotonic};

/// Keeps the records, and writes each to a file at once, so that they survive a crash of the
/// driver. Clones share the records.
#[derive(Clone, Debug)]
pub(crate) struct Log(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    records: Vec<Record>,
    file: BufWriter<File>,
}

impl Log {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(Inner {
            records: Vec::new(),
            file: BufWriter::new(File::create(path)?),
        }))))
    }

    pub(crate) fn now(&self, what: What) {
        self.at(monotonic(), what);
    }

    pub(crate) fn at(&self, at: u64, what: What) {
        let record = Record { at, what };
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The file is for readers and for `--check`; the verdict does not depend on it.
        if serde_json::to_writer(&mut inner.file, &record).is_ok() {
            let _ = inner.file.write_all(b"\n");
        }
        inner.records.push(record);
    }

    /// Returns all records so far, in order.
    pub(crate) fn records(&self) -> Vec<Record> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = inner.file.flush();
        let mut records = inner.records.clone();
        drop(inner);
        records.sort_by_key(|record| record.at);
        records
    }
}

/// Reads the file of a [`Log`]. The last line may be cut: its driver was stopped.
pub(crate) fn read(path: &Path) -> io::Result<Vec<Record>> {
    let wrong = |reason: String| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{}: {reason}", path.display()),
        )
    };
    let file = File::open(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    let lines = BufReader::new(file)
        .lines()
        .collect::<io::Result<Vec<_>>>()?;
    let mut records = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        match serde_json::from_str(line) {
            Ok(record) => records.push(record),
            Err(_) if index + 1 == lines.len() => {}
            Err(error) => return Err(wrong(format!("line {} is no record: {error}", index + 1))),
        }
    }
    if records.is_empty() {
        return Err(wrong("there is no record in it".to_owned()));
    }
    records.sort_by_key(|record: &Record| record.at);
    Ok(records)
}
