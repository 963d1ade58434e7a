//! Describing a set of images, one by one, by any number of threads.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use blake3::{Hash, Hasher};
use pg_image::Planar;
use pg_image::files::NewFile;
use pg_metrics::{FeatureGaussian, MetricsError, Side, SwdDescriber};
use serde_json::Value;

use crate::format::{ImageRow, Places, Tables, header};
use crate::records::{RecordKind, kinds};
use crate::{Stats, StatsError, StatsProtocol, record_bytes};

/// A statistics file in the making. Dropped before [`finish`](Self::finish), it leaves nothing behind.
#[derive(Debug)]
pub struct StatsWriter {
    describer: Option<SwdDescriber>,
    protocol: StatsProtocol,
    provenance: Value,
    places: Places,
    file: File,
    target: Target,
    tables: Mutex<Tables>,
}

/// What a network says of an image.
#[derive(Debug, Clone, Copy)]
pub struct NetworkRow<'a> {
    /// `[feature_width]`
    pub features: &'a [f32],
    /// `[classes]`; empty where the network has none.
    pub logits: &'a [f32],
}

#[derive(Debug)]
enum Target {
    /// A file without a name, in this folder.
    Scratch(PathBuf),
    Named {
        path: PathBuf,
        new: NewFile,
    },
}

impl StatsWriter {
    /// For `image_count` images of the reference, described by `protocol`, to be kept at `path`.
    ///
    /// # Errors
    /// - [`StatsError::Metrics`] for a protocol that cannot be
    /// - [`StatsError::Io`]
    pub fn create(
        path: &Path,
        protocol: StatsProtocol,
        image_count: usize,
        provenance: Value,
    ) -> Result<Self, StatsError> {
        let new = NewFile::create(path).map_err(StatsError::io("write", path))?;
        let file = new.file().map_err(StatsError::io("write", path))?;
        let target = Target::Named { path: path.to_owned(), new };
        Self::new(protocol, Side::Real, image_count, provenance, file, target)
    }

    /// For images that are compared at once: a file without a name in `folder`, gone with the process,
    /// whatever ends it.
    ///
    /// # Errors
    /// Those of [`create`](Self::create).
    pub fn scratch(
        folder: &Path,
        protocol: StatsProtocol,
        side: Side,
        image_count: usize,
    ) -> Result<Self, StatsError> {
        let file = tempfile::tempfile_in(folder);
        let file = file.map_err(StatsError::io("make a scratch file in", folder))?;
        Self::new(protocol, side, image_count, Value::Null, file, Target::Scratch(folder.to_owned()))
    }

    fn new(
        protocol: StatsProtocol,
        side: Side,
        image_count: usize,
        provenance: Value,
        file: File,
        target: Target,
    ) -> Result<Self, StatsError> {
        let (layout, kinds) = kinds(&protocol)?;
        let seed = protocol.swd.as_ref().map_or(0, |swd| swd.seed);
        let describer = layout.map(|layout| SwdDescriber::new(layout, side, seed));
        let tables = Tables::empty(image_count, kinds.len());
        let any = Hash::from_bytes([0; 32]);
        let header_bytes = header(&protocol, &kinds, image_count, &any, &provenance).len();
        let places = Places::new(&protocol, kinds, image_count, header_bytes);
        Ok(Self { describer, protocol, provenance, places, file, target, tables: Mutex::new(tables) })
    }

    /// What is kept of each image.
    #[must_use]
    pub fn protocol(&self) -> &StatsProtocol {
        &self.protocol
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

    /// Describes image `index`, u8 `[3,H,W]`, whose file is called `name`, and of which the network of the protocol
    /// says `network`; for any thread, in any order.
    ///
    /// # Errors
    /// - [`StatsError::Metrics`] for an image of another size, beyond the number of images, and for features of another
    ///   length than the protocol has
    /// - [`StatsError::OutputNotFinite`]
    /// - [`StatsError::Io`]
    pub fn put(
        &self,
        index: usize,
        name: &str,
        image: &Planar<u8>,
        network: Option<NetworkRow<'_>>,
    ) -> Result<(), StatsError> {
        if let Some(row) = network {
            self.check_finite(index, row)?;
        }
        let pixels = match self.target {
            // Nobody will ask which images these were.
            Target::Scratch(_) => Hash::from_bytes([0; 32]),
            Target::Named { .. } => blake3::hash(image.data()),
        };
        let described =
            self.describer.as_ref().map(|describer| describer.describe(index, name, image)).transpose()?;
        let key = described.as_ref().map_or_else(|| key_of(name, &pixels), |described| described.key.0);
        let levels = described.iter().flat_map(|described| &described.levels).map(record_bytes::to_bytes);
        let rows = network.iter().flat_map(|row| [row.features, row.logits]);
        let rows =
            rows.filter(|values| !values.is_empty()).map(|values| record_bytes::of_floats(values).into());
        let records: Vec<_> = levels.chain(rows).collect();
        let lengths = records.iter().map(|record| Some(record.len()));
        if !lengths.eq(self.places.kinds().iter().map(RecordKind::bytes)) {
            let (name, expected) = ("what is said of an image", "as many numbers as its protocol has");
            return Err(MetricsError::Parameter {
                name,
                expected,
                actual: format!("{} records", records.len()),
            }
            .into());
        }
        self.put_bytes(index, ImageRow { key, pixels }, records.into_iter())
    }

    /// Refuses what no metric can take.
    fn check_finite(&self, index: usize, row: NetworkRow<'_>) -> Result<(), StatsError> {
        let network = self.protocol.network.as_ref();
        let outputs = [
            (row.features, network.map(|network| network.features.clone())),
            (row.logits, network.and_then(|network| network.logits.clone())),
        ];
        for (values, output) in outputs {
            if let Some(place) = values.iter().position(|value| !value.is_finite()) {
                let (output, value) = (output.unwrap_or_default(), values[place]);
                return Err(StatsError::OutputNotFinite { index, output, place, value });
            }
        }
        Ok(())
    }

    /// Files an image whose records are given as bytes, in the order of the file.
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
        let kinds = self.places.kinds().len();
        let mut digests = Vec::with_capacity(kinds);
        for (kind, bytes) in records.enumerate() {
            let bytes = bytes.as_ref();
            digests.push(blake3::hash(bytes));
            self.write(bytes, self.places.record(kind, index))?;
        }
        let mut tables = self.tables();
        tables.images[index] = row;
        tables.records[index * kinds..][..kinds].copy_from_slice(&digests);
        Ok(())
    }

    /// Once every image was put: writes header and tables and, unless this is a scratch file, gives it its name.
    ///
    /// # Errors
    /// [`StatsError::Io`]; nothing is left behind then, and what had the name before is still there.
    pub fn finish(self) -> Result<Stats, StatsError> {
        self.finish_with(None)
    }

    /// Statistics of images that are not known: `moments` is all there is. The protocol has to say so.
    ///
    /// # Errors
    /// [`StatsError::Io`], [`StatsError::Metrics`] for features of another length than the protocol has,
    /// [`StatsError::NotFinite`]
    pub fn finish_moments(self, moments: FeatureGaussian) -> Result<Stats, StatsError> {
        moments_are_finite(self.target.path(), &moments)?;
        self.finish_with(Some(moments))
    }

    fn finish_with(self, moments: Option<FeatureGaussian>) -> Result<Stats, StatsError> {
        let values = moments.iter().flat_map(|moments| moments.mean.iter().chain(&moments.covariance));
        let moment_bytes: Vec<u8> = values.flat_map(|value| value.to_le_bytes()).collect();
        let (at, expected) = self.places.moments();
        if moment_bytes.len() != expected {
            let (name, expected) = ("length of mean and covariance", "as the protocol has");
            return Err(
                MetricsError::Parameter { name, expected, actual: moment_bytes.len().to_string() }.into()
            );
        }
        let tables = self.tables.into_inner().unwrap_or_else(PoisonError::into_inner);
        let content = tables.content(&self.protocol, &moment_bytes);
        let (kinds, count) = (self.places.kinds(), self.places.image_count);
        let mut bytes = header(&self.protocol, kinds, count, &content, &self.provenance);
        bytes.extend(tables.to_bytes());
        for (bytes, at) in [(&bytes, 0), (&moment_bytes, at)] {
            self.file.write_all_at(bytes, at).map_err(StatsError::io("write", self.target.path()))?;
        }
        let name = self.target.path().to_owned();
        if let Target::Named { path, new } = self.target {
            new.finish().map_err(StatsError::io("write", &path))?;
        }
        Ok(Stats {
            name,
            file: self.file,
            describer: self.describer,
            protocol: self.protocol,
            provenance: self.provenance,
            places: self.places,
            tables,
            moments,
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

/// Refuses statistics that no metric can take, for the file `path`.
pub(crate) fn moments_are_finite(path: &Path, moments: &FeatureGaussian) -> Result<(), StatsError> {
    let tables = [
        ("the mean", moments.mean.view().into_dyn()),
        ("the covariance", moments.covariance.view().into_dyn()),
    ];
    for (what, values) in tables {
        if let Some((place, &value)) = values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
            let (path, what) = (path.to_owned(), what.to_owned());
            return Err(StatsError::NotFinite { path, what, place, value });
        }
    }
    Ok(())
}

/// What stands for an image whose patches are not drawn.
fn key_of(name: &str, pixels: &Hash) -> u64 {
    let mut hasher = Hasher::new();
    hasher.update(name.as_bytes());
    hasher.update(pixels.as_bytes());
    let hash = hasher.finalize();
    hash.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

impl Target {
    fn path(&self) -> &Path {
        match self {
            Self::Scratch(folder) => folder,
            Self::Named { path, .. } => path,
        }
    }
}
