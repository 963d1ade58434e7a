//! The objects of one bucket or web server: what talks to it, or what stands there without the feature.

#[cfg(feature = "object-store")]
mod failure;
#[cfg(feature = "object-store")]
mod multipart;
#[cfg(feature = "object-store")]
mod network;
#[cfg(not(feature = "object-store"))]
mod nobody;

#[cfg(feature = "object-store")]
pub(crate) use network::{Bucket, Network, Started};
#[cfg(not(feature = "object-store"))]
pub(crate) use nobody::{Bucket, Network, Started};

/// An object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    /// Its name below what was listed.
    pub(crate) name: String,
    pub(crate) bytes: u64,
}
