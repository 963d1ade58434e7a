//! Why a source could not be listed or read, or an export not be written.

use std::io;
use std::path::{Path, PathBuf};

use pg_image::files::FilesError;
use thiserror::Error;

/// Why a source could not be listed or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Nothing is at the path.
    #[error("{path} does not exist: give a folder, an archive or a file of images")]
    Missing {
        /// The path given.
        path: PathBuf,
    },
    /// A file of none of the formats.
    #[error(
        "{path} is of no format that is read, it begins with {found}: expected a folder or zip of images, CIFAR, MNIST idx, LMDB or TFRecord (--source-format names one)"
    )]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The first bytes, in hexadecimal.
        found: String,
    },
    /// Two images that cannot be told apart by name.
    #[error(
        "cannot use `{path}`: {first:?} and {second:?} would both be called {name:?}; rename one of them"
    )]
    SameName {
        /// The source.
        path: PathBuf,
        /// The name of both.
        name: String,
        /// One file; its number where the source is no folder.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A collection without images.
    #[error("{path} holds no images: expected {expected}")]
    NoImages {
        /// The source.
        path: PathBuf,
        /// What was looked for.
        expected: &'static str,
    },
    /// HDF5, which is not read.
    #[error(
        "{path} is an HDF5 file, which is not read: write its images as files first (in Python: h5py.File(PATH)[\"data1024x1024\"], [N,C,H,W], to PIL.Image.save) or convert it with the authors' `dataset_tool.py create_from_hdf5`, then pack that folder"
    )]
    Hdf5 {
        /// The file.
        path: PathBuf,
    },
    /// Bytes that the format does not allow.
    #[error("{path} is damaged at byte {offset}: expected {expected}, found {found}; copy it again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where, from the start of the (unpacked) file.
        offset: u64,
        /// What the format asks for there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A well-formed file of a kind that is not read.
    #[error("{path} cannot be used: {detail}")]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it holds, and what is expected.
        detail: String,
    },
    /// Labels that do not fit the images, or are no labels.
    #[error("the labels in {path} cannot be used: {detail}")]
    Labels {
        /// The label file, or the source where names of folders are the labels.
        path: PathBuf,
        /// What was expected and found.
        detail: String,
    },
    /// The archive is damaged or of a kind that is not read.
    #[error("{path} cannot be read as a zip file: {detail}")]
    Zip {
        /// The archive, with the entry's name behind it where one is concerned.
        path: PathBuf,
        /// The finding.
        detail: String,
    },
    /// A file that was written to after it was listed.
    #[error(
        "{path} changed while the command ran: it has {found} bytes, and had {listed} when it was listed"
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// Its bytes when it was listed.
        listed: u64,
        /// Its bytes now.
        found: u64,
    },
    /// An index beyond the list.
    #[error("there is no item {index}, the source has {items}")]
    NoItem {
        /// The index asked for.
        index: usize,
        /// Number of items.
        items: usize,
    },
    /// A file of a folder.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The operating system refused to open or read.
    #[error("cannot read {path}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
}

impl SourceError {
    /// Whether it is no item's own fault: what was there when the source was opened is gone, or has changed, or the system
    /// cannot read it. Then other items may fail alike, and none of them for good.
    #[must_use]
    pub fn is_of_the_source(&self) -> bool {
        use io::ErrorKind::{InvalidData, InvalidInput, PermissionDenied, UnexpectedEof};
        if matches!(self, Self::Missing { .. } | Self::Changed { .. }) {
            return true;
        }
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<io::Error>() {
                return !matches!(
                    error.kind(),
                    InvalidData | InvalidInput | PermissionDenied | UnexpectedEof
                );
            }
            cause = error.source();
        }
        false
    }
}

/// The reading failed.
pub(crate) fn io_error(path: &Path) -> impl FnOnce(io::Error) -> SourceError {
    move |source| match source.kind() {
        io::ErrorKind::NotFound => SourceError::Missing { path: path.to_owned() },
        _ => SourceError::Io { path: path.to_owned(), source },
    }
}

/// Damage in bytes whose file is known to the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// From the start of the bytes looked at.
    pub(crate) at: usize,
    pub(crate) expected: String,
    pub(crate) found: String,
}

impl Fault {
    pub(crate) fn new(at: usize, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { at, expected: expected.into(), found: found.into() }
    }

    /// The error, for bytes that begin at byte `base` of `path`.
    pub(crate) fn in_file(self, path: &Path, base: u64) -> SourceError {
        SourceError::Damaged {
            path: path.to_owned(),
            offset: base.saturating_add(self.at as u64),
            expected: self.expected,
            found: self.found,
        }
    }
}
