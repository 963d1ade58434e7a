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
