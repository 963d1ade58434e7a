//! A dataset in object storage: its manifest at once, its files as they are needed.

use std::fs;
use std::path::PathBuf;

use pg_image::Resolution;
use pg_shard::format::{BUILD_FILE, MANIFEST_FILE, MAX_MANIFEST_BYTES};
use pg_shard::{Dataset, FileEntry, Manifest, ShardError};

use crate::cloud::{Cloud, size_text};
use crate::errors::scratch_error;
use crate::remote::{Expected, Remote, for_each};
use crate::{CloudError, Location};

/// A dataset whose manifest was read.
#[derive(Debug)]
pub struct RemoteDataset {
    remote: Remote,
    /// The copy of what was brought here so far.
    folder: PathBuf,
    manifest: Manifest,
}

impl Cloud {
    /// The dataset at `location`; `None` where there is none.
    ///
    /// # Errors
    /// [`CloudError::Shard`] for an unfinished dataset and for a manifest that is not understood;
    /// [`CloudError`], whatever keeps it from being read.
    pub fn dataset(&self, location: &Location) -> Result<Option<RemoteDataset>, CloudError> {
        let remote = self.remote(location)?;
        let folder = self.scratch_path(location)?;
        let Some(text) = remote.read_if_there(MANIFEST_FILE, MAX_MANIFEST_BYTES)? else {
            // Of its plan it is enough that it is there.
            if remote.size(BUILD_FILE)?.is_some() {
                return Err(ShardError::Unfinished { path: PathBuf::from(location.to_string()) }.into());
            }
            return Ok(None);
        };
        let path = folder.join(MANIFEST_FILE);
        fs::create_dir_all(&folder).map_err(scratch_error("create", &folder))?;
        fs::write(&path, text).map_err(scratch_error("write", &path))?;
        if !Manifest::is_in(&folder) {
            // Another program's: part of a folder of images.
            fs::remove_file(&path).map_err(scratch_error("remove", &path))?;
            return Ok(None);
        }
        let manifest = Manifest::read(&folder)?;
        Ok(Some(RemoteDataset { remote, folder, manifest }))
    }

    /// The dataset at `location`, which must be one.
    ///
    /// # Errors
    /// Those of [`dataset`](Self::dataset); [`ShardError::NotADataset`].
    pub fn expect_dataset(&self, location: &Location) -> Result<RemoteDataset, CloudError> {
        let none = || ShardError::NotADataset { path: PathBuf::from(location.to_string()) };
        Ok(self.dataset(location)?.ok_or_else(none)?)
    }
}

impl RemoteDataset {
    /// What `dataset.json` says.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Brings the files of these levels here, with labels and index, each compared with the manifest as it
    /// arrives, and opens them. With no level only the manifest can be asked for.
    ///
    /// # Errors
    /// [`CloudError::Mismatch`]; [`CloudError`], whatever keeps them from being read.
    pub fn open(&self, levels: &[Resolution]) -> Result<Dataset, CloudError> {
        let missing = |file: &&FileEntry| {
            !fs::metadata(self.folder.join(&file.path)).is_ok_and(|metadata| metadata.len() == file.bytes)
        };
        let files: Vec<&FileEntry> = self.manifest.files_of_levels(levels).filter(missing).collect();
        if !files.is_empty() {
            let bytes = files.iter().map(|file| file.bytes).sum();
            self.remote.cloud().note(&format!(
                "fetching {} of {}, {} files of {}",
                size_text(bytes),
                self.remote.location(),
                files.len(),
                self.manifest.files.len()
            ));
        }
        for_each(&files, |file| {
            let expected = Expected { bytes: file.bytes, blake3: &file.blake3 };
            self.remote.fetch(&file.path, &self.folder.join(&file.path), Some(expected))
        })?;
        Ok(Dataset::open_part(&self.folder, levels)?)
    }
}
