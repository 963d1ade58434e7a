//! A finished statistics file.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use blake3::Hash;
use pg_metrics::{DESCRIPTOR_LENGTH, ImageKey, LevelRecord, MetricsError, Side, SwdDescriber, SwdLayout};
use rayon::prelude::*;
use serde_json::Value;

use crate::format::{ImageRow, MAX_HEADER_BYTES, Places, Tables, parse_header};
use crate::{StatsError, StatsProtocol, record_bytes};

/// What is known of a set of images. One level at a time is read from disk.
#[derive(Debug)]
pub struct Stats {
    pub(crate) name: PathBuf,
    pub(crate) file: File,
    pub(crate) describer: SwdDescriber,
    pub(crate) protocol: StatsProtocol,
    pub(crate) provenance: Value,
    pub(crate) places: Places,
    pub(crate) tables: Tables,
    pub(crate) content: Hash,
}

impl Stats {
    /// Opens a file and checks its header and tables; records are checked when they are read.
    ///
    /// # Errors
    /// [`StatsError::Io`], [`StatsError::NotStats`], [`StatsError::Damaged`]
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
        let places = Places::new(&found.layout, found.image_count, header.len());
        if places.end() != length {
            let what = format!("it has {length} bytes, expected {}", places.end());
            return Err(StatsError::damaged(path, what));
        }
        let mut tables = vec![0; Tables::bytes(found.image_count, places.kept().len())];
        file.read_exact_at(&mut tables, places.data).map_err(StatsError::io("read", path))?;
        let tables = Tables::from_bytes(&tables, found.image_count);
        let content = tables.content(&found.protocol);
        if content != found.content {
            let what = format!("protocol and tables have the digest {content}, expected {}", found.content);
            return Err(StatsError::damaged(path, what));
        }
        Ok(Self {
            name: path.to_owned(),
            file,
            describer: SwdDescriber::new(found.layout, Side::Real, found.protocol.seed),
            protocol: found.protocol,
            provenance: found.provenance,
            places,
            tables,
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

    /// What is kept of each image.
    #[must_use]
    pub fn layout(&self) -> &SwdLayout {
        self.describer.layout()
    }

    /// Number of images.
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

    /// The descriptors of the images `indices` at the level of `px` pixels, `[images, patches, 147]`, not
    /// normalised. The level must be one of [`StatsProtocol::levels`].
    ///
    /// Memory: the result.
    ///
    /// # Errors
    /// - [`StatsError::Metrics`] for another level
    /// - [`StatsError::Damaged`], [`StatsError::Io`]
    pub fn descriptors(&self, px: usize, indices: &[usize]) -> Result<Vec<f32>, StatsError> {
        let kept = self.places.kept();
        let level = kept.iter().position(|level| level.px == px && self.protocol.levels.contains(&px));
        let Some(level) = level else {
            let expected = "a level that the statistics hold";
            return Err(MetricsError::Parameter { name: "level", expected, actual: px.to_string() }.into());
        };
        let per_image = self.layout().patches_per_image() * DESCRIPTOR_LENGTH;
        let mut descriptors = vec![0.0_f32; indices.len() * per_image];
        let all = descriptors.par_chunks_exact_mut(per_image).zip(indices);
        all.try_for_each(|(out, &index)| -> Result<(), StatsError> {
            let record = self.record(level, index)?;
            if let LevelRecord::Patches(values) = &record {
                out.copy_from_slice(values);
                return Ok(());
            }
            let next = (level + 1 < kept.len()).then(|| self.record(level + 1, index)).transpose()?;
            let key = ImageKey(self.tables.images[index].key);
            out.copy_from_slice(&self.describer.descriptors(px, key, &record, next.as_ref()));
            Ok(())
        })?;
        Ok(descriptors)
    }

    fn record(&self, level: usize, index: usize) -> Result<LevelRecord, StatsError> {
        let kept = self.places.kept()[level];
        let bytes = self.record_bytes(level, index)?;
        record_bytes::from_bytes(kept, bytes)
            .ok_or_else(|| StatsError::damaged(&self.name, format!("level {} of image {index}", kept.px)))
    }

    /// The bytes of image `index` at kept level `level`, checked.
    pub(crate) fn record_bytes(&self, level: usize, index: usize) -> Result<Vec<u8>, StatsError> {
        let mut bytes = vec![0; self.places.record_bytes(level)];
        let at = self.places.record(level, index);
        self.file.read_exact_at(&mut bytes, at).map_err(StatsError::io("read", &self.name))?;
        let kept = self.places.kept();
        let (expected, found) = (self.tables.records[index * kept.len() + level], blake3::hash(&bytes));
        if found == expected {
            return Ok(bytes);
        }
        let what = format!(
            "level {} of image {index} (at byte {at}) has the digest {found}, expected {expected}",
            kept[level].px
        );
        Err(StatsError::damaged(&self.name, what))
    }

    pub(crate) fn row(&self, index: usize) -> ImageRow {
        self.tables.images[index]
    }
}
