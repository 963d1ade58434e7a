//! Writing one shard: images stream into temporary files of every level, then all are renamed.

use std::io;
use std::path::{Path, PathBuf};

use pg_image::{Planar, Resolution};
use serde::{Deserialize, Serialize};

use crate::files_on_disk::{write_bytes, write_json};
use crate::format::{index_path, labels_header, labels_path, record_path, shard_path};
use crate::level_file::LevelFile;
use crate::{Codec, EncodedImage, FailedItem, FileEntry, IndexLine, ShardError};

/// What a finished shard leaves in `build/` until the manifest is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardRecord {
    /// Images in it.
    pub images: usize,
    /// Its files, sorted by path.
    pub files: Vec<FileEntry>,
    /// Items that were left out.
    pub failed: Vec<FailedItem>,
}

/// One shard being written. Dropping it without [`finish`](Self::finish) removes what it wrote.
///
/// Memory: one write buffer per level, whatever the number of images, the labels, and 8 bytes per
/// compressed image.
#[derive(Debug)]
pub struct ShardWriter {
    folder: PathBuf,
    shard: usize,
    channels: usize,
    codec: Codec,
    levels: Vec<LevelFile>,
    index: Vec<u8>,
    labels: Option<LabelRows>,
    failed: Vec<FailedItem>,
    images: usize,
}

/// The label rows of a shard, f32 little-endian, one after the other.
#[derive(Debug)]
struct LabelRows {
    columns: usize,
    bytes: Vec<u8>,
}

/// What all shards of a dataset have in common.
#[derive(Debug, Clone)]
pub(crate) struct ShardLayout {
    pub(crate) channels: usize,
    pub(crate) finest_first: Vec<Resolution>,
    pub(crate) codec: Codec,
    pub(crate) label_columns: Option<usize>,
}

fn failure(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ShardError {
    move |source| ShardError::Io { action, path: path.to_owned(), source }
}

impl ShardWriter {
    /// Opens the temporary files of `shard`, which covers `items` items.
    pub(crate) fn create(
        folder: &Path,
        shard: usize,
        items: usize,
        layout: &ShardLayout,
    ) -> Result<Self, ShardError> {
        let levels = layout.finest_first.iter().map(|&r| {
            let path = folder.join(shard_path(r, shard));
            if layout.codec.compresses(r) {
                LevelFile::of_compressed(path, r)
            } else {
                LevelFile::of_raw(path, r, layout.channels, items)
            }
        });
        Ok(Self {
            folder: folder.to_owned(),
            shard,
            channels: layout.channels,
            codec: layout.codec,
            levels: levels.collect::<Result<_, _>>()?,
            index: Vec::new(),
            labels: layout.label_columns.map(|columns| LabelRows { columns, bytes: Vec::new() }),
            failed: Vec::new(),
            images: 0,
        })
    }

    /// The number of the shard.
    #[must_use]
    pub fn number(&self) -> usize {
        self.shard
    }

    /// Appends an image to a dataset without labels: `levels` are those stored, finest first, each u8
    /// `[C,R,R]`.
    ///
    /// # Errors
    /// Those of [`push_encoded`](Self::push_encoded).
    pub fn push(&mut self, levels: &[Planar<u8>], line: &IndexLine) -> Result<(), ShardError> {
        self.push_labeled(levels, line, &[])
    }

    /// Appends an image as [`push`](Self::push) does, with its row of labels.
    ///
    /// # Errors
    /// Those of [`push_encoded`](Self::push_encoded).
    pub fn push_labeled(
        &mut self,
        levels: &[Planar<u8>],
        line: &IndexLine,
        labels: &[f32],
    ) -> Result<(), ShardError> {
        self.push_encoded(&EncodedImage::new(self.codec, levels.iter().cloned())?, line, labels)
    }

    /// Appends an image as [`Storage::encode`](crate::Storage::encode) made it for this dataset, with its
    /// row of labels (empty in a dataset without).
    ///
    /// # Errors
    /// [`ShardError::ImageShape`]; [`ShardError::LabelRow`] unless the row has a value per label name;
    /// [`ShardError::Io`].
    pub fn push_encoded(
        &mut self,
        image: &EncodedImage,
        line: &IndexLine,
        labels: &[f32],
    ) -> Result<(), ShardError> {
        let columns = self.labels.as_ref().map_or(0, |rows| rows.columns);
        if labels.len() != columns {
            return Err(ShardError::LabelRow { expected: columns, found: labels.len() });
        }
        for (i, level) in self.levels.iter().enumerate() {
            let r = level.resolution().pixels();
            let expected = [self.channels, r, r];
            let found = image.levels.get(i).map_or([0; 3], |level| level.shape);
            if found != expected || image.levels.len() != self.levels.len() {
                return Err(ShardError::ImageShape { expected, found });
            }
        }
        for (level, encoded) in self.levels.iter_mut().zip(&image.levels) {
            level.push(&encoded.bytes)?;
        }
        let at = self.folder.join(index_path(self.shard));
        serde_json::to_writer(&mut self.index, line).map_err(|e| failure("write", &at)(e.into()))?;
        self.index.push(b'\n');
        if let Some(rows) = &mut self.labels {
            rows.bytes.extend(labels.iter().flat_map(|value| value.to_le_bytes()));
        }
        self.images += 1;
        Ok(())
    }

    /// Notes an item of this shard that is left out.
    pub fn fail(&mut self, item: FailedItem) {
        self.failed.push(item);
    }

    /// Completes the shard: headers, sync, rename of all levels, then the record, then the index file,
    /// whose presence marks a finished shard.
    ///
    /// # Errors
    /// [`ShardError::Io`]; the shard then counts as not written.
    pub fn finish(mut self) -> Result<(), ShardError> {
        self.finish_files().map(drop)
    }

    /// As [`finish`](Self::finish); the files of the shard, sorted by path.
    pub(crate) fn finish_files(&mut self) -> Result<Vec<FileEntry>, ShardError> {
        let mut files = Vec::new();
        let finished = self.finish_into(&mut files);
        if finished.is_err() {
            // On a full disk they would be in the way.
            for file in &files {
                let _ = std::fs::remove_file(self.folder.join(&file.path));
            }
        }
        finished.map(|()| files)
    }

    fn finish_into(&mut self, files: &mut Vec<FileEntry>) -> Result<(), ShardError> {
        for level in std::mem::take(&mut self.levels) {
            // Without images the file is removed as it is dropped.
            if self.images > 0 {
                let path = shard_path(level.resolution(), self.shard);
                files.push(level.finish(path)?);
            }
        }
        if let Some(rows) = self.labels.as_ref().filter(|_| self.images > 0) {
            let path = labels_path(self.shard);
            let mut bytes = labels_header(self.images, rows.columns);
            bytes.extend_from_slice(&rows.bytes);
            write_bytes(&self.folder.join(&path), &bytes)?;
            files.push(entry(path, &bytes));
        }
        let index = index_path(self.shard);
        files.push(entry(index.clone(), &self.index));
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let failed = std::mem::take(&mut self.failed);
        let record = ShardRecord { images: self.images, files: files.clone(), failed };
        write_json(&self.folder.join(record_path(self.shard)), &record)?;
        write_bytes(&self.folder.join(index), &self.index)
    }
}

fn entry(path: String, bytes: &[u8]) -> FileEntry {
    FileEntry { path, bytes: bytes.len() as u64, blake3: blake3::hash(bytes).to_hex().to_string() }
}
