//! Checking a dataset's files against the checksums of its manifest.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use crate::dataset::check_length;
use crate::files_on_disk::length_and_blake3;
use crate::format::shard_path;
use crate::{FileEntry, Level, Manifest, ShardError};

/// A file that is not what the manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Path below the dataset folder.
    pub path: String,
    /// What is wrong.
    pub kind: DamageKind,
    /// Indices of the images that the file holds data of.
    pub images: Range<u64>,
    /// Indices of exactly the images that are hit, where that is known: where images are compressed each
    /// has a checksum of its own.
    pub known: Option<Vec<u64>>,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DamageKind {
    /// It is not there.
    Missing,
    /// It is shorter or longer.
    Length {
        /// Bytes by the manifest.
        expected: u64,
        /// Bytes found.
        found: u64,
    },
    /// Its bytes have another BLAKE3.
    Content,
    /// It should not be there.
    Unexpected,
    /// It could not be read.
    Unreadable(String),
}

impl fmt::Display for DamageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::Length { expected, found } => write!(f, "{found} bytes, expected {expected}"),
            Self::Content => f.write_str("content changed (checksum differs)"),
            Self::Unexpected => f.write_str("not expected to be there"),
            Self::Unreadable(reason) => write!(f, "cannot be read: {reason}"),
        }
    }
}

/// Reads `file` of the dataset in `folder` whole and compares length and BLAKE3; `None` when intact.
#[must_use]
pub fn check_file(folder: &Path, manifest: &Manifest, file: &FileEntry) -> Option<Damage> {
    let kind = match check_length(folder, file) {
        Err(ShardError::Missing { .. }) => DamageKind::Missing,
        Err(ShardError::FileLength { expected, found, .. }) => DamageKind::Length { expected, found },
        Err(error) => DamageKind::Unreadable(error.to_string()),
        Ok(()) => match length_and_blake3(&folder.join(&file.path)) {
            Ok((_, blake3)) if blake3 == file.blake3 => return None,
            Ok(_) => DamageKind::Content,
            Err(error) => DamageKind::Unreadable(error.to_string()),
        },
    };
    let known = (kind == DamageKind::Content).then(|| damaged_images(folder, manifest, &file.path)).flatten();
    Some(Damage { path: file.path.clone(), kind, images: manifest.images_in_file(&file.path), known })
}

/// The images of a compressed level's file that do not decode; `None` where that cannot be told.
fn damaged_images(folder: &Path, manifest: &Manifest, path: &str) -> Option<Vec<u64>> {
    let number = Manifest::shard_of_file(path)?;
    let levels = manifest.levels();
    let resolution = levels.into_iter().find(|&r| shard_path(r, number) == path)?;
    if !manifest.codec.compresses(resolution) {
        return None;
    }
    let level = Level::open_shard(folder, manifest, resolution, number).ok()?;
    let first = manifest.images_in_file(path).start;
    let damaged = (0..level.len()).filter(|&i| level.image(i).is_err()).map(|i| first + i as u64);
    Some(damaged.collect())
}
