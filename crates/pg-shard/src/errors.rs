//! Why a dataset could not be read or written.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a dataset could not be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ShardError {
    /// The operating system refused an operation.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried: "read", "write", "map".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The folder has no `dataset.json`.
    #[error("{path} is no dataset: expected a folder that holds dataset.json, as pgprep writes it")]
    NotADataset {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds a build that was interrupted.
    #[error(
        "{path} is an unfinished dataset: run the command that builds it again, it goes on where it stopped"
    )]
    Unfinished {
        /// The folder.
        path: PathBuf,
    },
    /// Something in an output folder that this tool did not write.
    #[error(
        "{path} was not written by this tool, or is more or less than it wrote: remove what is not wanted by hand, or choose another output folder"
    )]
    NotOurs {
        /// What it is.
        path: PathBuf,
    },
    /// A manifest, record or index line that does not say what it must.
    #[error("{path} is malformed: {detail}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was expected and found.
        detail: String,
    },
    /// A format version that this program does not know.
    #[error(
        "{path} has format version {found}, this program reads versions up to {expected}: use a newer pgkit"
    )]
    Version {
        /// The manifest.
        path: PathBuf,
        /// The version found.
        found: u64,
        /// The newest version that is read.
        expected: u32,
    },
    /// A file of the manifest is not there.
    #[error("{path} is missing, the manifest lists it: build or copy the dataset again")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file is shorter or longer than the manifest says.
    #[error(
        "{path} has {found} bytes, the manifest says {expected}: run `pgprep verify`, then build or copy it again"
    )]
    FileLength {
        /// The file.
        path: PathBuf,
        /// Bytes by the manifest.
        expected: u64,
        /// Bytes found.
        found: u64,
    },
    /// A shard's safetensors header does not describe what the manifest says.
    #[error("{path} has a wrong safetensors header: {detail}; build or copy the dataset again")]
    Header {
        /// The file.
        path: PathBuf,
        /// What was expected and found.
        detail: String,
    },
    /// A level that the dataset does not have.
    #[error("{path} has no level of {resolution} px: it has {available}")]
    NoLevel {
        /// The dataset.
        path: PathBuf,
        /// The level asked for.
        resolution: usize,
        /// The levels there are.
        available: String,
    },
    /// An image beyond the last one.
    #[error("there is no image {index}: the level of {resolution} px has {images}")]
    NoImage {
        /// The index asked for.
        index: usize,
        /// The level.
        resolution: usize,
        /// Number of images.
        images: usize,
    },
    /// A stored image that cannot be decoded.
    #[error("image {index} in {path} is damaged: {detail}; `pgprep verify` tells what else is")]
    DamagedImage {
        /// The shard.
        path: PathBuf,
        /// Index in the dataset.
        index: usize,
        /// What was expected and found.
        detail: String,
    },
    /// An image could not be compressed, or bytes are no compressed image.
    #[error("an image cannot be coded: {detail}")]
    Codec {
        /// The reason.
        detail: String,
    },
    /// Levels that cannot be stored.
    #[error(
        "levels of {found} px cannot be stored of images of {finest} px: expected powers of two from 4 to {finest}, each once"
    )]
    Levels {
        /// The levels asked for, separated by commas.
        found: String,
        /// Side of the images.
        finest: usize,
    },
    /// An image handed to the writer is not of the dataset's shape.
    #[error("an image of shape {found:?} cannot go into a dataset level of shape {expected:?} [C,R,R]")]
    ImageShape {
        /// C, R, R.
        expected: [usize; 3],
        /// C, H, W.
        found: [usize; 3],
    },
    /// A label row handed to the writer has another length than the dataset's label names.
    #[error("a label row of {found} values cannot go into a dataset of {expected} label columns")]
    LabelRow {
        /// Number of label names; 0 where there are no labels.
        expected: usize,
        /// Values of the row.
        found: usize,
    },
    /// Label names that a dataset cannot have.
    #[error("{found} label names cannot be used: expected 1 to {limit}, all different")]
    LabelNames {
        /// Number of names.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// More images or shards than the format allows.
    #[error("{what} would be {found}, the format allows {limit}: {remedy}")]
    Limit {
        /// What is counted.
        what: &'static str,
        /// The count asked for.
        found: u64,
        /// The limit.
        limit: u64,
        /// What to do.
        remedy: &'static str,
    },
    /// The output folder belongs to a build with other settings or another source.
    #[error(
        "{path} was begun by another command ({difference} differs): run that command again, choose another output folder, or --overwrite"
    )]
    OtherBuild {
        /// The output folder.
        path: PathBuf,
        /// Names of what differs.
        difference: String,
    },
    /// The output folder is a finished dataset made by another command.
    #[error(
        "{path} already holds a finished dataset made by another command: choose another output folder, or --overwrite"
    )]
    OtherDataset {
        /// The output folder.
        path: PathBuf,
    },
    /// The output folder holds something else.
    #[error("{path} is not empty and holds no dataset of this tool: choose an empty or new output folder")]
    NotEmpty {
        /// The output folder.
        path: PathBuf,
    },
    /// The output folder holds the finished output of another command.
    #[error(
        "{path} was already filled by another command (see {done_file} there): choose another output folder (-o), or --overwrite"
    )]
    OtherOutput {
        /// The output folder.
        path: PathBuf,
        /// What says so.
        done_file: String,
    },
    /// The output is no folder.
    #[error("{path} is a file, and the output is a folder: choose another name (-o)")]
    NotAFolder {
        /// The output.
        path: PathBuf,
    },
    /// A file of another tool that has the name of one of ours.
    #[error("{path} was not written by this tool: choose another output folder")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Another process builds the same output.
    #[error("{path} is being written by another process: wait for it or choose another output folder")]
    Locked {
        /// The output folder.
        path: PathBuf,
    },
    /// The folder holds a part of a dataset, not a dataset.
    #[error("{path} is a part of a dataset: `pgprep merge` makes the dataset of all its parts")]
    IsAPart {
        /// The folder.
        path: PathBuf,
    },
    /// The folder is no part of a dataset.
    #[error("{path} is no part of a dataset: expected a folder that holds part.json, as --part writes it")]
    NotAPart {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds a part that was interrupted.
    #[error("{path} is an unfinished part: run the command that makes it again, it goes on where it stopped")]
    UnfinishedPart {
        /// The folder.
        path: PathBuf,
    },
    /// Parts that were not given.
    #[error("parts {missing} of {count} are missing: make them with --part I/{count}, and give them too")]
    PartsMissing {
        /// Their numbers, separated by commas.
        missing: String,
        /// Parts of the whole.
        count: usize,
    },
    /// A part that was given twice.
    #[error("{first} and {second} are both part {part}: leave one of them out")]
    PartTwice {
        /// Its number.
        part: usize,
        /// A folder.
        first: PathBuf,
        /// Another one.
        second: PathBuf,
    },
    /// A part of another dataset, or of another cut of it.
    #[error(
        "{path} is no part of what {first} is a part of ({difference} differs): leave it out, or make it again by the same command"
    )]
    ForeignPart {
        /// The folder.
        path: PathBuf,
        /// The part that it was compared with.
        first: PathBuf,
        /// Names of what differs.
        difference: String,
    },
    /// The file system does not link or rename.
    #[error("{from} cannot become {to}: choose an output on the same file system, or --by copy")]
    Transfer {
        /// The part's file.
        from: PathBuf,
        /// The dataset's.
        to: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
}
