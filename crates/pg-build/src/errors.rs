//! Why a build could not be begun, or broke off.

use std::io;
use std::path::PathBuf;

use pg_cloud::CloudError;
use pg_shard::ShardError;
use thiserror::Error;

use crate::disk_space::byte_size;

/// Why a build could not be begun, or broke off.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The output folder or its dataset.
    #[error(transparent)]
    Shard(#[from] ShardError),
    /// The object storage.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The operating system refused an operation.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried: "read", "write".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A file that this tool writes does not hold what it must.
    #[error("{path} is malformed: {detail}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was expected and found.
        detail: String,
    },
    /// The disk has too little room for all of it.
    #[error("it takes {} more, {} are free on that disk, {} are missing", byte_size(*needed), byte_size(*free), byte_size(needed - free))]
    TooLittleRoom {
        /// Bytes still to be written.
        needed: u64,
        /// Bytes that may be written.
        free: u64,
    },
    /// Two items that would be one file, or an item that would lie outside of the output.
    #[error("{0}")]
    Names(String),
    /// The system gives no more threads.
    #[error("cannot start {threads} threads (--threads)")]
    Threads {
        /// Threads asked for.
        threads: usize,
        /// The operating system's reason.
        source: io::Error,
    },
}

impl BuildError {
    /// What turns an error of the operating system about `path` into one of a build.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.into(), source }
    }
}
