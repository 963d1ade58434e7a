//! Writing one shard: images stream into temporary files of every level, then all are renamed.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use pg_image::{Planar, Resolution, files::write_atomically};
use serde::{Deserialize, Serialize};

use crate::format::{
    HEADER_BYTES, index_path, labels_header, labels_path, record_path, shard_header, shard_path,
};
use crate::manifest::write_json;
use crate::{FailedItem, FileEntry, IndexLine, ShardError};

/// What a finished shard leaves in `build/` until the manifest is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShardRecord {
    pub(crate) images: usize,
    pub(crate) files: Vec<FileEntry>,
    pub(crate) failed: Vec<FailedItem>,
}

/// One shard being written. Dropping it without [`finish`](Self::finish) removes what it wrote.
///
/// Memory: one write buffer per level, whatever the number of images, and the labels.
#[derive(Debug)]
pub struct ShardWriter {
    folder: PathBuf,
    shard: usize,
    channels: usize,
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

#[derive(Debug)]
struct LevelFile {
    resolution: Resolution,
    temporary: PathBuf,
    /// `None` once handed over to its final name.
    file: Option<BufWriter<File>>,
}

impl Drop for LevelFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

fn failure(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ShardError {
    move |source| ShardError::Io { action, path: path.to_owned(), source }
}

impl ShardWriter {
    /// Opens the temporary files of `shard`, levels finest first.
    pub(crate) fn create(
        folder: &Path,
        shard: usize,
        channels: usize,
        finest_first: &[Resolution],
        label_columns: Option<usize>,
    ) -> Result<Self, ShardError> {
        let levels = finest_first
            .iter()
            .map(|&resolution| {
                let temporary = folder.join(shard_path(resolution, shard) + ".partial");
                let open = || {
                    let mut file = BufWriter::with_capacity(1 << 18, File::create(&temporary)?);
                    file.write_all(&[0; HEADER_BYTES])?;
                    Ok(file)
                };
                let file = open().map_err(failure("write", &temporary))?;
                Ok(LevelFile { resolution, temporary, file: Some(file) })
            })
            .collect::<Result<Vec<_>, ShardError>>()?;
        Ok(Self {
            folder: folder.to_owned(),
            shard,
            channels,
            levels,
            index: Vec::new(),
            labels: label_columns.map(|columns| LabelRows { columns, bytes: Vec::new() }),
            failed: Vec::new(),
            images: 0,
        })
    }

    /// Appends an image to a dataset without labels: `levels` are its pyramid, finest first, each u8
    /// `[C,R,R]`.
    ///
    /// # Errors
    /// [`ShardError::ImageShape`]; [`ShardError::LabelRow`] in a dataset with labels;
    /// [`ShardError::Io`].
    pub fn push(&mut self, levels: &[Planar<u8>], line: &IndexLine) -> Result<(), ShardError> {
        self.push_labeled(levels, line, &[])
    }

    /// Appends an image as [`push`](Self::push) does, with its row of labels.
    ///
    /// # Errors
    /// [`ShardError::ImageShape`]; [`ShardError::LabelRow`] unless the row has a value per label name;
    /// [`ShardError::Io`].
    pub fn push_labeled(
        &mut self,
        levels: &[Planar<u8>],
        line: &IndexLine,
        labels: &[f32],
    ) -> Result<(), ShardError> {
        let columns = self.labels.as_ref().map_or(0, |rows| rows.columns);
        if labels.len() != columns {
            return Err(ShardError::LabelRow { expected: columns, found: labels.len() });
        }
        for (i, level) in self.levels.iter().enumerate() {
            let r = level.resolution.pixels();
            let expected = [self.channels, r, r];
            let found = levels.get(i).map_or([0; 3], |p| [p.channels(), p.height(), p.width()]);
            if found != expected || levels.len() != self.levels.len() {
                return Err(ShardError::ImageShape { expected, found });
            }
        }
        for (level, pixels) in self.levels.iter_mut().zip(levels) {
            if let Some(file) = &mut level.file {
                file.write_all(pixels.data()).map_err(failure("write", &level.temporary))?;
            }
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
        let mut files = Vec::new();
        for level in &mut self.levels {
            let Some(writer) = level.file.take() else { continue };
            if self.images == 0 {
                drop(writer);
                fs::remove_file(&level.temporary).map_err(failure("remove", &level.temporary))?;
                continue;
            }
            let header = shard_header(self.images, self.channels, level.resolution);
            let path = shard_path(level.resolution, self.shard);
            let finish = || -> io::Result<()> {
                let mut file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
                file.seek(SeekFrom::Start(0))?;
                file.write_all(&header)?;
                file.sync_all()?;
                fs::rename(&level.temporary, self.folder.join(&path))
            };
            finish().map_err(failure("write", &level.temporary))?;
            sync_parent(&self.folder.join(&path))?;
            files.push(entry(&self.folder, path)?);
        }
        if let Some(rows) = self.labels.as_ref().filter(|_| self.images > 0) {
            let path = labels_path(self.shard);
            let full = self.folder.join(&path);
            let header = labels_header(self.images, rows.columns);
            write_atomically(&full, |file| {
                file.write_all(&header)?;
                file.write_all(&rows.bytes)
            })
            .map_err(failure("write", &full))?;
            files.push(entry(&self.folder, path)?);
        }
        let index = index_path(self.shard);
        files.push(FileEntry {
            bytes: self.index.len() as u64,
            blake3: blake3::hash(&self.index).to_hex().to_string(),
            path: index.clone(),
        });
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let record = ShardRecord { images: self.images, files, failed: std::mem::take(&mut self.failed) };
        write_json(&self.folder.join(record_path(self.shard)), &record)?;
        let index = self.folder.join(index);
        write_atomically(&index, |file| file.write_all(&self.index)).map_err(failure("write", &index))
    }
}

fn sync_parent(path: &Path) -> Result<(), ShardError> {
    let Some(parent) = path.parent() else { return Ok(()) };
    File::open(parent).and_then(|f| f.sync_all()).map_err(failure("sync", parent))
}

/// Length and BLAKE3 of a file just written (its header is known last, so it is read once more).
fn entry(folder: &Path, path: String) -> Result<FileEntry, ShardError> {
    let (bytes, blake3) = length_and_blake3(&folder.join(&path))?;
    Ok(FileEntry { path, bytes, blake3 })
}

pub(crate) fn length_and_blake3(path: &Path) -> Result<(u64, String), ShardError> {
    let read = || -> io::Result<(u64, String)> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(path)?)?;
        Ok((hasher.count(), hasher.finalize().to_hex().to_string()))
    };
    read().map_err(failure("read", path))
}
