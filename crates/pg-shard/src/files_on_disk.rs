//! Files of a dataset, written whole or not at all, and their checksums.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use pg_image::files::write_atomically;
use serde::Serialize;

use crate::ShardError;

/// Writes indented JSON with a final newline, atomically.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), ShardError> {
    write_bytes(path, &json_text(path, value)?)
}

/// The bytes that [`write_json`] writes to `path`.
pub(crate) fn json_text(path: &Path, value: &impl Serialize) -> Result<Vec<u8>, ShardError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|e| ShardError::Io {
        action: "write",
        path: path.to_owned(),
        source: e.into(),
    })?;
    text.push(b'\n');
    Ok(text)
}

pub(crate) fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), ShardError> {
    write_atomically(path, |file| file.write_all(bytes)).map_err(|source| ShardError::Io {
        action: "write",
        path: path.to_owned(),
        source,
    })
}

/// Length and hexadecimal BLAKE3 of the file at `path`.
pub(crate) fn length_and_blake3(path: &Path) -> Result<(u64, String), ShardError> {
    let read = || -> io::Result<(u64, String)> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(path)?)?;
        Ok((hasher.count(), hasher.finalize().to_hex().to_string()))
    };
    read().map_err(|source| ShardError::Io { action: "read", path: path.to_owned(), source })
}
