//! Parts of a dataset, made apart, as one dataset.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use pg_image::files::write_atomically;
use serde_json::Value;

use crate::files_on_disk::write_json;
use crate::format::{BUILD_FILE, PART_FILE, index_path, record_path};
use crate::part::{PartRecord, PartShard, all_parts};
use crate::{DatasetBuilder, FileEntry, Manifest, Opened, PartSummary, ShardError};

/// How files get from a part to the dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer {
    /// Hard links: the parts stay as they are, on the same file system.
    Link,
    /// Renamed: the parts lose them.
    Move,
    /// Copied: for another file system.
    Copy,
}

/// All parts of one dataset.
#[derive(Debug)]
pub struct PartSet {
    /// In their order, each with its folder.
    parts: Vec<(PathBuf, PartRecord)>,
}

fn failure(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ShardError {
    move |source| ShardError::Io { action, path: path.to_owned(), source }
}

impl PartSet {
    /// Reads the parts in `folders`, given in any order, and checks that they are all parts of one build, each once.
    ///
    /// # Errors
    /// - [`ShardError::NotAPart`], [`ShardError::UnfinishedPart`], [`ShardError::Malformed`] for a folder that is none
    /// - [`ShardError::ForeignPart`] for a part of another build
    /// - [`ShardError::PartTwice`], [`ShardError::PartsMissing`]
    /// - [`ShardError::Io`]
    pub fn open(folders: &[PathBuf]) -> Result<Self, ShardError> {
        let read = |folder: &PathBuf| {
            if folder.join(PART_FILE).is_file() {
                return Ok((folder.clone(), PartRecord::read(folder)?));
            }
            Err(if folder.join(BUILD_FILE).is_file() {
                ShardError::UnfinishedPart { path: folder.clone() }
            } else {
                ShardError::NotAPart { path: folder.clone() }
            })
        };
        let records = folders.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let parts = all_parts(records, |record| (record.part, record.parts), difference)?;
        Ok(Self { parts })
    }

    /// What each part holds, in their order.
    #[must_use]
    pub fn summaries(&self) -> Vec<PartSummary> {
        self.parts.iter().map(|(_, record)| record.summary()).collect()
    }

    /// Shards of the dataset.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.parts.iter().map(|(_, record)| record.shards.len()).sum()
    }

    /// Makes the dataset `output` of them; called again after an interruption it goes on. No pixel is read unless files
    /// are copied; lengths are compared, contents are not: that is [`crate::check_file`]'s work.
    ///
    /// But for the provenance, for the caller to give, its bytes are those of one build of the whole. `progress` is told
    /// after each shard.
    ///
    /// # Errors
    /// - [`ShardError::OtherBuild`], [`ShardError::OtherDataset`], [`ShardError::NotEmpty`], [`ShardError::Locked`] for
    ///   an output that is taken
    /// - [`ShardError::Missing`], [`ShardError::FileLength`] for a damaged part
    /// - [`ShardError::Transfer`] where the file system does not link or rename
    /// - [`ShardError::Unfinished`] for a part that lacks a shard of its range
    /// - [`ShardError::Io`]
    pub fn merge(
        &self,
        output: &Path,
        transfer: Transfer,
        provenance: Value,
        progress: &mut dyn FnMut() -> Result<(), ShardError>,
    ) -> Result<Manifest, ShardError> {
        let Some((_, first)) = self.parts.first() else {
            return Err(ShardError::PartsMissing { missing: "all".to_owned(), count: 0 });
        };
        let storage = first.storage().ok_or_else(|| ShardError::NotAPart { path: output.to_owned() })?;
        let builder = match DatasetBuilder::open_stored(output, first.plan.clone(), storage)? {
            Opened::Building(builder) => match &first.label_names {
                Some(names) => builder.with_labels(names.clone())?,
                None => *builder,
            },
            Opened::Complete(manifest) => return Ok(*manifest),
        };
        for (folder, record) in &self.parts {
            for PartShard { shard, record } in &record.shards {
                if !builder.is_finished(*shard) {
                    // The index file last: its presence marks a finished shard.
                    let index = index_path(*shard);
                    let (last, others): (Vec<_>, Vec<_>) =
                        record.files.iter().partition(|file| file.path == index);
                    for file in others {
                        bring(folder, output, file, transfer)?;
                    }
                    write_json(&output.join(record_path(*shard)), record)?;
                    for file in last {
                        bring(folder, output, file, transfer)?;
                    }
                }
                progress()?;
            }
        }
        for name in fs::read_dir(output).map_err(failure("list", output))?.flatten() {
            let path = name.path();
            if path.is_dir() {
                File::open(&path).and_then(|folder| folder.sync_all()).map_err(failure("sync", &path))?;
            }
        }
        builder.complete(provenance)
    }
}

/// Names of what differs between the builds of two parts; empty for parts of one.
fn difference(first: &PartRecord, other: &PartRecord) -> String {
    let mut names = first.plan.difference(&other.plan);
    for (name, same) in [
        ("the number of parts", first.parts == other.parts),
        ("levels", first.levels == other.levels),
        ("label names", first.label_names == other.label_names),
    ] {
        if !same && !names.split(", ").any(|listed| listed == name) {
            names = if names.is_empty() { name.to_owned() } else { format!("{names}, {name}") };
        }
    }
    names
}

/// Brings a file of the part in `folder` to `output`, unless it is there.
fn bring(folder: &Path, output: &Path, file: &FileEntry, transfer: Transfer) -> Result<(), ShardError> {
    let (from, to) = (folder.join(&file.path), output.join(&file.path));
    let length = |path: &Path| fs::metadata(path).ok().map(|found| found.len());
    if length(&to) == Some(file.bytes) {
        // Of an interrupted merge.
        return Ok(());
    }
    match length(&from) {
        None => return Err(ShardError::Missing { path: from }),
        Some(found) if found != file.bytes => {
            return Err(ShardError::FileLength { path: from, expected: file.bytes, found });
        }
        Some(_) => {}
    }
    transfer.carry(&from, &to)
}

impl Transfer {
    /// Makes the file `to` of `from`; it is whole when it has its name.
    ///
    /// # Errors
    /// [`ShardError::Transfer`] where the file system does not link or rename; [`ShardError::Io`].
    pub fn carry(self, from: &Path, to: &Path) -> Result<(), ShardError> {
        let refused = |source| ShardError::Transfer { from: from.to_owned(), to: to.to_owned(), source };
        match self {
            Self::Link => fs::hard_link(from, to).map_err(refused),
            Self::Move => fs::rename(from, to).map_err(refused),
            Self::Copy => {
                let mut source = File::open(from).map_err(failure("read", from))?;
                write_atomically(to, |file| io::copy(&mut source, file).map(drop))
                    .map_err(failure("write", to))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pg_image::{Planar, Resolution};
    use serde_json::{Map, json};

    use super::*;
    use crate::{BuildPlan, FailedItem, IndexLine, OpenedPart, PartPlan, Storage};

    fn plan(seed: u64) -> BuildPlan {
        let mut settings = Map::new();
        settings.insert("seed".to_owned(), json!(seed));
        BuildPlan {
            settings,
            source_blake3: "00".to_owned(),
            items: 11,
            items_per_shard: 2,
            channels: 1,
            resolution: 8,
        }
    }

    fn storage() -> Storage {
        Storage::whole(Resolution::new(8).unwrap())
    }

    /// Item 7 fails.
    fn fill(builder: &DatasetBuilder) {
        for shard in builder.shards() {
            let mut writer = builder.shard(shard).unwrap();
            for item in builder.items_of(shard) {
                let path = format!("{item}.png");
                if item == 7 {
                    writer.fail(FailedItem::new(path, "torn"));
                    continue;
                }
                let image = Planar::from_data(1, 8, 8, vec![item as u8; 64]).unwrap();
                let line = IndexLine { path, blake3: "0".repeat(64), geometry: json!(null) };
                let encoded = storage().encode(image).unwrap();
                writer.push_encoded(&encoded, &line, &[item as f32]).unwrap();
            }
            writer.finish().unwrap();
        }
    }

    fn make_part(folder: &Path, part: usize, parts: usize, seed: u64) {
        let all = plan(seed).shards();
        let of = PartPlan { part, parts, shards: (part - 1) * all / parts..part * all / parts };
        let OpenedPart::Building(builder) =
            DatasetBuilder::open_part(folder, plan(seed), storage(), of).unwrap()
        else {
            panic!("made before");
        };
        let builder = builder.with_labels(vec!["number".to_owned()]).unwrap();
        fill(&builder);
        builder.complete_part(json!({ "counts": {} })).unwrap();
    }

    fn parts(root: &Path, parts: usize) -> Vec<PathBuf> {
        (1..=parts)
            .map(|part| {
                let folder = root.join(format!("part{part}"));
                make_part(&folder, part, parts, 0);
                folder
            })
            .collect()
    }

    fn contents(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let bytes = fs::read(&path).unwrap();
                    found.insert(path.strip_prefix(root).unwrap().to_owned(), bytes);
                }
            }
        }
        found
    }

    fn merge(set: &PartSet, output: &Path, transfer: Transfer) -> Result<Manifest, ShardError> {
        set.merge(output, transfer, json!({ "whole": true }), &mut || Ok(()))
    }

    #[test]
    fn parts_in_any_order_and_by_any_way_become_the_dataset_of_one_build() {
        let root = tempfile::tempdir().unwrap();
        let whole = root.path().join("whole");
        let Opened::Building(builder) = DatasetBuilder::open_stored(&whole, plan(0), storage()).unwrap()
        else {
            panic!("made before");
        };
        let builder = builder.with_labels(vec!["number".to_owned()]).unwrap();
        fill(&builder);
        builder.complete(json!({ "whole": true })).unwrap();
        // 6 shards: with 9 parts some are empty.
        for (count, transfer) in
            [(1, Transfer::Link), (4, Transfer::Move), (9, Transfer::Copy), (3, Transfer::Link)]
        {
            let root = tempfile::tempdir().unwrap();
            let mut folders = parts(root.path(), count);
            folders.reverse();
            let output = root.path().join("merged");
            merge(&PartSet::open(&folders).unwrap(), &output, transfer).unwrap();
            assert_eq!(contents(&output), contents(&whole), "{count} parts, {transfer:?}");
        }
    }

    #[test]
    fn a_merge_that_was_interrupted_goes_on() {
        let root = tempfile::tempdir().unwrap();
        let folders = parts(root.path(), 3);
        for (name, transfer) in [("linked", Transfer::Link), ("moved", Transfer::Move)] {
            let output = root.path().join(name);
            let set = PartSet::open(&folders).unwrap();
            let mut left = 4;
            let stop = || ShardError::NotAPart { path: PathBuf::new() };
            let mut progress = || {
                left -= 1;
                if left == 0 { Err(stop()) } else { Ok(()) }
            };
            assert!(set.merge(&output, transfer, json!(null), &mut progress).is_err());
            assert!(!output.join("dataset.json").exists());
            let manifest = merge(&PartSet::open(&folders).unwrap(), &output, transfer).unwrap();
            assert_eq!((manifest.images, manifest.failed), (10, 1));
            // And once more: nothing is left to do.
            let again = merge(&PartSet::open(&folders).unwrap(), &output, transfer).unwrap();
            assert_eq!(again, manifest);
        }
    }

    #[test]
    fn missing_doubled_foreign_and_unfinished_parts_are_named() {
        let root = tempfile::tempdir().unwrap();
        let folders = parts(root.path(), 4);
        let refused = |folders: &[PathBuf]| PartSet::open(folders).unwrap_err().to_string();
        let error = refused(&[folders[0].clone(), folders[2].clone()]);
        assert!(error.contains("parts 2, 4 of 4 are missing"), "{error}");
        let copy = root.path().join("copy");
        make_part(&copy, 2, 4, 0);
        let error = refused(&[&folders[..], std::slice::from_ref(&copy)].concat());
        assert!(error.contains("part2") && error.contains("copy"), "{error}");
        let other = root.path().join("other");
        make_part(&other, 2, 4, 1);
        let error = refused(&[folders[0].clone(), other]);
        assert!(error.contains("other") && error.contains("seed"), "{error}");
        let fifth = root.path().join("fifth");
        make_part(&fifth, 2, 5, 0);
        let error = refused(&[folders[0].clone(), fifth]);
        assert!(error.contains("the number of parts"), "{error}");
        fs::remove_file(copy.join(PART_FILE)).unwrap();
        assert!(matches!(PartSet::open(std::slice::from_ref(&copy)), Err(ShardError::NotAPart { .. })));
        fs::write(copy.join(BUILD_FILE), "{}").unwrap();
        assert!(matches!(PartSet::open(&[copy]), Err(ShardError::UnfinishedPart { .. })));
        assert!(matches!(PartSet::open(&[]), Err(ShardError::PartsMissing { .. })));
    }

    #[test]
    fn a_damaged_part_is_named_and_leaves_no_dataset() {
        let root = tempfile::tempdir().unwrap();
        let folders = parts(root.path(), 3);
        let output = root.path().join("merged");
        let file = folders[1].join("r0008/shard-00002.safetensors");
        fs::write(&file, b"short").unwrap();
        let error = merge(&PartSet::open(&folders).unwrap(), &output, Transfer::Link).unwrap_err();
        assert!(matches!(&error, ShardError::FileLength { path, .. } if *path == file), "{error}");
        fs::remove_file(&file).unwrap();
        let error = merge(&PartSet::open(&folders).unwrap(), &output, Transfer::Link).unwrap_err();
        assert!(matches!(&error, ShardError::Missing { path } if *path == file), "{error}");
        assert!(!output.join("dataset.json").exists());
    }

    #[test]
    fn a_record_that_names_other_files_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let folders = parts(root.path(), 3);
        let record = folders[0].join(PART_FILE);
        let text = fs::read_to_string(&record).unwrap();
        for (from, to) in [
            ("r0008/shard-00000.safetensors", "../../etc/passwd"),
            ("r0008/shard-00000.safetensors", "r0008/shard-00001.safetensors"),
            ("\"part\": 1", "\"part\": 4"),
            ("\"parts\": 3", "\"parts\": 900000000000"),
            ("\"shard\": 0,", "\"shard\": 5,"),
            ("pgkit-part", "pgkit-dataset"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            fs::write(&record, changed).unwrap();
            assert!(matches!(PartSet::open(&folders), Err(ShardError::Malformed { .. })), "{to}");
        }
    }
}
