//! Why a source could not be listed or read.

use std::io;
use std::path::PathBuf;

use pg_image::files::FilesError;
use thiserror::Error;

/// Why a source could not be listed or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Nothing is at the path.
    #[error("{path} does not exist: give a folder or a zip file of images")]
    Missing {
        /// The path given.
        path: PathBuf,
    },
    /// A file that is no zip.
    #[error("{path} is neither a folder nor a zip file: it begins with {found}")]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The first bytes, in hexadecimal.
        found: String,
    },
    /// A folder or zip without images.
    #[error("{path} holds no images: expected PNG, JPEG, BMP, WebP, TIFF or GIF files at any depth")]
    NoImages {
        /// The source.
        path: PathBuf,
    },
    /// The archive is damaged or of a kind that is not read.
    #[error("{path} cannot be read as a zip file: {detail}")]
    Zip {
        /// The archive, with the entry's name behind it where one is concerned.
        path: PathBuf,
        /// The finding.
        detail: String,
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
    /// The operating system refused to open the source.
    #[error("cannot open {path}")]
    Io {
        /// The source.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
}
