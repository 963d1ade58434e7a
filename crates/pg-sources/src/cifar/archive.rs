//! The files of a CIFAR download: a folder, the tar archive it came in (plain or gzip), or one file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use flate2::read::GzDecoder;

use crate::SourceError;
use crate::errors::io_error;

/// Most bytes of one file; CIFAR-100's training set has 155 MB.
const MAX_FILE_BYTES: u64 = 512 << 20;
/// Most bytes of all files together.
const MAX_BYTES: usize = 1 << 30;
/// Most bytes of an archive, unpacked: what is not wanted is still gone through.
const MAX_ARCHIVE_BYTES: u64 = 4 << 30;
/// Most entries of an archive that are looked at.
const MAX_ENTRIES: usize = 10_000;

/// File names, without folders, and contents.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// Reads the training images and the label names; all that is needed of one file for a file.
pub(super) fn read(path: &Path) -> Result<Files, SourceError> {
    if path.is_dir() {
        return read_folder(path, is_training_file);
    }
    let mut head = Vec::new();
    let file = File::open(path).map_err(io_error(path))?;
    (&file).take(512).read_to_end(&mut head).map_err(io_error(path))?;
    let file = BufReader::new(File::open(path).map_err(io_error(path))?);
    if head.starts_with(b"\x1f\x8b") {
        return read_tar(path, GzDecoder::new(file));
    }
    if is_tar(&head) {
        return read_tar(path, file);
    }
    let mut files = match path.parent() {
        Some(folder) if folder.is_dir() => read_folder(folder, is_label_names)?,
        _ => Files::new(),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    files.insert(name, read_limited(path, file, &path.to_string_lossy())?);
    Ok(files)
}

/// True for the first 512 bytes of a tar archive.
pub(crate) fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

pub(crate) fn is_training_batch(name: &str) -> bool {
    let batch = name.strip_prefix("data_batch_").map(|n| n.strip_suffix(".bin").unwrap_or(n));
    batch.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
        || matches!(name, "train" | "train.bin")
}

fn is_label_names(name: &str) -> bool {
    matches!(
        name,
        "batches.meta" | "batches.meta.txt" | "meta" | "fine_label_names.txt" | "coarse_label_names.txt"
    )
}

fn is_training_file(name: &str) -> bool {
    is_training_batch(name) || is_label_names(name)
}

fn read_folder(folder: &Path, wanted: fn(&str) -> bool) -> Result<Files, SourceError> {
    let mut files = Files::new();
    for entry in std::fs::read_dir(folder).map_err(io_error(folder))? {
        let path = entry.map_err(io_error(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if wanted(&name) && path.is_file() {
            let file = File::open(&path).map_err(io_error(&path))?;
            insert(&mut files, &path, name.clone(), read_limited(&path, file, &name)?)?;
        }
    }
    Ok(files)
}

fn read_tar(path: &Path, archive: impl Read) -> Result<Files, SourceError> {
    let failed = |e: std::io::Error| SourceError::Unsupported {
        path: path.to_owned(),
        detail: format!("it is no whole tar archive ({e}); copy it again"),
    };
    let mut files = Files::new();
    let mut archive = tar::Archive::new(archive.take(MAX_ARCHIVE_BYTES));
    // Raw: extensions for long names, which CIFAR's are not, may be of any length.
    for entry in archive.entries().map_err(failed)?.raw(true).take(MAX_ENTRIES) {
        let entry = entry.map_err(failed)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = name.rsplit('/').next().unwrap_or("").to_owned();
        if is_training_file(&name) && entry.header().entry_type().is_file() {
            let declared = entry.size();
            let bytes = read_limited(path, entry, &name)?;
            if bytes.len() as u64 != declared {
                return Err(failed(std::io::Error::other(format!(
                    "{name} has {} of {declared} bytes",
                    bytes.len()
                ))));
            }
            insert(&mut files, path, name, bytes)?;
        }
    }
    Ok(files)
}

fn insert(files: &mut Files, path: &Path, name: String, bytes: Vec<u8>) -> Result<(), SourceError> {
    let total: usize = files.values().map(Vec::len).sum::<usize>() + bytes.len();
    if total > MAX_BYTES {
        return Err(too_large(path, &name, MAX_BYTES as u64));
    }
    files.insert(name, bytes);
    Ok(())
}

fn read_limited(path: &Path, file: impl Read, name: &str) -> Result<Vec<u8>, SourceError> {
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(io_error(path))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(too_large(path, name, MAX_FILE_BYTES));
    }
    Ok(bytes)
}

fn too_large(path: &Path, name: &str, limit: u64) -> SourceError {
    let detail = format!("{name} goes beyond {limit} bytes, CIFAR's files are smaller");
    SourceError::Unsupported { path: path.to_owned(), detail }
}
