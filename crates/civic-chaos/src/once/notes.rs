//! Files of lines of JSON, to which several processes append, and which survive them.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Appends a line, and waits until it is on the disk: an effect that counts.
pub(super) fn append(path: &Path, note: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(note)?;
    line.push(b'\n');
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    // In one piece: lines of several processes do not mix.
    file.write_all(&line)?;
    file.sync_data()
}

/// Reads all lines. The last one may be cut: its process was killed.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Vec<T>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut notes = Vec::new();
    for line in BufReader::new(file).split(b'\n') {
        if let Ok(note) = serde_json::from_slice(&line?) {
            notes.push(note);
        }
    }
    Ok(notes)
}
