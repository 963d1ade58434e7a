//! A finished statistics file.

use std::error::Error;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use blake3::Hash;
use ndarray::{Array1, Array2};
use pg_metrics::{
    DESCRIPTOR_LENGTH, FeatureGaussian, FeatureRows, ImageKey, LevelRecord, MetricsError, Side, SwdDescriber,
};
use rayon::prelude::*;
use safetensors::Dtype;
use serde_json::Value;

use crate::format::{ImageRow, MAX_HEADER_BYTES, Places, Tables, parse_header};
use crate::records::{Content, RecordKind};
use crate::{StatsError, StatsProtocol, record_bytes};

/// What is known of a set of images. One level at a time is read from disk, or some images' features.
#[derive(Debug)]
pub struct Stats {
    pub(crate) name: PathBuf,
    pub(crate) file: File,
    pub(crate) describer: Option<SwdDescriber>,
    pub(crate) protocol: StatsProtocol,
    pub(crate) provenance: Value,
    pub(crate) places: Places,
    pub(crate) tables: Tables,
    pub(crate) moments: Option<FeatureGaussian>,
    pub(crate) content: Hash,
}

impl Stats {
    /// Opens a file and checks its header and tables; records are checked when they are read.
    ///
    /// # Errors
    /// [`StatsError::Io`], [`StatsError::NotStats`], [`StatsError::Damaged`], [`StatsError::NotFinite`]
    pub fn open(path: &Path) -> Result<Self, StatsError> {
        let file = File::open(path).map_err(StatsError::io("open", path))?;
        let length = file.metadata().map_err(StatsError::io("read", path))?.len();
        let not_stats = |reason: String| StatsError::NotStats { path: path.to_owned(), reason };
        let mut header_length = [0; 8];
        file.read_exact_at(&mut header_length, 0).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => not_stats(format!("it has only {length} bytes")),
            _ => StatsError::io("read", path)(error),
        })?;
        let header_length = u64::from_le_bytes(header_length);
        if header_length > MAX_HEADER_BYTES || header_length + 8 > length {
            return Err(not_stats(format!(
                "expected a safetensors header, which cannot have {header_length} bytes"
            )));
        }
        let mut header = vec![0; header_length as usize + 8];
        file.read_exact_at(&mut header, 0).map_err(StatsError::io("read", path))?;
        let found = parse_header(&header).map_err(not_stats)?;
        let places = Places::new(&found.protocol, found.kinds, found.image_count, header.len());
        if places.end() != length {
            let what = format!("it has {length} bytes, expected {}", places.end());
            return Err(StatsError::damaged(path, what));
        }
        let mut tables = vec![0; Tables::bytes(found.image_count, places.kinds().len())];
        file.read_exact_at(&mut tables, places.data).map_err(StatsError::io("read", path))?;
        let tables = Tables::from_bytes(&tables, found.image_count);
        let (at, bytes) = places.moments();
        let mut moments = vec![0; bytes];
        file.read_exact_at(&mut moments, at).map_err(StatsError::io("read", path))?;
        let content = tables.content(&found.protocol, &moments);
        if content != found.content {
            let what = format!("protocol and tables have the digest {content}, expected {}", found.content);
            return Err(StatsError::damaged(path, what));
        }
        if let Some((place, value)) = first_not_finite(&moments, Dtype::F64) {
            let what = "its mean and covariance".to_owned();
            return Err(StatsError::NotFinite { path: path.to_owned(), what, place, value });
        }
        let seed = found.protocol.swd.as_ref().map_or(0, |swd| swd.seed);
        let width = found.protocol.network.as_ref().map_or(0, |network| network.feature_width);
        Ok(Self {
            name: path.to_owned(),
            file,
            describer: found.layout.map(|layout| SwdDescriber::new(layout, Side::Real, seed)),
            protocol: found.protocol,
            provenance: found.provenance,
            places,
            tables,
            moments: (!moments.is_empty()).then(|| gaussian(&moments, width)).flatten(),
            content,
        })
    }

    /// The file; of a scratch file its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.name
    }

    /// How the images were described.
    #[must_use]
    pub fn protocol(&self) -> &StatsProtocol {
        &self.protocol
    }

    /// Number of images; 0 of statistics that consist of mean and covariance only.
    #[must_use]
    pub fn image_count(&self) -> usize {
        self.places.image_count
    }

    /// What identifies protocol, images and all that is kept of them: a BLAKE3 digest, hexadecimal.
    #[must_use]
    pub fn content(&self) -> String {
        self.content.to_hex().to_string()
    }

    /// How the file was made, as told to [`StatsWriter::create`](crate::StatsWriter::create).
    #[must_use]
    pub fn provenance(&self) -> &Value {
        &self.provenance
    }

    /// Bytes of the file.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.places.end()
    }

    /// The features of the images, where they were kept.
    #[must_use]
    pub fn features(&self) -> Option<StatsRows<'_>> {
        self.rows(Content::Features)
    }

    /// The class scores of the images, where they were kept.
    #[must_use]
    pub fn logits(&self) -> Option<StatsRows<'_>> {
        self.rows(Content::Logits)
    }

    fn rows(&self, content: Content) -> Option<StatsRows<'_>> {
        let kind = self.places.kinds().iter().position(|kind| kind.content == content)?;
        let width = self.places.kinds()[kind].shape.iter().product();
        Some(StatsRows { stats: self, kind, width, count: self.image_count() })
    }

    /// Mean and covariance of features, of statistics that consist of nothing else.
    #[must_use]
    pub fn moments(&self) -> Option<&FeatureGaussian> {
        self.moments.as_ref()
    }

    /// The descriptors of the images `indices` at the level of `px` pixels, `[images, patches, 147]`, not
    /// normalised. The level must be one of [`SwdProtocol::levels`](crate::SwdProtocol::levels).
    ///
    /// Memory: the result.
    ///
    /// # Errors
    /// - [`StatsError::Metrics`] for another level
    /// - [`StatsError::Damaged`], [`StatsError::Io`]
    pub fn descriptors(&self, px: usize, indices: &[usize]) -> Result<Vec<f32>, StatsError> {
        let is_level = |content: &Content| matches!(content, Content::Level(level) if level.px == px);
        let compared = self.protocol.swd.as_ref().is_some_and(|swd| swd.levels.contains(&px));
        let level = self.places.kinds().iter().position(|kind| compared && is_level(&kind.content));
        let (Some(level), Some(describer)) = (level, &self.describer) else {
            let expected = "a level that the statistics hold";
            return Err(MetricsError::Parameter { name: "level", expected, actual: px.to_string() }.into());
        };
        let per_image = describer.layout().patches_per_image() * DESCRIPTOR_LENGTH;
        let mut descriptors = vec![0.0_f32; indices.len() * per_image];
        let all = descriptors.par_chunks_exact_mut(per_image).zip(indices);
        all.try_for_each(|(out, &index)| -> Result<(), StatsError> {
            let Some(record) = self.level(level, index)? else { return Ok(()) };
            if let LevelRecord::Patches(values) = &record {
                out.copy_from_slice(values);
                return Ok(());
            }
            let next = self.level(level + 1, index)?;
            let key = ImageKey(self.tables.images[index].key);
            out.copy_from_slice(&describer.descriptors(px, key, &record, next.as_ref()));
            Ok(())
        })?;
        Ok(descriptors)
    }

    /// `None` where the record is none of a level.
    fn level(&self, kind: usize, index: usize) -> Result<Option<LevelRecord>, StatsError> {
        let Some(Content::Level(kept)) = self.places.kinds().get(kind).map(|kind| kind.content) else {
            return Ok(None);
        };
        let record = record_bytes::from_bytes(kept, self.record_bytes(kind, index)?);
        let damaged = || StatsError::damaged(&self.name, format!("level {} of image {index}", kept.px));
        record.ok_or_else(damaged).map(Some)
    }

    /// The bytes of record `kind` of image `index`, checked.
    pub(crate) fn record_bytes(&self, kind: usize, index: usize) -> Result<Vec<u8>, StatsError> {
        let mut bytes = vec![0; self.places.record_bytes(kind)];
        self.read_record(kind, index, &mut bytes)?;
        Ok(bytes)
    }

    fn read_record(&self, kind: usize, index: usize, bytes: &mut [u8]) -> Result<(), StatsError> {
        let at = self.places.record(kind, index);
        self.file.read_exact_at(bytes, at).map_err(StatsError::io("read", &self.name))?;
        let kinds = self.places.kinds();
        let (expected, found) = (self.tables.records[index * kinds.len() + kind], blake3::hash(bytes));
        if found == expected {
            return match first_not_finite(bytes, kinds[kind].dtype) {
                None => Ok(()),
                Some((place, value)) => {
                    let what = format!("{} of image {index}", self.described(kind));
                    Err(StatsError::NotFinite { path: self.name.clone(), what, place, value })
                }
            };
        }
        let what = format!(
            "`{}` of image {index} (at byte {at}) has the digest {found}, expected {expected}",
            kinds[kind].name
        );
        Err(StatsError::damaged(&self.name, what))
    }

    /// The tensor, and the network's output that it keeps.
    fn described(&self, kind: usize) -> String {
        let RecordKind { name, content, .. } = &self.places.kinds()[kind];
        let network = self.protocol.network.as_ref();
        let output = match content {
            Content::Features => network.map(|network| network.features.as_str()),
            Content::Logits => network.and_then(|network| network.logits.as_deref()),
            Content::Level(_) => None,
        };
        output.map_or_else(|| format!("`{name}`"), |output| format!("`{name}` (output `{output}`)"))
    }

    pub(crate) fn row(&self, index: usize) -> ImageRow {
        self.tables.images[index]
    }
}

/// Place and value of the first number that is NaN or infinite among little-endian `bytes`.
fn first_not_finite(bytes: &[u8], dtype: Dtype) -> Option<(usize, f64)> {
    let first = |values: &mut dyn Iterator<Item = f64>| values.enumerate().find(|(_, v)| !v.is_finite());
    match dtype {
        Dtype::F32 => {
            first(&mut bytes.as_chunks::<4>().0.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))))
        }
        Dtype::F64 => first(&mut bytes.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes))),
        _ => None,
    }
}

fn gaussian(bytes: &[u8], width: usize) -> Option<FeatureGaussian> {
    let mut values = bytes.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes));
    let mean = Array1::from_iter(values.by_ref().take(width));
    let covariance = Array2::from_shape_vec((width, width), values.collect()).ok()?;
    Some(FeatureGaussian { images: None, mean, covariance })
}

/// Features or class scores of the first images of a file; each is checked when it is read.
#[derive(Debug, Clone, Copy)]
pub struct StatsRows<'a> {
    stats: &'a Stats,
    kind: usize,
    width: usize,
    count: usize,
}

impl StatsRows<'_> {
    /// Of the first `count` images only.
    #[must_use]
    pub fn first(self, count: usize) -> Self {
        Self { count: count.min(self.count), ..self }
    }
}

impl FeatureRows for StatsRows<'_> {
    fn count(&self) -> usize {
        self.count
    }

    fn width(&self) -> usize {
        self.width
    }

    fn read(&self, indices: &[usize], out: &mut [f32]) -> Result<(), Box<dyn Error + Send + Sync>> {
        out.par_chunks_exact_mut(self.width.max(1)).zip(indices).try_for_each_init(
            Vec::new,
            |bytes, (out, &index)| {
                if index >= self.count {
                    return Err(format!("image {index} of {}", self.count).into());
                }
                bytes.resize(size_of_val(out), 0);
                self.stats.read_record(self.kind, index, bytes)?;
                for (value, bytes) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *value = f32::from_le_bytes(*bytes);
                }
                Ok(())
            },
        )
    }
}
