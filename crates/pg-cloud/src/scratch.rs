//! A folder for what is brought here, gone when the work is done.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::CloudError;
use crate::errors::scratch_error;

const PREFIX: &str = "pgkit-scratch-";
const NEW: &str = ".new-pgkit-scratch-";
const LOCK: &str = "lock";

/// The folder; removed when dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    /// Tells others that the folder is in use.
    _lock: File,
}

impl Scratch {
    /// Makes a folder of its own in `parent`, and removes those that killed processes left there.
    pub(crate) fn create(parent: &Path) -> Result<Self, CloudError> {
        fs::create_dir_all(parent).map_err(scratch_error("create", parent))?;
        remove_abandoned(parent);
        let mut number = 0_u32;
        loop {
            // Under its final name it is locked from the first moment: nobody takes it for abandoned.
            let (new, path) =
                (parent.join(format!("{NEW}{number:04}")), parent.join(format!("{PREFIX}{number:04}")));
            number += 1;
            match fs::create_dir(&new) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(scratch_error("create", &new)(error)),
            }
            let locked = File::create(new.join(LOCK)).and_then(|file| file.lock().map(|()| file));
            let lock = locked.map_err(scratch_error("write", &new))?;
            match fs::rename(&new, &path) {
                Ok(()) => return Ok(Self { path, _lock: lock }),
                Err(_) if path.exists() => drop(fs::remove_dir_all(&new)),
                Err(error) => return Err(scratch_error("create", &path)(error)),
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// A folder whose lock nobody holds belonged to a process that is no more.
fn remove_abandoned(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX)
            && let Ok(lock) = File::open(entry.path().join(LOCK))
            && lock.try_lock().is_ok()
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_goes_with_its_owner_and_an_abandoned_one_with_the_next() {
        let parent = tempfile::tempdir().unwrap();
        let first = Scratch::create(parent.path()).unwrap();
        let second = Scratch::create(parent.path()).unwrap();
        assert!(first.path() != second.path() && first.path().is_dir());
        let abandoned = parent.path().join(format!("{PREFIX}0099"));
        fs::create_dir(&abandoned).unwrap();
        fs::write(abandoned.join(LOCK), b"").unwrap();
        drop(second);
        let third = Scratch::create(parent.path()).unwrap();
        assert!(!abandoned.exists() && first.path().is_dir());
        drop((first, third));
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}
