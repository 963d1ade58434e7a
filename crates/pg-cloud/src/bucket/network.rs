//! The objects of a bucket through `object_store`.

use std::fs::File;
use std::future::Future;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::aws::AmazonS3Builder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::path::Path as Key;
use object_store::{ClientOptions, GetOptions, ObjectStore, ObjectStoreExt as _, PutPayload, RetryConfig};
use tokio::runtime::Runtime;

use super::Object;
use super::failure::{explained, wrong_key};
use super::multipart::put_in_parts;
use crate::cloud::Stop;
use crate::location::Service;
use crate::{CloudError, Location, Settings};

/// Files up to this length are put in one request.
const WHOLE_BYTES: u64 = 16 << 20;
/// Nothing heard for so long is no answer.
const SILENCE: Duration = Duration::from_mins(1);
/// No request is tried again after so long: credentials and signatures grow old.
const PATIENCE: Duration = Duration::from_mins(2);
/// How often it is looked whether to stop.
const STOP_INTERVAL: Duration = Duration::from_millis(50);

/// What all buckets share: the thread that moves the bytes, and the settings.
#[derive(Debug)]
pub(crate) struct Network {
    runtime: Arc<Runtime>,
    settings: Settings,
}

/// One bucket. Calls block, and may come from many threads at once.
#[derive(Debug)]
pub(crate) struct Bucket {
    objects: Arc<dyn ObjectStore>,
    runtime: Arc<Runtime>,
    stop: Stop,
}

/// A read that goes on while others do; dropped, it ends.
#[derive(Debug)]
pub(crate) struct Started(AbortOnDrop);

#[derive(Debug)]
struct AbortOnDrop(tokio::task::JoinHandle<object_store::Result<Vec<u8>>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Network {
    pub(crate) fn start(settings: &Settings) -> Result<Self, CloudError> {
        // Whoever was first stays: the only error there is.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).thread_name("network").enable_all().build();
        let runtime = runtime.map_err(|source| CloudError::Scratch {
            action: "start a thread for",
            path: settings.scratch.clone(),
            source,
        })?;
        Ok(Self { runtime: Arc::new(runtime), settings: settings.clone() })
    }

    pub(crate) fn bucket(&self, location: &Location) -> Result<Bucket, CloudError> {
        let objects = self.store(location).map_err(|error| explained(&error, "open", location))?;
        Ok(self.bucket_of(objects))
    }

    /// A bucket of any store there is.
    pub(crate) fn bucket_of(&self, objects: Arc<dyn ObjectStore>) -> Bucket {
        Bucket { objects, runtime: Arc::clone(&self.runtime), stop: self.settings.stop.clone() }
    }

    fn store(&self, location: &Location) -> object_store::Result<Arc<dyn ObjectStore>> {
        let options = ClientOptions::new().with_timeout_disabled().with_read_timeout(SILENCE);
        let retry = RetryConfig {
            max_retries: self.settings.retries,
            retry_timeout: PATIENCE,
            ..RetryConfig::default()
        };
        // As `object_store` itself does it, names that it does not know are left aside.
        macro_rules! configured {
            ($builder:expr) => {
                self.settings.options.iter().fold($builder, |builder, (name, value)| {
                    match name.to_ascii_lowercase().parse() {
                        Ok(key) => builder.with_config(key, value),
                        Err(_) => builder,
                    }
                })
            };
        }
        Ok(match location.service() {
            Service::S3 => {
                let builder = AmazonS3Builder::new().with_client_options(options).with_retry(retry);
                Arc::new(configured!(builder).with_bucket_name(location.bucket()).build()?)
            }
            Service::Gcs => {
                let builder = GoogleCloudStorageBuilder::new().with_client_options(options).with_retry(retry);
                Arc::new(configured!(builder).with_bucket_name(location.bucket()).build()?)
            }
            Service::Http => {
                let options = options.with_allow_http(true);
                let builder = HttpBuilder::new().with_client_options(options).with_retry(retry);
                Arc::new(builder.with_url(location.root()).build()?)
            }
        })
    }
}

impl Bucket {
    /// Everything below `location`, sorted bytewise by name.
    pub(crate) fn list(&self, location: &Location) -> Result<Vec<Object>, CloudError> {
        let prefix = key(location)?;
        let below = (!location.key().is_empty()).then_some(&prefix);
        let listed = self.run("list", location, self.objects.list(below).try_collect::<Vec<_>>())?;
        let mut objects = Vec::with_capacity(listed.len());
        for object in listed {
            let Some(parts) = object.location.prefix_match(&prefix) else { continue };
            let name = parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/");
            // The object itself, and the empty ones by which some programs mark folders.
            if !name.is_empty() && !object.location.as_ref().ends_with('/') {
                objects.push(Object { name, bytes: object.size });
            }
        }
        objects.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
        Ok(objects)
    }

    /// The length of an object.
    pub(crate) fn size(&self, location: &Location) -> Result<u64, CloudError> {
        let key = key(location)?;
        self.run("look at", location, self.objects.head(&key)).map(|meta| meta.size)
    }

    /// The first `bytes` bytes of an object, or all of one that has fewer.
    pub(crate) fn start(&self, location: &Location, bytes: usize) -> Result<Vec<u8>, CloudError> {
        // No range: an object of no bytes has none, and some web servers know none.
        let key = key(location)?;
        self.run("read", location, async {
            let mut stream = self.objects.get_opts(&key, GetOptions::default()).await?.into_stream();
            let mut start = Vec::new();
            while start.len() < bytes
                && let Some(chunk) = stream.next().await
            {
                start.extend_from_slice(&chunk?);
            }
            start.truncate(bytes);
            Ok(start)
        })
    }

    /// Hands all bytes of an object to `take`, in order.
    pub(crate) fn read(
        &self,
        location: &Location,
        take: &mut (dyn FnMut(&[u8]) -> io::Result<()> + Send),
    ) -> Result<(), CloudError> {
        let key = key(location)?;
        let taken = self.run("read", location, async {
            let object = self.objects.get(&key).await?;
            let expected = object.meta.size;
            let (mut stream, mut found) = (object.into_stream(), 0);
            while let Some(chunk) = stream.next().await {
                let chunk = chunk?;
                found += chunk.len() as u64;
                if let Err(error) = take(&chunk) {
                    return Ok(Err(error));
                }
            }
            Ok(Ok((expected, found)))
        })?;
        let failed =
            |detail: String| CloudError::Failed { action: "read", url: location.to_string(), detail };
        match taken {
            Ok((expected, found)) if expected == found => Ok(()),
            Ok((expected, found)) => Err(failed(format!("it ends after {found} of {expected} bytes"))),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// Begins to read all of an object.
    pub(crate) fn begin(&self, location: &Location) -> Started {
        let (objects, key) = (Arc::clone(&self.objects), key(location));
        Started(AbortOnDrop(self.runtime.spawn(async move {
            let key =
                key.map_err(|error| object_store::Error::Generic { store: "URL", source: error.into() })?;
            let object = objects.get(&key).await?;
            let expected = object.meta.size;
            let bytes = object.bytes().await?;
            if bytes.len() as u64 == expected {
                return Ok(bytes.to_vec());
            }
            let source = format!("it ends after {} of {expected} bytes", bytes.len()).into();
            Err(object_store::Error::Generic { store: "body", source })
        })))
    }

    /// The object that was begun to be read.
    pub(crate) fn wait(&self, location: &Location, mut started: Started) -> Result<Vec<u8>, CloudError> {
        self.run("read", location, async {
            match (&mut started.0.0).await {
                Ok(read) => read,
                Err(source) => Err(object_store::Error::JoinError { source }),
            }
        })
    }

    /// Puts an object whole.
    pub(crate) fn put(&self, location: &Location, bytes: Vec<u8>) -> Result<(), CloudError> {
        let key = key(location)?;
        let payload = PutPayload::from(bytes);
        self.run("write", location, self.objects.put(&key, payload)).map(drop)
    }

    /// Puts the file at `path`: it shows only once all of it is there.
    pub(crate) fn put_file(&self, location: &Location, path: &Path) -> Result<(), CloudError> {
        let failed = |source| CloudError::Scratch { action: "read", path: path.to_owned(), source };
        let mut file = File::open(path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        if bytes <= WHOLE_BYTES {
            let mut content = Vec::with_capacity(bytes as usize);
            file.read_to_end(&mut content).map_err(failed)?;
            return self.put(location, content);
        }
        let key = key(location)?;
        let stop = self.stop.clone();
        self.runtime.block_on(put_in_parts(&*self.objects, &key, &file, bytes, until_stopped(stop))).map_err(
            |error| match error {
                Some(error) => explained(&error, "write", location),
                None => CloudError::Interrupted { url: location.to_string() },
            },
        )
    }

    /// Removes an object; one that is not there is no error.
    pub(crate) fn delete(&self, location: &Location) -> Result<(), CloudError> {
        let key = key(location)?;
        match self.run("remove", location, self.objects.delete(&key)) {
            Err(error) if error.is_missing() => Ok(()),
            other => other,
        }
    }

    /// Waits for `work`, unless it is to stop.
    fn run<T>(
        &self,
        action: &'static str,
        location: &Location,
        work: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, CloudError> {
        let stop = self.stop.clone();
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                done = work => done.map_err(|error| explained(&error, action, location)),
                () = until_stopped(stop) => Err(CloudError::Interrupted { url: location.to_string() }),
            }
        })
    }
}

async fn until_stopped(stop: Stop) {
    while !stop.requested() {
        tokio::time::sleep(STOP_INTERVAL).await;
    }
}

/// What `object_store` calls the object.
fn key(location: &Location) -> Result<Key, CloudError> {
    let key = match location.service() {
        Service::Http => Key::from_url_path(location.key()),
        Service::S3 | Service::Gcs => Key::parse(location.key()),
    };
    key.map_err(|error| wrong_key(&error, location))
}
