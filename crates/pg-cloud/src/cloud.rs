//! What a command needs to reach object storage.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::bucket::{Bucket, Network};
use crate::remote::Remote;
use crate::scratch::Scratch;
use crate::{CloudError, Location};

/// Whether to stop; asked often, from any thread.
#[derive(Clone)]
pub struct Stop(Arc<dyn Fn() -> bool + Send + Sync>);

impl Stop {
    pub(crate) fn requested(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stop")
    }
}

/// What the user decides.
#[derive(Clone)]
pub struct Settings {
    /// Credentials, endpoints and the like, by `object_store`'s names, such as `aws_endpoint`.
    pub options: Vec<(String, String)>,
    /// Where the scratch folder is made when one is needed.
    pub scratch: PathBuf,
    /// How often a request is tried again.
    pub retries: usize,
    /// See [`Settings::stop_when`].
    pub stop: Stop,
    /// Gets a line about each large transfer.
    pub note: Arc<dyn Fn(&str) + Send + Sync>,
    /// Gets the scratch folder's path when it is made: a path below it ends with the URL that it stands for.
    pub scratch_made: Arc<dyn Fn(&Path) + Send + Sync>,
}

impl Settings {
    /// Calls end soon, with [`CloudError::Interrupted`], once `requested` says so.
    #[must_use]
    pub fn stop_when(requested: impl Fn() -> bool + Send + Sync + 'static) -> Stop {
        Stop(Arc::new(requested))
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the options: they hold secrets.
        f.debug_struct("Settings").field("scratch", &self.scratch).finish_non_exhaustive()
    }
}

/// The way to object storage. Cloning is cheap; nothing happens before something is asked for.
#[derive(Debug, Clone)]
pub struct Cloud(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    /// Before the scratch folder, which is removed last.
    network: OnceLock<Network>,
    buckets: Mutex<HashMap<String, Arc<Bucket>>>,
    scratch: Mutex<Option<Scratch>>,
    /// The first error that concerned the connection.
    trouble: Mutex<Option<CloudError>>,
}

impl Cloud {
    /// With these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Inner {
            settings,
            network: OnceLock::new(),
            buckets: Mutex::default(),
            scratch: Mutex::default(),
            trouble: Mutex::default(),
        }))
    }

    /// Where the copy of `location` is in the scratch folder, which is made now if there is none yet.
    ///
    /// # Errors
    /// [`CloudError::Scratch`]; [`CloudError::NotBuilt`].
    pub fn scratch_path(&self, location: &Location) -> Result<PathBuf, CloudError> {
        let mut scratch = held(&self.0.scratch);
        if scratch.is_none() {
            let made = Scratch::create(&self.0.settings.scratch)?;
            (self.0.settings.scratch_made)(made.path());
            *scratch = Some(made);
        }
        let root = scratch.as_ref().map_or(Path::new(""), Scratch::path);
        Ok(root.join(location.to_string()))
    }

    /// The whole object, at most `limit` bytes.
    ///
    /// # Errors
    /// [`CloudError`], whatever keeps it from being read.
    pub fn read(&self, location: &Location, limit: u64) -> Result<Vec<u8>, CloudError> {
        self.remote(location)?.read("", limit)
    }

    /// Brings the whole object to the scratch folder; its path there.
    ///
    /// # Errors
    /// [`CloudError`], whatever keeps it from being brought.
    pub fn fetch(&self, location: &Location) -> Result<PathBuf, CloudError> {
        let remote = self.remote(location)?;
        let path = self.scratch_path(location)?;
        if !path.is_file() {
            remote.fetch("", &path, None)?;
        }
        Ok(path)
    }

    /// The error that ended the connection, if one did: what failed since then failed for no fault of its own.
    #[must_use]
    pub fn take_trouble(&self) -> Option<CloudError> {
        held(&self.0.trouble).take()
    }

    /// Whether there is an error to take.
    #[must_use]
    pub fn is_in_trouble(&self) -> bool {
        held(&self.0.trouble).is_some()
    }

    pub(crate) fn note_trouble(&self, error: CloudError) {
        held(&self.0.trouble).get_or_insert(error);
    }

    pub(crate) fn note(&self, text: &str) {
        (self.0.settings.note)(text);
    }

    /// What lies at `location`; asks nobody yet.
    pub(crate) fn remote(&self, location: &Location) -> Result<Remote, CloudError> {
        let mut buckets = held(&self.0.buckets);
        let bucket = if let Some(bucket) = buckets.get(&location.root()) {
            Arc::clone(bucket)
        } else {
            let bucket = Arc::new(self.network()?.bucket(location)?);
            buckets.insert(location.root(), Arc::clone(&bucket));
            bucket
        };
        Ok(Remote::new(self.clone(), bucket, location.clone()))
    }

    fn network(&self) -> Result<&Network, CloudError> {
        if let Some(network) = self.0.network.get() {
            return Ok(network);
        }
        let started = Network::start(&self.0.settings)?;
        Ok(self.0.network.get_or_init(|| started))
    }

    /// Puts `store` in the place of the bucket of `location`.
    #[cfg(all(test, feature = "object-store"))]
    pub(crate) fn stand_in(&self, location: &Location, store: Arc<dyn object_store::ObjectStore>) {
        let network = self.0.network.get_or_init(|| Network::start(&self.0.settings).expect("a thread"));
        held(&self.0.buckets).insert(location.root(), Arc::new(network.bucket_of(store)));
    }
}

pub(crate) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `1.5 MiB`.
pub(crate) fn size_text(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
