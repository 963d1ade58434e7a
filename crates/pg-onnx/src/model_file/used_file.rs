//! A file that sessions of a model read: its ONNX file, or one beside it that holds weights.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::external_tensors::ExternalTensor;
use super::hexadecimal::hex;
use crate::OnnxError;

/// Bytes that are in memory at once.
const CHUNK_BYTES: usize = 1 << 20;

/// A file, as it was when it was hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UsedFile {
    path: PathBuf,
    state: FileState,
}

/// What changes when a file is written again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileState {
    length_bytes: u64,
    modified: Option<SystemTime>,
}

impl FileState {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self { length_bytes: metadata.len(), modified: metadata.modified().ok() }
    }
}

impl UsedFile {
    pub(super) fn new(path: &Path, state: FileState) -> Self {
        Self { path: path.to_owned(), state }
    }

    /// Adds the bytes at `location` that `tensors` refer to to `identity`.
    pub(super) fn hash(
        model: &Path,
        location: &str,
        tensors: &[ExternalTensor],
        identity: &mut Sha256,
    ) -> Result<Self, OnnxError> {
        let folder = model.parent().unwrap_or(Path::new(""));
        let path = folder.join(location);
        let unreadable =
            |source| OnnxError::WeightsUnreadable { path: path.clone(), model: model.to_owned(), source };
        let metadata = fs::metadata(&path).map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(unreadable(io::Error::other("it is not a file")));
        }
        if !leads_inside(model, &path).map_err(unreadable)? {
            return Err(OnnxError::WeightsOutside { path: model.to_owned(), location: location.to_owned() });
        }
        let mut file = File::open(&path).map_err(unreadable)?;
        let state = FileState::of(&file.metadata().map_err(unreadable)?);
        let ranges = ranges(tensors, state.length_bytes).map_err(|tensor| OnnxError::WeightsTooShort {
            path: path.clone(),
            model: model.to_owned(),
            tensor: tensor.name.clone(),
            end_bytes: tensor.offset.saturating_add(tensor.length.unwrap_or(0)),
            length_bytes: state.length_bytes,
        })?;
        let said = tensors.iter().find_map(|tensor| tensor.sha1.as_deref());
        let sha1 = hash_ranges(&mut file, &ranges, identity, said.is_some()).map_err(unreadable)?;
        let other = tensors.iter().filter_map(|tensor| tensor.sha1.as_ref()).find(|&said| *said != sha1);
        if let Some(said) = other {
            return Err(OnnxError::WeightsChecksum {
                path,
                model: model.to_owned(),
                expected: said.clone(),
                actual: sha1,
            });
        }
        Ok(Self { path, state })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses a file that was written again since it was hashed.
    pub(super) fn check_unchanged(&self) -> Result<(), OnnxError> {
        let now = fs::metadata(&self.path).ok().map(|metadata| FileState::of(&metadata));
        if now.as_ref() == Some(&self.state) {
            return Ok(());
        }
        Err(OnnxError::Changed { path: self.path.clone() })
    }
}

/// Whether `file` lies where the model does once links are followed: below its folder, or below that of the file that
/// the model is a link to.
fn leads_inside(model: &Path, file: &Path) -> io::Result<bool> {
    let file = file.canonicalize()?;
    let folder = match model.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.canonicalize()?,
        _ => Path::new(".").canonicalize()?,
    };
    let linked = model.canonicalize()?;
    Ok(file.starts_with(folder) || linked.parent().is_some_and(|folder| file.starts_with(folder)))
}

/// Offset and end of what `tensors` refer to in a file of `length_bytes`: ascending, merged where they touch. The
/// error is a tensor beyond the end.
fn ranges(tensors: &[ExternalTensor], length_bytes: u64) -> Result<Vec<(u64, u64)>, &ExternalTensor> {
    let mut all = Vec::with_capacity(tensors.len());
    for tensor in tensors {
        let end = match tensor.length {
            Some(length) => tensor.offset.checked_add(length).ok_or(tensor)?,
            None => length_bytes,
        };
        if end > length_bytes || tensor.offset > length_bytes {
            return Err(tensor);
        }
        all.push(if tensor.says_more { (0, length_bytes) } else { (tensor.offset, end) });
    }
    all.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for (start, end) in all {
        match merged.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    Ok(merged)
}

/// Adds `ranges` of `file` to `identity`, and gives the SHA-1 of the whole file if it is `asked` for. The file is read
/// once, from its beginning on.
fn hash_ranges(
    file: &mut File,
    ranges: &[(u64, u64)],
    identity: &mut Sha256,
    asked: bool,
) -> io::Result<String> {
    let length_bytes = file.metadata()?.len();
    let mut sha1 = Sha1::new();
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut at = 0_u64;
    identity.update((ranges.len() as u64).to_le_bytes());
    let mut read_to = |end: u64, mut hashed: Option<&mut Sha256>| -> io::Result<()> {
        if hashed.is_none() && !asked {
            at = file.seek(SeekFrom::Start(end))?;
        }
        while at < end {
            let count = (end - at).min(CHUNK_BYTES as u64) as usize;
            let chunk = &mut buffer[..count];
            file.read_exact(chunk)?;
            if asked {
                sha1.update(&*chunk);
            }
            if let Some(hashed) = hashed.as_deref_mut() {
                hashed.update(&*chunk);
            }
            at += count as u64;
        }
        Ok(())
    };
    for &(start, end) in ranges {
        identity.update(start.to_le_bytes());
        identity.update((end - start).to_le_bytes());
        read_to(start, None)?;
        read_to(end, Some(identity))?;
    }
    if asked {
        read_to(length_bytes, None)?;
    }
    Ok(hex(&sha1.finalize()))
}
