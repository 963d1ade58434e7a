//! Sources: folders of images, read object by object, and collections, brought here whole.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use pg_sources::{FileStore, Item, Source, SourceFormat};

use crate::bucket::Object;
use crate::cloud::{Cloud, size_text};
use crate::read_ahead::ReadAhead;
use crate::remote::{Remote, for_each};
use crate::{CloudError, Location};

/// The objects of a folder as they are asked for.
#[derive(Debug)]
struct Photos {
    remote: Remote,
    ahead: OnceLock<ReadAhead>,
}

impl Cloud {
    /// The images at `location`: an object is brought to the scratch folder whole, as are the files of a folder that
    /// needs random access (LMDB, TFRecords, CIFAR, MNIST); of a folder of images each is read when it is
    /// its turn.
    ///
    /// # Errors
    /// [`CloudError::Missing`], [`CloudError::NoListing`], [`CloudError::Source`]; [`CloudError`], whatever
    /// keeps them from being read.
    pub fn source(&self, location: &Location, format: Option<SourceFormat>) -> Result<Source, CloudError> {
        let remote = self.remote(location)?;
        if !location.can_be_listed() && remote.size("")?.is_none() {
            return Err(CloudError::NoListing { url: location.to_string() });
        }
        let objects = if location.can_be_listed() { remote.list()? } else { Vec::new() };
        if objects.is_empty() {
            return Ok(opened(&self.fetch_noted(&remote)?, format)?);
        }
        for object in &objects {
            remote.check_name(&object.name)?;
        }
        if format.map_or_else(|| looks_like_collection(&objects), |format| format != SourceFormat::Folder) {
            let folder = self.fetch_top(&remote, &objects)?;
            // Names may deceive; what the files hold decides.
            if format.is_some() || SourceFormat::detect(&folder)? != SourceFormat::Folder {
                return Ok(opened(&folder, format)?);
            }
        }
        let files = objects.into_iter().map(|object| (object.name, object.bytes));
        Ok(Source::of_files(
            Path::new(&location.to_string()),
            files,
            Photos { remote, ahead: OnceLock::new() },
        )?)
    }

    /// Brings everything below `location` to the scratch folder, or the object itself; its path there.
    ///
    /// # Errors
    /// As [`source`](Self::source).
    pub fn fetch_all(&self, location: &Location) -> Result<PathBuf, CloudError> {
        let remote = self.remote(location)?;
        if !location.can_be_listed() {
            return self.fetch_noted(&remote);
        }
        let objects = remote.list()?;
        if objects.is_empty() { self.fetch_noted(&remote) } else { self.fetch_objects(&remote, &objects) }
    }

    /// The one object, with a word about its size.
    fn fetch_noted(&self, remote: &Remote) -> Result<PathBuf, CloudError> {
        let url = remote.location().to_string();
        match remote.size("")? {
            Some(bytes) => self.note(&format!("fetching {} of {url}", size_text(bytes))),
            None if !remote.location().can_be_listed() => return Err(CloudError::NoListing { url }),
            None => return Err(CloudError::Missing { url }),
        }
        self.fetch(remote.location())
    }

    fn fetch_top(&self, remote: &Remote, objects: &[Object]) -> Result<PathBuf, CloudError> {
        let top: Vec<Object> = objects.iter().filter(|object| !object.name.contains('/')).cloned().collect();
        self.fetch_objects(remote, &top)
    }

    fn fetch_objects(&self, remote: &Remote, objects: &[Object]) -> Result<PathBuf, CloudError> {
        let folder = self.scratch_path(remote.location())?;
        let bytes = objects.iter().map(|object| object.bytes).sum();
        self.note(&format!(
            "fetching {} of {}, {} files",
            size_text(bytes),
            remote.location(),
            objects.len()
        ));
        for_each(objects, |object| {
            remote.check_name(&object.name)?;
            remote.fetch(&object.name, &folder.join(&object.name), None)
        })?;
        Ok(folder)
    }
}

fn opened(path: &Path, format: Option<SourceFormat>) -> Result<Source, pg_sources::SourceError> {
    match format {
        Some(format) => Source::open_as(path, format),
        None => Source::open(path),
    }
}

/// Whether the files of a folder have names of those that need random access.
fn looks_like_collection(objects: &[Object]) -> bool {
    let top: Vec<&str> =
        objects.iter().map(|object| object.name.as_str()).filter(|name| !name.contains('/')).collect();
    SourceFormat::may_be_collection(&top)
}

impl Photos {
    /// An error of the connection is kept: it is no fault of the photo that was asked for.
    fn said(&self, error: CloudError) -> io::Error {
        if !error.is_trouble() {
            return io::Error::other(error);
        }
        let text = error.to_string();
        self.remote.cloud().note_trouble(error);
        io::Error::other(text)
    }

    fn check(&self) -> io::Result<()> {
        if self.remote.cloud().is_in_trouble() {
            return Err(io::Error::other("the object storage failed before"));
        }
        Ok(())
    }
}

impl FileStore for Photos {
    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.check()?;
        let read = match self.ahead.get() {
            Some(ahead) => ahead.read(&self.remote, name),
            None => self.remote.read(name, u64::MAX),
        };
        read.map_err(|error| self.said(error))
    }

    fn read_start(&self, name: &str, bytes: usize) -> io::Result<Vec<u8>> {
        self.check()?;
        self.remote.read_start(name, bytes).map_err(|error| self.said(error))
    }

    fn will_read(&self, order: &[usize], items: &[Item]) {
        // Said once: later words change nothing.
        let _ = self.ahead.set(ReadAhead::new(order, items));
    }
}
