//! The pgkit dataset format: shards, manifest, reader, resumable writer, verification, shuffle order.
//!
//! The only crate that knows the format's bytes; `docs/shard-format.md` is normative and [`mod@format`]
//! mirrors its names and limits. Reading: [`Dataset`]. Writing: [`DatasetBuilder`].

mod builder;
mod codec;
mod dataset;
mod epoch_order;
mod errors;
mod files_on_disk;
pub mod format;
mod level_file;
mod manifest;
mod mapped_file;
mod merge;
mod output_folder;
mod output_removal;
mod part;
mod preparation;
mod reason;
mod reopening;
mod repair;
mod seal;
mod shard_writer;
mod storage;
mod verify;

pub use builder::{DatasetBuilder, Opened, OpenedPart};
pub use codec::Codec;
pub use dataset::{Dataset, Level};
pub use epoch_order::epoch_order;
pub use errors::ShardError;
pub use manifest::{FailedItem, FileEntry, IndexLine, Manifest, ShardEntry};
pub use merge::{PartSet, Transfer};
pub use output_folder::{BuildPlan, Claimed, OutputFolder};
pub use output_removal::{NAMES_KEY, names_blake3, remove_output};
pub use part::{MAX_PARTS, PartPlan, PartSummary, all_parts, is_part};
pub use pg_image::files::{is_in_the_making, write_atomically};
pub use preparation::Preparation;
pub use reason::reason;
pub use reopening::{reopen_failed, reopen_files};
pub use repair::{Repair, Replaced};
pub use seal::{check_seal, renew_seal};
pub use shard_writer::{ShardRecord, ShardWriter};
pub use storage::{EncodedImage, Storage};
pub use verify::{Damage, DamageKind, check_file};
