//! Decoding, encoding and listing of image files, and the atomic way to write any file.
//!
//! Formats: PNG, JPEG, BMP, WebP, AVIF, TIFF, GIF (first frame) and portable maps, told apart by content. Files of other image
//! formats are listed too, and refused by name with a way round.

mod atomic;
mod avif;
mod decoding;
mod encoding;
mod errors;
mod fails_once;
mod flattening;
mod jpeg;
mod listing;
mod npy_header;
mod png_chunks;
mod signature;
mod text;
mod tiff_samples;

pub use atomic::{NewFile, NewFolder, empty_at_once, is_in_the_making, write_atomically};
pub use decoding::{DecodeLimits, decode, decode_bytes, read_bytes};
pub use encoding::{encode_jpeg, encode_png, write_png};
pub use errors::FilesError;
pub use fails_once::FailsOnce;
pub use listing::{LeftOut, Listing, NamedCount, is_hidden, list_images};
pub use npy_header::numbers_claimed_by_npy;
pub use signature::{SIGNATURE_BYTES, format_name, has_image_extension, looks_like_image};
pub use text::{decoded_text, read_short_text, read_text};
