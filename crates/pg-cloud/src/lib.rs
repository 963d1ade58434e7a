//! Object storage (S3, Google Cloud Storage, plain HTTP) by URL, for sources, datasets and outputs.
//!
//! The only crate that knows `object_store`, and that only with the feature `object-store`; without it every
//! URL is refused with [`CloudError::NotBuilt`]. Calls block; retries, timeouts and TLS are inside. Nothing
//! is read from the environment: what credentials and endpoints there are comes in [`Settings`].
//!
//! What needs random access is brought to a scratch folder, which goes with the last [`Cloud`]; in it a
//! file's path ends with its URL, so that messages name it.
#![cfg_attr(
    not(feature = "object-store"),
    allow(
        dead_code,
        clippy::zero_sized_map_values,
        reason = "nobody is there to be asked: what only the network uses is unused"
    )
)]

/// Whether this build has the network that URLs need: the feature `object-store`.
pub const IS_BUILT_IN: bool = cfg!(feature = "object-store");

mod bucket;
mod cloud;
mod dataset;
mod dataset_copy;
mod errors;
mod location;
mod outgoing;
mod output;
mod photos;
mod read_ahead;
mod remote;
mod scratch;
#[cfg(all(test, feature = "object-store"))]
mod tests;

pub use cloud::{Cloud, Settings, Stop};
pub use dataset::RemoteDataset;
pub use dataset_copy::DatasetCopy;
pub use errors::CloudError;
pub use location::{Location, SCHEMES};
pub use outgoing::Outgoing;
pub use output::RemoteOutput;
