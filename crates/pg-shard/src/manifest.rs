//! `dataset.json` and the lines of index and failure files.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use pg_image::Resolution;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::files_on_disk::{json_text, write_bytes};
use crate::format::{
    BUILD_FILE, FORMAT_FAMILY, FORMAT_NAME, FORMAT_VERSION, FORMAT_VERSION_COMPRESSED, INDEX_FOLDER,
    LABELS_FOLDER, MANIFEST_FILE, MAX_IMAGES, MAX_LABELS, MAX_MANIFEST_BYTES, MAX_SHARDS, SEAL_FILE,
    index_path, labels_path, level_folder, shard_path,
};
use crate::part::is_part;
use crate::{Codec, ShardError, seal};

/// What `dataset.json` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT_NAME`].
    pub format: String,
    /// [`FORMAT_VERSION`], or [`FORMAT_VERSION_COMPRESSED`].
    pub format_version: u32,
    /// Images in the dataset, the sum over its shards.
    pub images: u64,
    /// Values per pixel: 1 or 3.
    pub channels: usize,
    /// Sides of the levels in pixels, ascending.
    pub resolutions: Vec<u32>,
    /// Names of the label columns, or null where there are no labels.
    pub label_names: Option<Vec<String>>,
    /// How coarser levels were made from the finest.
    pub downscale_filter: String,
    /// How images are stored; absent in version 1, where they are raw.
    #[serde(default, skip_serializing_if = "is_raw")]
    pub codec: Codec,
    /// Source items that each shard covers, in the order of the source list.
    pub items_per_shard: usize,
    /// Source items that were left out, listed in `failed.jsonl`.
    pub failed: u64,
    /// BLAKE3 of the plan that built it (settings and source list), hexadecimal.
    pub plan_blake3: String,
    /// All shards, ascending.
    pub shards: Vec<ShardEntry>,
    /// Every file of levels, labels and index, sorted by path.
    pub files: Vec<FileEntry>,
    /// Tool, version, command line, seed, settings, counts.
    pub provenance: Value,
}

/// One shard of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardEntry {
    /// The number in its file names.
    pub shard: usize,
    /// Images in it; a shard of 0 images has an (empty) index file only.
    pub images: usize,
}

/// One file of the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Path below the dataset folder, with `/`.
    pub path: String,
    /// Length.
    pub bytes: u64,
    /// BLAKE3 of the content, hexadecimal.
    pub blake3: String,
}

/// One line of an index file: where an image comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IndexLine {
    /// Path of the source file below the source folder, with `/`.
    pub path: String,
    /// BLAKE3 of the source file's bytes, hexadecimal.
    pub blake3: String,
    /// What was done to the picture: crop, scale, padding.
    pub geometry: Value,
}

/// One line of `failed.jsonl`: a source item that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedItem {
    /// Path of the source file below the source folder, with `/`.
    pub path: String,
    /// Why it was left out.
    pub reason: String,
    /// Its length, where it has one: a file that is another one now may be tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl FailedItem {
    /// The item `path` of a length that does not matter.
    #[must_use]
    pub fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into(), bytes: None }
    }
}

impl Manifest {
    /// True when `folder` holds a finished dataset, by what its `dataset.json` says of itself: other tools write files of
    /// that name too (labels, in StyleGAN2-ADA's datasets). One of ours that can no longer be read counts as well.
    #[must_use]
    pub fn is_in(folder: &Path) -> bool {
        #[derive(Deserialize)]
        struct Claim {
            format: Option<String>,
        }
        let path = folder.join(MANIFEST_FILE);
        let fits = fs::metadata(&path).is_ok_and(|m| m.is_file() && m.len() <= MAX_MANIFEST_BYTES);
        let text = if fits { fs::read(&path).unwrap_or_default() } else { Vec::new() };
        let is_ours = |claim: Claim| claim.format.is_some_and(|format| format.starts_with(FORMAT_FAMILY));
        // What is damaged is left to the reader to complain about.
        let was_ours = || {
            text.windows(FORMAT_NAME.len()).any(|bytes| bytes == FORMAT_NAME.as_bytes())
                || folder.join(SEAL_FILE).is_file()
        };
        fits && serde_json::from_slice::<Claim>(&text).map_or_else(|_| was_ours(), is_ours)
    }

    /// Reads and checks `FOLDER/dataset.json`; looks at no other file.
    ///
    /// # Errors
    /// [`ShardError::NotADataset`], [`ShardError::IsAPart`], [`ShardError::Unfinished`], [`ShardError::Version`],
    /// [`ShardError::Malformed`], [`ShardError::Io`].
    pub fn read(folder: &Path) -> Result<Self, ShardError> {
        let path = folder.join(MANIFEST_FILE);
        if !path.is_file() {
            let folder = folder.to_owned();
            return Err(if is_part(&folder) {
                ShardError::IsAPart { path: folder }
            } else if folder.join(BUILD_FILE).is_file() {
                ShardError::Unfinished { path: folder }
            } else {
                ShardError::NotADataset { path: folder }
            });
        }
        let io = |source| ShardError::Io { action: "read", path: path.clone(), source };
        let malformed = |detail: String| ShardError::Malformed { path: path.clone(), detail };
        let bytes = fs::metadata(&path).map_err(io)?.len();
        if bytes > MAX_MANIFEST_BYTES {
            return Err(malformed(format!("{bytes} bytes, expected at most {MAX_MANIFEST_BYTES}")));
        }
        let text = fs::read(&path).map_err(io)?;
        let value: Value = serde_json::from_slice(&text).map_err(|e| malformed(e.to_string()))?;
        let known = [FORMAT_VERSION, FORMAT_VERSION_COMPRESSED].map(|version| Some(u64::from(version)));
        match (value.get("format").and_then(Value::as_str), value.get("format_version")) {
            (Some(FORMAT_NAME), Some(version)) if known.contains(&version.as_u64()) => {}
            (Some(FORMAT_NAME), Some(version)) if version.is_u64() => {
                return Err(ShardError::Version {
                    path: path.clone(),
                    found: version.as_u64().unwrap_or(0),
                    expected: FORMAT_VERSION_COMPRESSED,
                });
            }
            _ => {
                return Err(malformed(format!(
                    "expected \"format\": \"{FORMAT_NAME}\" and a format_version"
                )));
            }
        }
        let manifest: Self = serde_json::from_value(value).map_err(|e| malformed(e.to_string()))?;
        manifest.check().map_err(malformed)?;
        Ok(manifest)
    }

    /// Writes `FOLDER/dataset.blake3` and, last, `FOLDER/dataset.json`, both atomically; `failed` is the
    /// content of `failed.jsonl`.
    pub(crate) fn write(&self, folder: &Path, failed: Option<&[u8]>) -> Result<(), ShardError> {
        let text = json_text(&folder.join(MANIFEST_FILE), self)?;
        seal::write(folder, &text, failed)?;
        write_bytes(&folder.join(MANIFEST_FILE), &text)
    }

    /// The levels, ascending.
    ///
    /// # Panics
    /// Never after [`Self::read`], which checks them; sides that are no resolution are left out.
    #[must_use]
    pub fn levels(&self) -> Vec<Resolution> {
        self.resolutions.iter().filter_map(|&r| Resolution::new(r.into()).ok()).collect()
    }

    /// The images that `path`, a file of the manifest, holds data of: first and one past the last index.
    #[must_use]
    pub fn images_in_file(&self, path: &str) -> std::ops::Range<u64> {
        let number = Self::shard_of_file(path);
        let mut first = 0;
        for shard in &self.shards {
            let end = first + shard.images as u64;
            if Some(shard.shard) == number {
                return first..end;
            }
            first = end;
        }
        0..0
    }

    /// Where the images of the shard at `position` in `shards` come from, in their order; reads the index
    /// file of the dataset in `folder`.
    ///
    /// # Errors
    /// [`ShardError::Io`]; [`ShardError::Malformed`] for a line that is no index line or a wrong number
    /// of lines.
    pub fn index_of_shard(&self, folder: &Path, position: usize) -> Result<Vec<IndexLine>, ShardError> {
        let Some(shard) = self.shards.get(position) else { return Ok(Vec::new()) };
        let path = folder.join(index_path(shard.shard));
        let text = fs::read_to_string(&path).map_err(|source| ShardError::Io {
            action: "read",
            path: path.clone(),
            source,
        })?;
        let lines = text
            .lines()
            .enumerate()
            .map(|(i, line)| {
                serde_json::from_str(line).map_err(|e| ShardError::Malformed {
                    path: path.clone(),
                    detail: format!("line {}: {e}", i + 1),
                })
            })
            .collect::<Result<Vec<IndexLine>, _>>()?;
        if lines.len() != shard.images {
            let detail = format!("{} lines, expected one for each of {} images", lines.len(), shard.images);
            return Err(ShardError::Malformed { path, detail });
        }
        Ok(lines)
    }

    /// The files that reading these levels takes: theirs, the labels and the index; none without a level.
    pub fn files_of_levels(&self, levels: &[Resolution]) -> impl Iterator<Item = &FileEntry> {
        let folders: Vec<String> = match levels {
            [] => Vec::new(),
            levels => {
                let others = [LABELS_FOLDER, INDEX_FOLDER].map(str::to_owned);
                levels.iter().map(|&r| level_folder(r)).chain(others).collect()
            }
        };
        self.files.iter().filter(move |file| {
            let folder = file.path.split('/').next().unwrap_or_default();
            folders.iter().any(|wanted| wanted == folder)
        })
    }

    /// The number of the shard that `path`, a file of the manifest, belongs to.
    #[must_use]
    pub fn shard_of_file(path: &str) -> Option<usize> {
        path.rsplit_once("shard-").and_then(|(_, rest)| rest.get(..5)?.parse().ok())
    }

    /// What must hold beyond the JSON types; the text says what was expected and found.
    fn check(&self) -> Result<(), String> {
        if (self.format_version == FORMAT_VERSION) != is_raw(&self.codec) {
            let (version, codec) = (self.format_version, self.codec.name());
            return Err(format!("format_version is {version} and codec {codec}, which do not go together"));
        }
        if !matches!(self.channels, 1 | 3) {
            return Err(format!("channels is {}, expected 1 or 3", self.channels));
        }
        if self.resolutions.is_empty() || !self.resolutions.is_sorted_by(|a, b| a < b) {
            return Err(format!("resolutions are {:?}, expected some, ascending", self.resolutions));
        }
        for &r in &self.resolutions {
            Resolution::new(r.into()).map_err(|e| e.to_string())?;
        }
        if !self.shards.is_sorted_by(|a, b| a.shard < b.shard)
            || self.shards.last().is_some_and(|s| s.shard >= MAX_SHARDS)
        {
            return Err(format!("expected ascending shard numbers below {MAX_SHARDS}"));
        }
        let sum = self.shards.iter().try_fold(0_u64, |sum, s| sum.checked_add(s.images as u64));
        if sum != Some(self.images) || self.images > MAX_IMAGES {
            return Err(format!(
                "images is {}, expected the sum over the shards and at most {MAX_IMAGES}",
                self.images
            ));
        }
        if let Some(names) = &self.label_names
            && !are_label_names(names)
        {
            return Err(format!(
                "{} label_names, expected null or 1 to {MAX_LABELS}, all different",
                names.len()
            ));
        }
        if !self.files.is_sorted_by(|a, b| a.path < b.path) {
            return Err("expected files sorted by path, each once".to_owned());
        }
        let listed: BTreeSet<&str> = self.files.iter().map(|f| f.path.as_str()).collect();
        let expected = self.expected_files();
        if let Some(missing) = expected.iter().find(|f| !listed.contains(f.as_str())) {
            return Err(format!("files lacks {missing}"));
        }
        if let Some(extra) = listed.iter().find(|&&f| !expected.contains(f)) {
            return Err(format!("files lists {extra:?}, which no shard and level explains"));
        }
        if let Some(bad) = self.files.iter().find(|f| f.blake3.len() != 64 || !f.blake3.bytes().all(is_hex)) {
            return Err(format!("the blake3 of {} is not 64 hexadecimal digits", bad.path));
        }
        Ok(())
    }

    fn expected_files(&self) -> BTreeSet<String> {
        let levels = self.levels();
        let mut files = BTreeSet::new();
        for shard in &self.shards {
            files.insert(index_path(shard.shard));
            if shard.images > 0 {
                files.extend(levels.iter().map(|&r| shard_path(r, shard.shard)));
                files.extend(self.label_names.is_some().then(|| labels_path(shard.shard)));
            }
        }
        files
    }
}

/// True for names of label columns that a dataset can have.
pub(crate) fn are_label_names(names: &[String]) -> bool {
    let different: BTreeSet<&String> = names.iter().collect();
    (1..=MAX_LABELS).contains(&names.len()) && different.len() == names.len()
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// True for the codec that manifests do not mention.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_raw(codec: &Codec) -> bool {
    *codec == Codec::Raw
}
