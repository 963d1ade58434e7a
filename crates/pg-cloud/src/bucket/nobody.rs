//! Without the feature there is no bucket.

use std::convert::Infallible;
use std::io;
use std::path::Path;

use super::Object;
use crate::{CloudError, Location, Settings};

#[derive(Debug)]
pub(crate) struct Network(());

#[derive(Debug)]
pub(crate) struct Bucket(Infallible);

#[derive(Debug)]
pub(crate) struct Started(Infallible);

impl Network {
    #[expect(clippy::unnecessary_wraps, reason = "as the network that is one")]
    pub(crate) fn start(_settings: &Settings) -> Result<Self, CloudError> {
        Ok(Self(()))
    }

    #[expect(clippy::unused_self, reason = "as the network that is one")]
    pub(crate) fn bucket(&self, location: &Location) -> Result<Bucket, CloudError> {
        Err(CloudError::NotBuilt { url: location.to_string() })
    }
}

impl Bucket {
    pub(crate) fn list(&self, _location: &Location) -> Result<Vec<Object>, CloudError> {
        match self.0 {}
    }

    pub(crate) fn size(&self, _location: &Location) -> Result<u64, CloudError> {
        match self.0 {}
    }

    pub(crate) fn start(&self, _location: &Location, _bytes: usize) -> Result<Vec<u8>, CloudError> {
        match self.0 {}
    }

    pub(crate) fn read(
        &self,
        _location: &Location,
        _take: &mut (dyn FnMut(&[u8]) -> io::Result<()> + Send),
    ) -> Result<(), CloudError> {
        match self.0 {}
    }

    pub(crate) fn begin(&self, _location: &Location) -> Started {
        match self.0 {}
    }

    pub(crate) fn wait(&self, _location: &Location, _started: Started) -> Result<Vec<u8>, CloudError> {
        match self.0 {}
    }

    pub(crate) fn put(&self, _location: &Location, _bytes: Vec<u8>) -> Result<(), CloudError> {
        match self.0 {}
    }

    pub(crate) fn put_file(&self, _location: &Location, _path: &Path) -> Result<(), CloudError> {
        match self.0 {}
    }

    pub(crate) fn delete(&self, _location: &Location) -> Result<(), CloudError> {
        match self.0 {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::Cloud;

    #[test]
    fn without_the_feature_every_url_is_refused_by_its_name_and_nothing_is_written() {
        let parent = tempfile::tempdir().unwrap();
        let cloud = Cloud::new(Settings {
            options: Vec::new(),
            scratch: parent.path().to_owned(),
            retries: 0,
            stop: Settings::stop_when(|| false),
            note: Arc::new(|_| {}),
            scratch_made: Arc::new(|_| {}),
        });
        let url = Path::new("s3://bucket/photos");
        let location = Location::of(url).unwrap().unwrap();
        let expected = "s3://bucket/photos is a URL, and this program was built without object storage: build it with `--features cloud`";
        for error in [
            cloud.source(&location, None).unwrap_err(),
            cloud.dataset(&location).unwrap_err(),
            cloud.dataset_copy(&location).unwrap_err(),
            cloud.output(&location, "dataset.json").unwrap_err(),
            cloud.fetch(&location).unwrap_err(),
            cloud.fetch_all(&location).unwrap_err(),
            cloud.outgoing(url).unwrap_err(),
        ] {
            assert_eq!(error.to_string(), expected);
        }
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}
