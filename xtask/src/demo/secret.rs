//! A secret for each demo.

use std::fs::File;
use std::io::Read;

/// 32 random bytes in hexadecimal: a new secret for each demo, never shown.
pub(super) fn new_secret() -> Result<String, String> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| format!("no random bytes: {error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
