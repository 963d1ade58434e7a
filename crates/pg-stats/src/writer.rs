//! Describing a set of images, one by one, by any number of threads.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use blake3::Hash;
use pg_image::Planar;
use pg_image::files::put_in_place;
use pg_metrics::{MetricsError, Side, SwdDescriber, SwdLayout};
use serde_json::Value;

use crate::format::{ImageRow, Places, Tables, header};
use crate::{Stats, StatsError, StatsProtocol, record_bytes};

/// A statistics file in the making. Dropped before [`finish`](Self::finish), it leaves nothing behind.
#[derive(Debug)]
pub struct StatsWriter {
    describer: SwdDescriber,
    protocol: StatsProtocol,
    provenance: Value,
    places: Places,
    file: File,
    target: Target,
    tables: Mutex<Tables>,
}

#[derive(Debug)]
enum Target {
    /// A file without a name, in this folder.
    Scratch(PathBuf),
    Named {
        path: PathBuf,
        temporary: Temporary,
    },
}

/// A file that is removed unless it was renamed.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // After renaming there is nothing of this name.
        let _ = fs::remove_file(&self.0);
    }
}

impl StatsWriter {
    /// For `image_count` images of the reference, with patches drawn by `seed`, to be kept at `path`.
    ///
    /// # Errors
    /// [`StatsError::Io`]
    pub fn create(
        path: &Path,
        layout: SwdLayout,
        seed: u64,
        image_count: usize,
        provenance: Value,
    ) -> Result<Self, StatsError> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".partial");
        let temporary = PathBuf::from(temporary);
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&temporary);
        let file = file.map_err(StatsError::io("write", &temporary))?;
        let target = Target::Named { path: path.to_owned(), temporary: Temporary(temporary) };
        Ok(Self::new(SwdDescriber::new(layout, Side::Real, seed), image_count, provenance, file, target))
    }

    /// For images that are compared at once: a file without a name in `folder`, gone with the process,
    /// whatever ends it.
    ///
    /// # Errors
    /// [`StatsError::Io`]
    pub fn scratch(
        folder: &Path,
        layout: SwdLayout,
        side: Side,
        seed: u64,
        image_count: usize,
    ) -> Result<Self, StatsError> {
        let file = tempfile::tempfile_in(folder);
        let file = file.map_err(StatsError::io("make a scratch file in", folder))?;
        let target = Target::Scratch(folder.to_owned());
        Ok(Self::new(SwdDescriber::new(layout, side, seed), image_count, Value::Null, file, target))
    }

    fn new(
        describer: SwdDescriber,
        image_count: usize,
        provenance: Value,
        file: File,
        target: Target,
    ) -> Self {
        let layout = describer.layout();
        let protocol = StatsProtocol::new(layout, describer.seed());
        let tables = Tables::empty(image_count, layout.kept().len());
        let any = tables.content(&protocol);
        let header_bytes = header(&protocol, layout, image_count, &any, &provenance).len();
        let places = Places::new(layout, image_count, header_bytes);
        Self { describer, protocol, provenance, places, file, target, tables: Mutex::new(tables) }
    }

    /// Number of images.
    #[must_use]
    pub fn image_count(&self) -> usize {
        self.places.image_count
    }

    /// Bytes of the file when it is finished.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.places.end()
    }

    /// Describes image `index`, `[3,R,R]`, u8, whose file is called `name`; for any thread, in any order.
    ///
    /// # Errors
    /// - [`StatsError::Metrics`] for an image of another size, and beyond the number of images
    /// - [`StatsError::Io`]
    pub fn put(&self, index: usize, name: &str, image: &Planar<u8>) -> Result<(), StatsError> {
        let record = self.describer.describe(index, name, image)?;
        let pixels = match self.target {
            // Nobody will ask which images these were.
            Target::Scratch(_) => Hash::from_bytes([0; 32]),
            Target::Named { .. } => blake3::hash(image.data()),
        };
        let bytes = record.levels.iter().map(record_bytes::to_bytes);
        self.put_bytes(index, ImageRow { key: record.key.0, pixels }, bytes)
    }

    /// Files an image whose records are given as bytes, finest level first.
    pub(crate) fn put_bytes(
        &self,
        index: usize,
        row: ImageRow,
        records: impl Iterator<Item = impl AsRef<[u8]>>,
    ) -> Result<(), StatsError> {
        if index >= self.image_count() {
            let (count, problem) = (self.image_count(), "out of range");
            return Err(MetricsError::ImageIndex { index, count, problem }.into());
        }
        let kept = self.places.kept().len();
        let mut digests = Vec::with_capacity(kept);
        for (level, bytes) in records.enumerate() {
            let bytes = bytes.as_ref();
            digests.push(blake3::hash(bytes));
            self.write(bytes, self.places.record(level, index))?;
        }
        let mut tables = self.tables();
        tables.images[index] = row;
        tables.records[index * kept..][..kept].copy_from_slice(&digests);
        Ok(())
    }

    /// Once every image was put: writes header and tables and, unless this is a scratch file, gives it its name.
    ///
    /// # Errors
    /// [`StatsError::Io`]; nothing is left behind then, and what had the name before is still there.
    pub fn finish(self) -> Result<Stats, StatsError> {
        let tables = self.tables.into_inner().unwrap_or_else(PoisonError::into_inner);
        let content = tables.content(&self.protocol);
        let layout = self.describer.layout();
        let mut bytes = header(&self.protocol, layout, self.places.image_count, &content, &self.provenance);
        bytes.extend(tables.to_bytes());
        self.file.write_all_at(&bytes, 0).map_err(StatsError::io("write", self.target.path()))?;
        if let Target::Named { path, temporary } = &self.target {
            put_in_place(&self.file, &temporary.0, path).map_err(StatsError::io("write", path))?;
        }
        Ok(Stats {
            name: self.target.path().to_owned(),
            file: self.file,
            describer: self.describer,
            protocol: self.protocol,
            provenance: self.provenance,
            places: self.places,
            tables,
            content,
        })
    }

    fn write(&self, bytes: &[u8], at: u64) -> Result<(), StatsError> {
        self.file.write_all_at(bytes, at).map_err(StatsError::io("write", self.target.path()))
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Target {
    fn path(&self) -> &Path {
        match self {
            Self::Scratch(folder) => folder,
            Self::Named { path, .. } => path,
        }
    }
}
