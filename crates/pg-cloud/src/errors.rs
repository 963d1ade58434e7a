//! Why something could not be read from or written to object storage.

use std::io;
use std::path::PathBuf;

use pg_shard::ShardError;
use pg_sources::SourceError;
use thiserror::Error;

/// Why something could not be read from or written to object storage.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CloudError {
    /// The program was built without the feature.
    #[error(
        "{url} is a URL, and this program was built without object storage: build it with `--features cloud`"
    )]
    NotBuilt {
        /// The URL given.
        url: String,
    },
    /// Text that begins like a URL and is none.
    #[error("{url} cannot be used: {detail}")]
    Url {
        /// The text given.
        url: String,
        /// What is wrong, what was expected.
        detail: String,
    },
    /// Nothing is there.
    #[error(
        "{url} does not exist: check the spelling, and that the endpoint (AWS_ENDPOINT) is the right one"
    )]
    Missing {
        /// The object, or the name that nothing lies below.
        url: String,
    },
    /// The bucket is not there.
    #[error(
        "the bucket of {url} does not exist: create it, or check the spelling and the endpoint (AWS_ENDPOINT)"
    )]
    NoBucket {
        /// The object asked for.
        url: String,
    },
    /// The server knows who asks, or not, and says no.
    #[error(
        "no permission to {action} {url} ({detail}): check the credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or GOOGLE_SERVICE_ACCOUNT; AWS_SKIP_SIGNATURE=true for public buckets) and what they may do"
    )]
    Denied {
        /// "read", "write", …
        action: &'static str,
        /// The object.
        url: String,
        /// The server's word for it.
        detail: String,
    },
    /// No credentials were given, and the machine has none either.
    #[error(
        "no credentials for {url}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or GOOGLE_SERVICE_ACCOUNT; for a public bucket AWS_SKIP_SIGNATURE=true ({detail})"
    )]
    NoCredentials {
        /// The object.
        url: String,
        /// What was tried.
        detail: String,
    },
    /// No answer.
    #[error(
        "the server of {url} cannot be reached: check the network, and the endpoint (AWS_ENDPOINT) ({detail})"
    )]
    Unreachable {
        /// The object.
        url: String,
        /// The network's reason.
        detail: String,
    },
    /// Any other answer than the one hoped for.
    #[error("cannot {action} {url}: {detail}")]
    Failed {
        /// "read", "write", …
        action: &'static str,
        /// The object.
        url: String,
        /// The server's reason.
        detail: String,
    },
    /// Folders on a plain web server.
    #[error(
        "{url} cannot be listed: over http only single files and datasets can be read; copy it here, or use s3:// or gs://"
    )]
    NoListing {
        /// The URL given.
        url: String,
    },
    /// A file of a dataset is not the one that its manifest lists.
    #[error(
        "{url} is not what the manifest says: expected {expected}, found {found}; run `pgprep verify`, then upload or build the dataset again"
    )]
    Mismatch {
        /// The object.
        url: String,
        /// Length or checksum by the manifest.
        expected: String,
        /// Length or checksum found.
        found: String,
    },
    /// More bytes than are taken.
    #[error("{url} has {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// The object.
        url: String,
        /// Its length.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A name that is no place below a folder.
    #[error("{url} has a name that is no place in a folder: rename it")]
    Name {
        /// The object.
        url: String,
    },
    /// The stop signal came.
    #[error("interrupted while at {url}")]
    Interrupted {
        /// The object.
        url: String,
    },
    /// The scratch folder.
    #[error("cannot {action} {path}: the scratch folder (--scratch) needs room and permission")]
    Scratch {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A dataset that cannot be used.
    #[error(transparent)]
    Shard(#[from] ShardError),
    /// A source that cannot be used.
    #[error(transparent)]
    Source(#[from] SourceError),
}

impl CloudError {
    /// Whether what was asked for is not there: of this object, not of all.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing { .. })
    }

    /// Whether it concerns the connection rather than what was read.
    pub(crate) fn is_trouble(&self) -> bool {
        !matches!(self, Self::Missing { .. } | Self::TooLarge { .. } | Self::Source(_) | Self::Shard(_))
    }
}

pub(crate) fn scratch_error(
    action: &'static str,
    path: &std::path::Path,
) -> impl FnOnce(io::Error) -> CloudError {
    move |source| CloudError::Scratch { action, path: path.to_owned(), source }
}
