//! What lies at one URL, by names below it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Component, Path};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::bucket::{Bucket, Object, Started};
use crate::cloud::Cloud;
use crate::errors::scratch_error;
use crate::{CloudError, Location};

/// Files under way at once.
const AT_ONCE: usize = 4;
/// How often a file is asked for whose bytes did not arrive as they should.
const TRIES: usize = 3;

/// Length and BLAKE3 that a file must have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'a> {
    pub(crate) bytes: u64,
    pub(crate) blake3: &'a str,
}

/// An object, or a folder of objects. The empty name is the object itself.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    cloud: Cloud,
    bucket: Arc<Bucket>,
    location: Location,
}

impl Remote {
    pub(crate) fn new(cloud: Cloud, bucket: Arc<Bucket>, location: Location) -> Self {
        Self { cloud, bucket, location }
    }

    pub(crate) fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    pub(crate) fn location(&self) -> &Location {
        &self.location
    }

    /// All names below, sorted bytewise, with their lengths.
    pub(crate) fn list(&self) -> Result<Vec<Object>, CloudError> {
        if !self.location.can_be_listed() {
            return Err(CloudError::NoListing { url: self.location.to_string() });
        }
        self.bucket.list(&self.location)
    }

    pub(crate) fn size(&self, name: &str) -> Result<Option<u64>, CloudError> {
        found(self.bucket.size(&self.location.join(name)))
    }

    pub(crate) fn read_start(&self, name: &str, bytes: usize) -> Result<Vec<u8>, CloudError> {
        self.bucket.start(&self.location.join(name), bytes)
    }

    /// All bytes, at most `limit`.
    pub(crate) fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, CloudError> {
        let location = self.location.join(name);
        let mut bytes = Vec::new();
        let mut too_large = false;
        let read = self.bucket.read(&location, &mut |chunk| {
            too_large = (bytes.len() + chunk.len()) as u64 > limit;
            if too_large {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            bytes.extend_from_slice(chunk);
            Ok(())
        });
        if too_large {
            let bytes = self.bucket.size(&location)?;
            return Err(CloudError::TooLarge { url: location.to_string(), bytes, limit });
        }
        read.map(|()| bytes)
    }

    /// Begins to read all of an object.
    pub(crate) fn start(&self, name: &str) -> Started {
        self.bucket.begin(&self.location.join(name))
    }

    /// All bytes of the object that was begun to be read.
    pub(crate) fn wait(&self, name: &str, started: Started) -> Result<Vec<u8>, CloudError> {
        self.bucket.wait(&self.location.join(name), started)
    }

    /// As [`read`](Self::read); `None` when it is not there.
    pub(crate) fn read_if_there(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, CloudError> {
        found(self.read(name, limit))
    }

    /// Brings an object to the file `to`, whose name only ever shows all of it.
    pub(crate) fn fetch(
        &self,
        name: &str,
        to: &Path,
        expected: Option<Expected<'_>>,
    ) -> Result<(), CloudError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.fetch_once(name, to, expected) {
                Err(CloudError::Mismatch { .. } | CloudError::Failed { .. }) if tries < TRIES => {}
                other => return other,
            }
        }
    }

    fn fetch_once(&self, name: &str, to: &Path, expected: Option<Expected<'_>>) -> Result<(), CloudError> {
        let location = self.location.join(name);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).map_err(scratch_error("create", parent))?;
        }
        let mut partial = to.as_os_str().to_owned();
        partial.push(".partial");
        let partial = Path::new(&partial);
        let mut file = File::create(partial).map_err(scratch_error("write", partial))?;
        let (mut hasher, mut unwritten) = (blake3::Hasher::new(), None);
        let read = self.bucket.read(&location, &mut |chunk| {
            hasher.update(chunk);
            file.write_all(chunk).map_err(|error| {
                let kind = error.kind();
                unwritten = Some(error);
                kind.into()
            })
        });
        if let Some(error) = unwritten {
            return Err(scratch_error("write", partial)(error));
        }
        read?;
        if let Some(expected) = expected {
            let mismatch = |expected: String, found: String| {
                Err(CloudError::Mismatch { url: location.to_string(), expected, found })
            };
            if hasher.count() != expected.bytes {
                return mismatch(format!("{} bytes", expected.bytes), format!("{}", hasher.count()));
            }
            let blake3 = hasher.finalize().to_hex();
            if blake3.as_str() != expected.blake3 {
                return mismatch(format!("BLAKE3 {}", expected.blake3), blake3.to_string());
            }
        }
        fs::rename(partial, to).map_err(scratch_error("write", to))
    }

    pub(crate) fn put_file(&self, name: &str, path: &Path) -> Result<(), CloudError> {
        self.bucket.put_file(&self.location.join(name), path)
    }

    pub(crate) fn delete(&self, name: &str) -> Result<(), CloudError> {
        self.bucket.delete(&self.location.join(name))
    }

    /// Refuses names that would leave the folder that they are brought to.
    pub(crate) fn check_name(&self, name: &str) -> Result<(), CloudError> {
        let mut parts = Path::new(name).components();
        if !name.is_empty() && parts.all(|part| matches!(part, Component::Normal(_))) {
            return Ok(());
        }
        Err(CloudError::Name { url: self.location.join(name).to_string() })
    }
}

/// Does `work` for all of `items`, a few at once; the first error in the order of the items.
pub(crate) fn for_each<T: Sync>(
    items: &[T],
    work: impl Fn(&T) -> Result<(), CloudError> + Sync,
) -> Result<(), CloudError> {
    let next = AtomicUsize::new(0);
    let one_after_the_other = || -> Result<(), (usize, CloudError)> {
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(i) else { return Ok(()) };
            if let Err(error) = work(item) {
                next.store(items.len(), Ordering::Relaxed);
                return Err((i, error));
            }
        }
    };
    let mut failures = Vec::new();
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..AT_ONCE.min(items.len())).map(|_| scope.spawn(one_after_the_other)).collect();
        for thread in threads {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(failure)) => failures.push(failure),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    failures.into_iter().min_by_key(|(i, _)| *i).map_or(Ok(()), |(_, error)| Err(error))
}

fn found<T>(result: Result<T, CloudError>) -> Result<Option<T>, CloudError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}
