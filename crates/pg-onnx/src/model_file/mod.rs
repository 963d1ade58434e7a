//! A model as it lies on the disk: its ONNX file and the files that hold its weights, read and hashed once.

mod external_tensors;
mod hexadecimal;
mod used_file;
mod wire_format;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use self::external_tensors::{ExternalTensor, WalkError, external_tensors};
use self::hexadecimal::hex;
use self::used_file::{FileState, UsedFile};
use crate::OnnxError;

/// What the identity of a model with weights outside begins with, so that it is no hash of anything else.
const IDENTITY: &[u8] = b"pgkit: ONNX file with weights outside, 1\n";
/// The length of a protocol buffer, the format of ONNX files, has 31 bits.
const LONGEST_FILE_BYTES: u64 = (1 << 31) - 1;
/// The mark of ONNX Runtime's own format, behind the first four bytes.
const ORT_FORMAT: &[u8] = b"ORTM";

/// A model's file, in memory, with the identity of the network in it. Cheap to clone.
///
/// The identity of a model that has all its weights in its one file is the SHA-256 of that file. ONNX lets weights lie
/// in files beside it (`torch.onnx.export` writes `NAME.onnx.data`). The identity is then the SHA-256 over, in this
/// order and without separators:
///
/// 1. the text `pgkit: ONNX file with weights outside, 1` and a line feed
/// 2. the SHA-256 of the ONNX file, 32 bytes
/// 3. for each file of weights, sorted by location: the length of the location, the location as the ONNX file has it
///    (without `.` parts), the number of ranges of bytes that tensors refer to, and for each range, ascending and
///    merged where they touch, its offset, its length and its bytes
///
/// Numbers are 64-bit, little-endian. Where the files lie, and what else is in them, is of no effect.
#[derive(Debug, Clone)]
pub struct ModelFile {
    path: PathBuf,
    bytes: Arc<Vec<u8>>,
    sha256: Arc<str>,
    /// The ONNX file and those of its weights; none where it has all its weights inside.
    files: Arc<[UsedFile]>,
}

impl ModelFile {
    /// Reads the file `path` and hashes it, with all files of weights that its tensors refer to.
    ///
    /// A location is taken for a path below the folder of `path`. Links are followed as far as they lead to that
    /// folder, or to the one where `path` itself leads to as a link (caches of downloads are laid out so).
    ///
    /// # Errors
    /// - [`OnnxError::ModelUnreadable`] when the file cannot be read
    /// - [`OnnxError::NotAModel`] when it is not an ONNX file
    /// - [`OnnxError::WeightsUnknown`] for a tensor that does not say where it lies
    /// - [`OnnxError::WeightsOutside`] for a location outside the folder of the model
    /// - [`OnnxError::WeightsUnreadable`] for a file of weights that is missing or cannot be read
    /// - [`OnnxError::WeightsTooShort`] for a tensor that lies beyond the end of its file
    /// - [`OnnxError::WeightsChecksum`] for a file with another SHA-1 than the ONNX file says
    pub fn read(path: &Path) -> Result<Self, OnnxError> {
        let (bytes, state) = read_model(path)?;
        let files = located(path, &bytes)?;
        let plain = Sha256::digest(&bytes);
        if files.is_empty() {
            let (bytes, sha256) = (Arc::new(bytes), hex(&plain).into());
            return Ok(Self { path: path.to_owned(), bytes, sha256, files: Arc::default() });
        }
        let mut identity = Sha256::new();
        identity.update(IDENTITY);
        identity.update(plain);
        let mut used = vec![UsedFile::new(path, state)];
        for (location, tensors) in &files {
            identity.update((location.len() as u64).to_le_bytes());
            identity.update(location.as_bytes());
            used.push(UsedFile::hash(path, location, tensors, &mut identity)?);
        }
        let sha256 = hex(&identity.finalize()).into();
        Ok(Self { path: path.to_owned(), bytes: Arc::new(bytes), sha256, files: used.into() })
    }

    /// The ONNX file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The identity of the network, 64 hexadecimal digits.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The files of weights beside the ONNX file, sorted by location.
    pub fn weights(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().skip(1).map(UsedFile::path)
    }

    /// Where the tensors of the ONNX file `path` lie, relative to its folder: sorted, each once, none for a model with
    /// all its weights inside. Only `path` is read.
    ///
    /// # Errors
    /// - [`OnnxError::ModelUnreadable`], [`OnnxError::NotAModel`], [`OnnxError::WeightsUnknown`]
    /// - [`OnnxError::WeightsOutside`] for a location that is not below the folder
    pub fn locations(path: &Path) -> Result<Vec<String>, OnnxError> {
        Ok(located(path, &read_model(path)?.0)?.into_keys().collect())
    }

    /// The ONNX file's bytes, where they are all of the model.
    pub(crate) fn whole(&self) -> Option<&[u8]> {
        self.files.is_empty().then_some(&self.bytes)
    }

    /// Refuses files that were written again since they were hashed, where sessions read them: what runs must be what
    /// was hashed.
    ///
    /// # Errors
    /// [`OnnxError::Changed`]
    pub(crate) fn check_unchanged(&self) -> Result<(), OnnxError> {
        self.files.iter().try_for_each(UsedFile::check_unchanged)
    }
}

fn read_model(path: &Path) -> Result<(Vec<u8>, FileState), OnnxError> {
    let unreadable = |source| OnnxError::ModelUnreadable { path: path.to_owned(), source };
    let not_a_model =
        |reason: &str| OnnxError::NotAModel { path: path.to_owned(), reason: reason.to_owned() };
    let mut file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(unreadable(io::ErrorKind::IsADirectory.into()));
    }
    if metadata.len() > LONGEST_FILE_BYTES {
        return Err(not_a_model(
            "an ONNX file has less than 2 GiB; larger models have their weights outside",
        ));
    }
    let mut bytes = Vec::new();
    file.by_ref().take(LONGEST_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.get(4..8) == Some(ORT_FORMAT) {
        return Err(not_a_model(
            "it is in ONNX Runtime's own format; give the .onnx file that it was made from",
        ));
    }
    Ok((bytes, FileState::of(&metadata)))
}

/// The tensors outside the model `bytes`, by their location without `.` parts.
fn located(path: &Path, bytes: &[u8]) -> Result<BTreeMap<String, Vec<ExternalTensor>>, OnnxError> {
    let model = || path.to_owned();
    let tensors = external_tensors(bytes).map_err(|error| match error {
        WalkError::Malformed => {
            OnnxError::NotAModel { path: model(), reason: "its protocol buffer is malformed".to_owned() }
        }
        WalkError::TooDeep => {
            OnnxError::NotAModel { path: model(), reason: "its graphs are nested too deeply".to_owned() }
        }
        WalkError::Entry { tensor, detail } => OnnxError::WeightsUnknown { path: model(), tensor, detail },
    })?;
    let mut files: BTreeMap<String, Vec<ExternalTensor>> = BTreeMap::new();
    for tensor in tensors {
        let location = inner_path(&tensor.location)
            .ok_or_else(|| OnnxError::WeightsOutside { path: model(), location: tensor.location.clone() })?;
        files.entry(location).or_default().push(tensor);
    }
    Ok(files)
}

/// `location` without `.` parts; `None` unless it is a path below a folder, on any system.
fn inner_path(location: &str) -> Option<String> {
    // A backslash is part of a name here and parts names elsewhere; a drive letter is a folder's name here.
    let is_foreign = location.contains(['\\', '\0']) || location.as_bytes().get(1) == Some(&b':');
    if is_foreign {
        return None;
    }
    let mut parts = Vec::new();
    for part in Path::new(location).components() {
        match part {
            Component::CurDir => {}
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::Prefix(_) | Component::RootDir | Component::ParentDir => return None,
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests;
