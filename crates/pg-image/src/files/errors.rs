//! Why an image file could not be listed, read or written.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why an image file could not be listed, read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FilesError {
    /// The operating system refused an operation.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried: "read", "list", "write".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The path to list is no folder.
    #[error("{path} is not a folder: give a folder that holds images")]
    NotAFolder {
        /// The path given.
        path: PathBuf,
    },
    /// The file has no bytes.
    #[error("{path} is empty (0 bytes), expected an image: copy or download it again")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The first bytes are of no format that is read.
    #[error(
        "{path} is no image that can be read: it begins with {found}, expected PNG, JPEG, BMP, WebP, AVIF, TIFF, GIF or a portable map"
    )]
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// The first bytes, in hexadecimal.
        found: String,
    },
    /// An image of a format that is known and not read.
    #[error("{path} is {format}, which is not read: {remedy}")]
    NotRead {
        /// The file.
        path: PathBuf,
        /// The format, with an article where it wants one.
        format: &'static str,
        /// How to make a file of it that is read.
        remedy: &'static str,
    },
    /// A text that is neither UTF-8 nor UTF-16.
    #[error("{path} is no text: expected UTF-8, or UTF-16 with a byte-order mark")]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// The file ends before the image does.
    #[error("{path} is a truncated {format} file: {detail}, found the end of the file; copy it again")]
    Truncated {
        /// The file.
        path: PathBuf,
        /// `PNG`, `JPEG`, …
        format: &'static str,
        /// What was expected where the bytes ended.
        detail: String,
    },
    /// The decoder found bytes that the format does not allow.
    #[error("{path} is a damaged {format} file: {detail}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// `PNG`, `JPEG`, …
        format: &'static str,
        /// The decoder's finding.
        detail: String,
    },
    /// A well-formed file of a kind that the decoder does not know.
    #[error("{path} is a {format} file of a kind that is not supported: {detail}; convert it to PNG")]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// `PNG`, `JPEG`, …
        format: &'static str,
        /// The decoder's finding.
        detail: String,
    },
    /// The picture has more pixels than allowed (an image bomb, or a limit that is too low).
    #[error(
        "{path} has {width}x{height} = {pixels} pixels, the limit is {max_pixels}: raise the pixel limit if the picture is meant to be that large"
    )]
    TooManyPixels {
        /// The file.
        path: PathBuf,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Columns times rows.
        pixels: u64,
        /// The limit in force.
        max_pixels: u64,
    },
    /// There is not as much memory as the picture takes.
    #[error(
        "{path} has {width}x{height} pixels, which take {bytes} bytes of memory: there is not so much, or this process may not have it"
    )]
    TooLittleMemory {
        /// The file.
        path: PathBuf,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Bytes of the picture and a copy.
        bytes: u64,
    },
    /// The file has more bytes than allowed.
    #[error(
        "{path} has {bytes} bytes, the limit is {max_bytes}: raise the byte limit if the file is meant to be that large"
    )]
    TooManyBytes {
        /// The file.
        path: PathBuf,
        /// Bytes in the file.
        bytes: u64,
        /// The limit in force.
        max_bytes: u64,
    },
    /// A picture could not be encoded.
    #[error("cannot encode a {width}x{height} picture as {format}: {detail}")]
    Encode {
        /// `PNG` or `JPEG`.
        format: &'static str,
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
        /// The encoder's finding.
        detail: String,
    },
}
