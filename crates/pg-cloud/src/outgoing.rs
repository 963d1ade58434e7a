//! A file, or a folder of a few, that is written here and then sent.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cloud::Cloud;
use crate::errors::scratch_error;
use crate::output::names_below;
use crate::remote::Remote;
use crate::{CloudError, Location};

/// Where to write an output, and where it goes from there.
#[derive(Debug)]
pub struct Outgoing {
    path: PathBuf,
    remote: Option<Remote>,
}

impl Cloud {
    /// The place for the output `argument`: itself where it is a path, a place in the scratch folder where it is a
    /// URL.
    ///
    /// # Errors
    /// [`CloudError::Url`], [`CloudError::NotBuilt`], [`CloudError::Scratch`].
    pub fn outgoing(&self, argument: &Path) -> Result<Outgoing, CloudError> {
        let Some(location) = Location::of(argument)? else {
            return Ok(Outgoing { path: argument.to_owned(), remote: None });
        };
        let remote = self.remote(&location)?;
        let path = self.scratch_path(&location)?;
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(scratch_error("create", parent))?;
        }
        Ok(Outgoing { path, remote: Some(remote) })
    }
}

impl Outgoing {
    /// Where to write it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether something is there already.
    ///
    /// # Errors
    /// [`CloudError`], whatever keeps it from being looked at.
    pub fn is_there(&self) -> Result<bool, CloudError> {
        match &self.remote {
            Some(remote) => Ok(remote.size("")?.is_some()),
            None => Ok(self.path.exists()),
        }
    }

    /// Sends what was written, if it is not where it belongs already.
    ///
    /// # Errors
    /// [`CloudError`], whatever keeps it from being written.
    pub fn send(&self) -> Result<(), CloudError> {
        let Some(remote) = &self.remote else { return Ok(()) };
        if !self.path.is_dir() {
            return remote.put_file("", &self.path);
        }
        let mut names = Vec::new();
        names_below(&self.path, "", &mut names)?;
        names.iter().try_for_each(|name| remote.put_file(name, &self.path.join(name)))
    }
}
