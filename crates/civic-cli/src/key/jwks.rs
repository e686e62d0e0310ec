//! The public keys of files and variables, as one set.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use civic_auth::{ConfigError, KeyFile, KeySet, KeySource as _, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use crate::start_error::StartError;

/// Reads the public keys of files (`[ID=]FILE`) and of variables (`ID=VARIABLE`).
pub(super) fn read(files: &[String], variables: &[String]) -> Result<KeySet, StartError> {
    let mut keys = Vec::new();
    for argument in files {
        let (id, path) = match argument.split_once('=') {
            Some((id, path)) if !Path::new(argument).exists() => (Some(id), path),
            _ => (None, argument.as_str()),
        };
        let found = of_file(id, path);
        keys.extend(found.map_err(|error| StartError::Config(format!("{path}: {error}")))?);
    }
    for argument in variables {
        let Some((id, variable)) = argument.split_once('=') else {
            return Err(StartError::Config(format!(
                "--env {argument} does not name the id of its key: write ID=VARIABLE"
            )));
        };
        let key = SigningKey::from_env(variable).and_then(|key| key.with_id(id));
        let key = key.map_err(|error| StartError::refused(&error))?;
        keys.extend(key.public_key());
    }
    keys.retain(|key: &VerifyingKey| key.to_jwk().is_some());
    if keys.is_empty() {
        return Err(StartError::Config(
            "there is no public key to print: a shared secret has none".to_owned(),
        ));
    }
    let mut ids = BTreeSet::new();
    if let Some(twice) = keys
        .iter()
        .filter_map(VerifyingKey::id)
        .find(|id| !ids.insert(*id))
    {
        return Err(StartError::Config(format!(
            "two keys have the id {twice}: give each another one, as ID=FILE"
        )));
    }
    Ok(keys.into_iter().collect())
}

fn of_file(id: Option<&str>, path: &str) -> Result<Vec<VerifyingKey>, ConfigError> {
    let pem = fs::read_to_string(path).map(Zeroizing::new);
    let key = match pem {
        Ok(pem) if pem.contains("-----BEGIN PUBLIC KEY-----") => VerifyingKey::from_pem(&pem)?,
        Ok(pem) if pem.contains("-----BEGIN") => {
            let key = SigningKey::from_pem(&pem)?;
            match key.public_key() {
                Some(public) => public,
                None => return Ok(Vec::new()),
            }
        }
        Ok(_) | Err(_) => {
            let keys = KeyFile::open(path)?.current();
            return Ok(keys.iter().flat_map(|keys| keys.iter()).cloned().collect());
        }
    };
    let name = Path::new(path).file_name().and_then(|name| name.to_str());
    let stem = name.and_then(|name| name.split('.').next());
    match id.or(stem) {
        Some(id) => Ok(vec![key.with_id(id)?]),
        None => Ok(vec![key]),
    }
}
