//! A dataset in object storage looked at file by file, as it is: for checking it.

use std::fs;
use std::path::{Path, PathBuf};

use pg_shard::format::{BUILD_FILE, FAILED_FILE, MANIFEST_FILE, SEAL_FILE};

use crate::cloud::Cloud;
use crate::errors::scratch_error;
use crate::remote::Remote;
use crate::{CloudError, Location};

/// A folder that holds of a dataset what was brought here, nothing of it compared with anything.
#[derive(Debug)]
pub struct DatasetCopy {
    remote: Remote,
    folder: PathBuf,
}

impl Cloud {
    /// Brings manifest, seal and failures of the dataset at `location`, where they exist.
    ///
    /// # Errors
    /// [`CloudError`], whatever keeps them from being read.
    pub fn dataset_copy(&self, location: &Location) -> Result<DatasetCopy, CloudError> {
        let remote = self.remote(location)?;
        let folder = self.scratch_path(location)?;
        fs::create_dir_all(&folder).map_err(scratch_error("create", &folder))?;
        let copy = DatasetCopy { remote, folder };
        for name in [MANIFEST_FILE, SEAL_FILE, FAILED_FILE] {
            copy.bring(name)?;
        }
        if !copy.folder.join(MANIFEST_FILE).is_file() {
            // Tells an unfinished dataset from none.
            copy.bring(BUILD_FILE)?;
        }
        Ok(copy)
    }
}

impl DatasetCopy {
    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Brings a file as it is; one that is not there stays missing.
    ///
    /// # Errors
    /// [`CloudError`], whatever keeps it from being read.
    pub fn bring(&self, name: &str) -> Result<(), CloudError> {
        self.remote.check_name(name)?;
        match self.remote.fetch(name, &self.folder.join(name), None) {
            Err(error) if error.is_missing() => Ok(()),
            other => other,
        }
    }

    /// Makes room: removes the copy of a file.
    pub fn let_go(&self, name: &str) {
        let _ = fs::remove_file(self.folder.join(name));
    }
}
