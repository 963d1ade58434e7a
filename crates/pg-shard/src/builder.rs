//! Building a dataset shard by shard, resumable after any interruption.

use std::fs;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use pg_image::Resolution;
use serde_json::Value;

use crate::files_on_disk::{write_bytes, write_json};
use crate::format::{
    BUILD_FOLDER, DOWNSCALE_FILTER, FAILED_FILE, FORMAT_NAME, FORMAT_VERSION, FORMAT_VERSION_COMPRESSED,
    LABELS_FOLDER, MANIFEST_FILE, MAX_IMAGES, MAX_LABELS, MAX_SHARDS, PART_FILE, PART_FORMAT_NAME,
    PART_FORMAT_VERSION, index_path, labels_path, level_folder, record_path, shard_path,
};
use crate::manifest::are_label_names;
use crate::output_folder::{Claimed, OutputFolder, gone};
use crate::part::{PartRecord, PartShard};
use crate::shard_writer::{ShardLayout, ShardRecord};
use crate::{
    BuildPlan, Codec, FailedItem, Manifest, PartPlan, PartSummary, ShardEntry, ShardError, ShardWriter,
    Storage,
};

/// What [`DatasetBuilder::open`] found.
#[derive(Debug)]
pub enum Opened {
    /// Work to do: a new build, or one to go on with.
    Building(Box<DatasetBuilder>),
    /// The same plan was completed before.
    Complete(Box<Manifest>),
}

/// What [`DatasetBuilder::open_part`] found.
#[derive(Debug)]
pub enum OpenedPart {
    /// Work to do: a new part, or one to go on with.
    Building(Box<DatasetBuilder>),
    /// The same part of the same plan was completed before.
    Complete(PartSummary),
}

/// A dataset, or a part of one, being built. Holds the lock of its folder until dropped.
#[derive(Debug)]
pub struct DatasetBuilder {
    output: OutputFolder,
    plan: BuildPlan,
    storage: Storage,
    finished: Vec<bool>,
    label_names: Option<Vec<String>>,
    part: Option<PartPlan>,
}

fn failure(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ShardError {
    move |source| ShardError::Io { action, path: path.to_owned(), source }
}

impl DatasetBuilder {
    /// Begins or goes on with the dataset of `plan` in `folder`, which is made when it is missing.
    ///
    /// # Errors
    /// [`ShardError::NotEmpty`], [`ShardError::OtherBuild`], [`ShardError::OtherDataset`],
    /// [`ShardError::Locked`] when the folder is taken; [`ShardError::Limit`] for a plan beyond the
    /// format; [`ShardError::Io`].
    pub fn open(folder: &Path, plan: BuildPlan) -> Result<Opened, ShardError> {
        let packed = Resolution::new(plan.resolution.into())
            .map_err(|e| ShardError::Malformed { path: folder.to_owned(), detail: e.to_string() })?;
        Self::open_stored(folder, plan, Storage::whole(packed))
    }

    /// As [`open`](Self::open), with other levels than all or another codec than raw, which become part of
    /// the plan's settings.
    ///
    /// # Errors
    /// Those of [`open`](Self::open); [`ShardError::Levels`].
    pub fn open_stored(folder: &Path, plan: BuildPlan, storage: Storage) -> Result<Opened, ShardError> {
        storage.check()?;
        check_limits(&plan)?;
        let plan = storage.recorded_in(plan);
        let output = match OutputFolder::claim(folder, &plan, MANIFEST_FILE)? {
            Claimed::Begun(output) => output,
            Claimed::Done => {
                let found = Manifest::read(folder)?;
                if found.plan_blake3 != plan.blake3() {
                    return Err(ShardError::OtherDataset { path: folder.to_owned() });
                }
                return Ok(Opened::Complete(Box::new(found)));
            }
        };
        Ok(Opened::Building(Box::new(Self::begin(output, plan, storage, None)?)))
    }

    /// As [`open_stored`](Self::open_stored), for the shards of `part` only, which [`complete_part`](Self::complete_part)
    /// completes; [`PartSet`](crate::PartSet) makes a dataset of all parts.
    ///
    /// # Errors
    /// Those of [`open_stored`](Self::open_stored).
    pub fn open_part(
        folder: &Path,
        plan: BuildPlan,
        storage: Storage,
        part: PartPlan,
    ) -> Result<OpenedPart, ShardError> {
        storage.check()?;
        check_limits(&plan)?;
        let claim = Self::claim_of(&plan, &storage, Some(&part));
        let plan = storage.recorded_in(plan);
        let output = match OutputFolder::claim(folder, &claim, PART_FILE)? {
            Claimed::Begun(output) => output,
            Claimed::Done => {
                let found = PartRecord::read(folder)?;
                if found.plan != plan || (found.part, found.parts) != (part.part, part.parts) {
                    return Err(ShardError::OtherDataset { path: folder.to_owned() });
                }
                return Ok(OpenedPart::Complete(found.summary()));
            }
        };
        Ok(OpenedPart::Building(Box::new(Self::begin(output, plan, storage, Some(part))?)))
    }

    /// The plan that a folder is claimed by for `plan` or a `part` of it: levels and codec are in it.
    #[must_use]
    pub fn claim_of(plan: &BuildPlan, storage: &Storage, part: Option<&PartPlan>) -> BuildPlan {
        let plan = storage.recorded_in(plan.clone());
        part.map_or_else(|| plan.clone(), |part| part.claim(&plan))
    }

    fn begin(
        output: OutputFolder,
        plan: BuildPlan,
        storage: Storage,
        part: Option<PartPlan>,
    ) -> Result<Self, ShardError> {
        let folder = output.path();
        let folders = storage.levels.iter().map(|&r| level_folder(r));
        for name in folders.chain(["index".to_owned(), BUILD_FOLDER.to_owned()]) {
            let path = folder.join(name);
            fs::create_dir_all(&path).map_err(failure("create", &path))?;
        }
        let finished = (0..plan.shards()).map(|s| read_record(folder, s).is_some()).collect();
        Ok(Self { output, plan, storage, finished, label_names: None, part })
    }

    /// The same build with a label row for every image, to be written by [`ShardWriter::push_labeled`].
    ///
    /// Names and values must be part of the plan's settings (their hash is enough), so that a build
    /// is not gone on with under other labels.
    ///
    /// # Errors
    /// [`ShardError::LabelNames`]; [`ShardError::Io`].
    pub fn with_labels(mut self, names: Vec<String>) -> Result<Self, ShardError> {
        if !are_label_names(&names) {
            return Err(ShardError::LabelNames { found: names.len(), limit: MAX_LABELS });
        }
        let path = self.output.path().join(LABELS_FOLDER);
        fs::create_dir_all(&path).map_err(failure("create", &path))?;
        self.label_names = Some(names);
        Ok(self)
    }

    /// The dataset's folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.output.path()
    }

    /// Levels and codec.
    #[must_use]
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// The plan given to [`open`](Self::open).
    #[must_use]
    pub fn plan(&self) -> &BuildPlan {
        &self.plan
    }

    /// True when an earlier run of the same plan began this build.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.output.is_resumed()
    }

    /// True when `shard` was finished by an earlier run.
    #[must_use]
    pub fn is_finished(&self, shard: usize) -> bool {
        self.finished.get(shard).copied().unwrap_or(false)
    }

    /// When `shard` was finished.
    #[must_use]
    pub fn finished_at(&self, shard: usize) -> Option<SystemTime> {
        if !self.is_finished(shard) {
            return None;
        }
        fs::metadata(self.output.path().join(record_path(shard))).and_then(|found| found.modified()).ok()
    }

    /// Takes `shard` for one that is still to be built.
    ///
    /// # Errors
    /// [`ShardError::Io`].
    pub fn forget(&mut self, shard: usize) -> Result<(), ShardError> {
        let path = self.output.path().join(record_path(shard));
        gone(fs::remove_file(&path), &path)?;
        if let Some(finished) = self.finished.get_mut(shard) {
            *finished = false;
        }
        Ok(())
    }

    /// The shards to build: all of the plan, or those of the part.
    #[must_use]
    pub fn shards(&self) -> std::ops::Range<usize> {
        self.part.as_ref().map_or(0..self.plan.shards(), |part| part.shards.clone())
    }

    /// The positions in the source list that `shard` covers.
    #[must_use]
    pub fn items_of(&self, shard: usize) -> std::ops::Range<usize> {
        let start = (shard * self.plan.items_per_shard).min(self.plan.items);
        start..(start + self.plan.items_per_shard).min(self.plan.items)
    }

    /// Begins `shard`. Shards are independent: any order, also from several threads.
    ///
    /// # Errors
    /// [`ShardError::Io`].
    pub fn shard(&self, shard: usize) -> Result<ShardWriter, ShardError> {
        let layout = ShardLayout {
            channels: self.plan.channels,
            finest_first: self.storage.finest_first(),
            codec: self.storage.codec,
            label_columns: self.label_names.as_ref().map(Vec::len),
        };
        ShardWriter::create(self.output.path(), shard, self.items_of(shard).len(), &layout)
    }

    /// Images and left-out items of the shards finished so far.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let records = self.shards().filter_map(|s| read_record(self.output.path(), s));
        records.fold((0, 0), |(done, failed), r| (done + r.images as u64, failed + r.failed.len() as u64))
    }

    /// Gives the build up: removes all that it wrote, and the folders that it made where nothing else is in them.
    ///
    /// # Errors
    /// [`ShardError::Io`].
    pub fn discard(self) -> Result<(), ShardError> {
        let folder = self.output.path().to_owned();
        for shard in self.shards() {
            let levels = self.storage.levels.iter().map(|&r| shard_path(r, shard));
            for path in levels.chain([index_path(shard), labels_path(shard)]).map(|path| folder.join(path)) {
                gone(fs::remove_file(&path), &path)?;
            }
        }
        let levels = self.storage.levels.iter().map(|&r| level_folder(r));
        let folders: Vec<_> = levels.chain(["index".to_owned(), LABELS_FOLDER.to_owned()]).collect();
        let folders: Vec<_> = folders.iter().map(|name| folder.join(name)).collect();
        self.output.give_up(&folders)
    }

    /// Writes `failed.jsonl` and, last, the manifest; then removes the traces of the build.
    ///
    /// # Errors
    /// [`ShardError::Unfinished`] when a shard is not there; [`ShardError::Io`].
    pub fn complete(self, provenance: Value) -> Result<Manifest, ShardError> {
        let mut manifest = Manifest {
            format: FORMAT_NAME.to_owned(),
            format_version: match self.storage.codec {
                Codec::Raw => FORMAT_VERSION,
                Codec::MedZstd => FORMAT_VERSION_COMPRESSED,
            },
            images: 0,
            channels: self.plan.channels,
            resolutions: self.storage.levels.iter().map(|&r| r.into()).collect(),
            label_names: self.label_names.clone(),
            downscale_filter: DOWNSCALE_FILTER.to_owned(),
            codec: self.storage.codec,
            items_per_shard: self.plan.items_per_shard,
            failed: 0,
            plan_blake3: self.plan.blake3(),
            shards: Vec::new(),
            files: Vec::new(),
            provenance,
        };
        let mut failed = Vec::new();
        for PartShard { shard, record } in self.records()? {
            manifest.images += record.images as u64;
            manifest.shards.push(ShardEntry { shard, images: record.images });
            manifest.files.extend(record.files);
            failed.extend(record.failed);
        }
        manifest.failed = failed.len() as u64;
        manifest.files.sort_by(|a, b| a.path.cmp(&b.path));
        let failed = self.write_failed(&failed)?;
        manifest.write(self.output.path(), failed.as_deref())?;
        self.output.release()?;
        Ok(manifest)
    }

    /// Writes `failed.jsonl` and, last, `part.json`; then removes the traces of the build.
    ///
    /// # Errors
    /// [`ShardError::Unfinished`] when a shard is not there, or all of a dataset were built; [`ShardError::Io`].
    pub fn complete_part(self, provenance: Value) -> Result<PartSummary, ShardError> {
        let Some(PartPlan { part, parts, .. }) = self.part else {
            return Err(ShardError::Unfinished { path: self.output.path().to_owned() });
        };
        let record = PartRecord {
            format: PART_FORMAT_NAME.to_owned(),
            format_version: PART_FORMAT_VERSION,
            part,
            parts,
            plan: self.plan.clone(),
            levels: self.storage.levels.iter().map(|&r| r.into()).collect(),
            codec: self.storage.codec,
            label_names: self.label_names.clone(),
            shards: self.records()?,
            provenance,
        };
        let failed: Vec<_> = record.shards.iter().flat_map(|s| s.record.failed.clone()).collect();
        self.write_failed(&failed)?;
        write_json(&self.output.path().join(PART_FILE), &record)?;
        self.output.release()?;
        Ok(record.summary())
    }

    fn records(&self) -> Result<Vec<PartShard>, ShardError> {
        let record = |shard| {
            let record = read_record(self.output.path(), shard);
            let record =
                record.ok_or_else(|| ShardError::Unfinished { path: self.output.path().to_owned() })?;
            Ok(PartShard { shard, record })
        };
        self.shards().map(record).collect()
    }

    /// The text of `failed.jsonl`, written where there is any.
    fn write_failed(&self, failed: &[FailedItem]) -> Result<Option<Vec<u8>>, ShardError> {
        let mut text = Vec::new();
        for item in failed {
            text.extend(serde_json::to_vec(item).unwrap_or_default());
            text.push(b'\n');
        }
        if text.is_empty() {
            return Ok(None);
        }
        write_bytes(&self.output.path().join(FAILED_FILE), &text)?;
        Ok(Some(text))
    }
}

fn check_limits(plan: &BuildPlan) -> Result<(), ShardError> {
    if plan.items as u64 > MAX_IMAGES {
        return Err(ShardError::Limit {
            what: "the number of images",
            found: plan.items as u64,
            limit: MAX_IMAGES,
            remedy: "split the source",
        });
    }
    if plan.shards() > MAX_SHARDS {
        return Err(ShardError::Limit {
            what: "the number of shards",
            found: plan.shards() as u64,
            limit: MAX_SHARDS as u64,
            remedy: "raise --images-per-shard",
        });
    }
    Ok(())
}

/// The record of a shard whose index file and level files are there with their lengths.
fn read_record(folder: &Path, shard: usize) -> Option<ShardRecord> {
    if !folder.join(index_path(shard)).is_file() {
        return None;
    }
    let record: ShardRecord =
        serde_json::from_slice(&fs::read(folder.join(record_path(shard))).ok()?).ok()?;
    let there = |f: &crate::FileEntry| crate::dataset::check_length(folder, f).is_ok();
    record.files.iter().all(there).then_some(record)
}
