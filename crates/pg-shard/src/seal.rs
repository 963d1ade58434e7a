//! `dataset.blake3`: checksums of the files that the manifest cannot hold those of, itself among them.

use std::fs;
use std::path::Path;

use crate::ShardError;
use crate::files_on_disk::write_bytes;
use crate::format::{FAILED_FILE, MANIFEST_FILE, MAX_MANIFEST_BYTES, SEAL_FILE};
use crate::verify::{Damage, DamageKind};

/// Digits that a checksum must share with that of the content for a fault of the seal itself: of 64
/// random ones four agree.
const DIGITS_OF_A_DAMAGED_SEAL: usize = 48;

/// Writes the seal over the texts of manifest and `failed.jsonl`.
pub(crate) fn write(folder: &Path, manifest: &[u8], failed: Option<&[u8]>) -> Result<(), ShardError> {
    let mut text = line(MANIFEST_FILE, manifest);
    if let Some(failed) = failed {
        text += &line(FAILED_FILE, failed);
    }
    write_bytes(&folder.join(SEAL_FILE), text.as_bytes())
}

fn line(name: &str, content: &[u8]) -> String {
    format!("{}  {name}\n", blake3::hash(content).to_hex())
}

/// Compares `dataset.json` and `failed.jsonl` with the seal; what is damaged, the seal itself included.
///
/// # Errors
/// [`ShardError::NotADataset`] without `dataset.json`; [`ShardError::Io`] when it cannot be read.
pub fn check_seal(folder: &Path) -> Result<Vec<Damage>, ShardError> {
    let path = folder.join(MANIFEST_FILE);
    if !path.is_file() {
        return Err(ShardError::NotADataset { path: folder.to_owned() });
    }
    let manifest = read(&path).map_err(|source| ShardError::Io { action: "read", path, source })?;
    let damage = |name: &str, kind| Damage { path: name.to_owned(), kind, images: 0..0, known: None };
    let failed = read(&folder.join(FAILED_FILE)).ok();
    let Ok(seal) = read(&folder.join(SEAL_FILE)) else {
        return Ok(vec![damage(SEAL_FILE, DamageKind::Missing)]);
    };
    let Some(sealed) = parse(&seal) else { return Ok(vec![damage(SEAL_FILE, DamageKind::Content)]) };
    let mut found = Vec::new();
    let contents = [(MANIFEST_FILE, Some(manifest)), (FAILED_FILE, failed)];
    for ((name, content), expected) in contents.into_iter().zip(sealed) {
        match (content, expected) {
            (None, None) => {}
            (None, Some(_)) => found.push(damage(name, DamageKind::Missing)),
            (Some(_), None) => found.push(damage(name, DamageKind::Unexpected)),
            (Some(content), Some(expected)) => {
                let actual = blake3::hash(&content).to_hex();
                let agreeing = actual.bytes().zip(expected.bytes()).filter(|(a, b)| a == b).count();
                match agreeing {
                    64 => {}
                    DIGITS_OF_A_DAMAGED_SEAL.. => found.push(damage(SEAL_FILE, DamageKind::Content)),
                    _ => found.push(damage(name, DamageKind::Content)),
                }
            }
        }
    }
    Ok(found)
}

/// Writes the seal anew over what is there: only for one that [`check_seal`] found damaged itself.
///
/// # Errors
/// [`ShardError::Io`].
pub fn renew_seal(folder: &Path) -> Result<(), ShardError> {
    let path = folder.join(MANIFEST_FILE);
    let manifest = read(&path).map_err(|source| ShardError::Io { action: "read", path, source })?;
    write(folder, &manifest, read(&folder.join(FAILED_FILE)).ok().as_deref())
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > MAX_MANIFEST_BYTES {
        return Err(std::io::Error::from(std::io::ErrorKind::FileTooLarge));
    }
    fs::read(path)
}

/// The checksums of manifest and failures that a well-formed seal holds.
fn parse(seal: &[u8]) -> Option<[Option<String>; 2]> {
    let text = std::str::from_utf8(seal).ok()?;
    let mut lines = text.split_inclusive('\n');
    let manifest = checksum(lines.next()?, MANIFEST_FILE)?;
    let failed = match lines.next() {
        Some(line) => Some(checksum(line, FAILED_FILE)?),
        None => None,
    };
    lines.next().is_none().then_some([Some(manifest), failed])
}

fn checksum(line: &str, name: &str) -> Option<String> {
    let (hex, found) = line.strip_suffix('\n')?.split_once("  ")?;
    (hex.len() == 64 && found == name).then(|| hex.to_owned())
}
