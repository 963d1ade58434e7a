//! `part.json`: a part of a dataset, some of its shards, made apart from the others.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::format::{FORMAT_FAMILY, MAX_MANIFEST_BYTES, PART_FILE, PART_FORMAT_NAME, PART_FORMAT_VERSION};
use crate::manifest::are_label_names;
use crate::shard_writer::ShardRecord;
use crate::{BuildPlan, Codec, ShardError, Storage};

/// Which part of a build is made: the shards `shards` of the plan's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartPlan {
    /// From 1.
    pub part: usize,
    /// Parts of the whole.
    pub parts: usize,
    /// A contiguous range; the ranges of all parts are all shards.
    pub shards: Range<usize>,
}

impl PartPlan {
    /// `plan`, for this part only: what a folder is claimed by.
    pub(crate) fn claim(&self, plan: &BuildPlan) -> BuildPlan {
        let mut plan = plan.clone();
        plan.settings.insert("part".to_owned(), format!("{}/{}", self.part, self.parts).into());
        plan
    }
}

/// What `part.json` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartRecord {
    pub(crate) format: String,
    pub(crate) format_version: u32,
    pub(crate) part: usize,
    pub(crate) parts: usize,
    /// Of the whole dataset.
    pub(crate) plan: BuildPlan,
    pub(crate) levels: Vec<u32>,
    pub(crate) codec: Codec,
    pub(crate) label_names: Option<Vec<String>>,
    pub(crate) shards: Vec<PartShard>,
    pub(crate) provenance: Value,
}

/// A shard of a part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PartShard {
    pub(crate) shard: usize,
    #[serde(flatten)]
    pub(crate) record: ShardRecord,
}

/// A finished part.
#[derive(Debug, Clone, PartialEq)]
pub struct PartSummary {
    /// Its shards.
    pub shards: Range<usize>,
    /// Images in them.
    pub images: u64,
    /// Source items that were left out.
    pub failed: u64,
    /// Tool, version, command line, settings and counts of the part.
    pub provenance: Value,
}

impl PartRecord {
    /// Reads and checks `FOLDER/part.json`.
    pub(crate) fn read(folder: &Path) -> Result<Self, ShardError> {
        let path = folder.join(PART_FILE);
        let io = |source| ShardError::Io { action: "read", path: path.clone(), source };
        let malformed = |detail: String| ShardError::Malformed { path: path.clone(), detail };
        let bytes = fs::metadata(&path).map_err(io)?.len();
        if bytes > MAX_MANIFEST_BYTES {
            return Err(malformed(format!("{bytes} bytes, expected at most {MAX_MANIFEST_BYTES}")));
        }
        let record: Self =
            serde_json::from_slice(&fs::read(&path).map_err(io)?).map_err(|e| malformed(e.to_string()))?;
        if record.format != PART_FORMAT_NAME || record.format_version != PART_FORMAT_VERSION {
            return Err(malformed(format!(
                "format {:?}, version {}, expected {PART_FORMAT_NAME:?}, version {PART_FORMAT_VERSION}",
                record.format, record.format_version
            )));
        }
        record.check().map_err(malformed)?;
        Ok(record)
    }

    fn check(&self) -> Result<(), String> {
        if self.part == 0 || self.part > self.parts || self.parts > MAX_PARTS {
            return Err(format!(
                "part {} of {}, expected 1 to {1} of at most {MAX_PARTS}",
                self.part, self.parts
            ));
        }
        if self.storage().is_none() {
            return Err(format!(
                "levels {:?} of {} px, expected powers of two",
                self.levels, self.plan.resolution
            ));
        }
        if self.label_names.as_ref().is_some_and(|names| !are_label_names(names)) {
            return Err("label_names that a dataset cannot have".to_owned());
        }
        let all = self.plan.shards();
        let consecutive = self.shards.windows(2).all(|pair| pair[0].shard + 1 == pair[1].shard);
        if !consecutive || self.shards.last().is_some_and(|last| last.shard >= all) {
            return Err(format!("expected consecutive shards below {all}"));
        }
        for PartShard { shard, record } in &self.shards {
            if let Some(other) = record.files.iter().find(|file| !is_of_shard(&file.path, *shard)) {
                return Err(format!("shard {shard} lists {:?}, which is no file of it", other.path));
            }
        }
        Ok(())
    }

    /// Levels and codec; `None` for levels that there cannot be.
    pub(crate) fn storage(&self) -> Option<Storage> {
        let resolution = |px: u32| pg_image::Resolution::new(px.into()).ok();
        let levels = self.levels.iter().map(|&px| resolution(px)).collect::<Option<Vec<_>>>()?;
        let storage = Storage { packed: resolution(self.plan.resolution)?, levels, codec: self.codec };
        storage.check().is_ok().then_some(storage)
    }

    pub(crate) fn summary(&self) -> PartSummary {
        let first = self.shards.first().map_or(0, |first| first.shard);
        PartSummary {
            shards: first..first + self.shards.len(),
            images: self.shards.iter().map(|s| s.record.images as u64).sum(),
            failed: self.shards.iter().map(|s| s.record.failed.len() as u64).sum(),
            provenance: self.provenance.clone(),
        }
    }
}

/// Most parts of a whole.
pub const MAX_PARTS: usize = 100_000;

/// The parts `given`, each with where it lies, in their order: all of one whole, each once.
///
/// `place` says which part something is of how many, `difference` the names of what keeps two from being parts of one
/// whole, empty for those that are.
///
/// # Errors
/// [`ShardError::ForeignPart`], [`ShardError::PartTwice`], [`ShardError::PartsMissing`].
pub fn all_parts<P>(
    given: Vec<(PathBuf, P)>,
    place: impl Fn(&P) -> (usize, usize),
    difference: impl Fn(&P, &P) -> String,
) -> Result<Vec<(PathBuf, P)>, ShardError> {
    let mut count = 1;
    if let Some((first_path, first)) = given.first() {
        count = place(first).1;
        for (path, other) in &given {
            let difference = difference(first, other);
            if !difference.is_empty() {
                let (path, first) = (path.clone(), first_path.clone());
                return Err(ShardError::ForeignPart { path, first, difference });
            }
        }
    }
    let mut parts: BTreeMap<usize, (PathBuf, P)> = BTreeMap::new();
    for (path, other) in given {
        let part = place(&other).0;
        let second = path.clone();
        if let Some((first, _)) = parts.insert(part, (path, other)) {
            return Err(ShardError::PartTwice { part, first, second });
        }
    }
    let missing: Vec<String> =
        (1..=count).filter(|part| !parts.contains_key(part)).map(|part| part.to_string()).collect();
    if !missing.is_empty() {
        return Err(ShardError::PartsMissing { missing: missing.join(", "), count });
    }
    Ok(parts.into_values().collect())
}

/// Whether `path` is a name of a file of `shard`: nothing else is ever moved.
fn is_of_shard(path: &str, shard: usize) -> bool {
    let Some((folder, name)) = path.split_once('/') else { return false };
    let of_level = |folder: &str| folder.strip_prefix('r').is_some_and(|px| px.parse::<u32>().is_ok());
    match folder {
        "index" => name == format!("shard-{shard:05}.jsonl"),
        "labels" => name == format!("shard-{shard:05}.safetensors"),
        level => of_level(level) && name == format!("shard-{shard:05}.safetensors"),
    }
}

/// Whether `folder` is a finished part of a dataset.
#[must_use]
pub fn is_part(folder: &Path) -> bool {
    #[derive(Deserialize)]
    struct Claim {
        format: String,
    }
    let path = folder.join(PART_FILE);
    let fits = fs::metadata(&path).is_ok_and(|m| m.is_file() && m.len() <= MAX_MANIFEST_BYTES);
    let text = if fits { fs::read(&path).unwrap_or_default() } else { Vec::new() };
    match serde_json::from_slice::<Claim>(&text) {
        Ok(claim) => claim.format.starts_with(FORMAT_FAMILY),
        // A damaged one of ours is left to the reader to complain about.
        Err(_) => text.windows(FORMAT_FAMILY.len()).any(|bytes| bytes == FORMAT_FAMILY.as_bytes()),
    }
}
