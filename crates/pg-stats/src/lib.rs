//! Statistics files (`.pgstats`): what metrics need of a set of images, without the images.
//!
//! The only crate that knows the format's bytes; `docs/stats-format.md` is normative. Describing images:
//! [`StatsWriter`], to a file that stays or to a scratch file. Comparing with them: [`Stats`]. Parts of a set,
//! described apart, become one by [`merge`].

mod error;
mod format;
mod merge;
mod npz;
mod protocol;
mod record_bytes;
mod records;
mod stats;
mod writer;

pub use error::StatsError;
pub use merge::merge;
pub use npz::{NpzArray, read_npz, write_arrays, write_npz};
pub use protocol::{NetworkProtocol, ProtocolDifference, StatsProtocol, SwdProtocol};
pub use stats::{Stats, StatsRows};
pub use writer::{NetworkRow, StatsWriter};
