//! Long work in pieces that survives an interruption: datasets of shards, and folders of one file per item.
//!
//! One engine for every command that writes many things. It takes a [`BuildPlan`](pg_shard::BuildPlan), opens the output, which
//! is new, begun or done ([`Workspace`]), makes the items that are missing on all threads, takes them in their order with few in memory
//! ([`in_order()`]), and ends in a typed [`Outcome`]. The program around it ([`Host`]) shows what happens, and says when to end.
//!
//! - [`DatasetBuild`]: shards of a dataset, or of one part of it
//! - [`FilesBuild`]: a file for each item, whose names are all different ([`OutputNames`])
//! - [`Workspace`] alone: for work of another shape

mod dataset_build;
mod disk_space;
mod errors;
mod files_build;
mod files_part;
mod host;
mod in_order;
mod outcome;
mod output_names;
mod part;
mod records;
mod shards_in_hand;
#[cfg(test)]
mod tests;
mod workspace;

pub use dataset_build::{Built, DatasetBuild, LabelRows, Packed};
pub use disk_space::{byte_size, free_bytes};
pub use errors::BuildError;
pub use files_build::{FilesBuild, FilesSummary, WholeFiles};
pub use files_part::{FilesPart, FilesPartItem};
pub use host::{Counter, Host};
pub use in_order::in_order;
pub use outcome::{Again, Modified, Outcome, SourceBefore};
pub use output_names::OutputNames;
pub use part::Part;
pub use records::{done_json, failed_items, write_failed_items};
pub use workspace::{Destination, Finished, Workspace, WorkspaceState};
