//! SOURCE of `pack`: someone else's collection, or a dataset of this tool.

use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use pg_image::{Planar, Resolution};
use pg_shard::{IndexLine, Level, Manifest};
use pg_sources::{Item, Labels, Source, SourceFormat};
use serde_json::{Map, Value};

use crate::args::SourceFormatChoice;
use crate::at_url;
use crate::dataset_labels::labels_of;
use crate::image_items::{Loader, Photo, load, modified};
use crate::level_images::{picture, planes};
use crate::session::Session;

/// What is packed.
pub(crate) enum PackSource {
    Collection(Source),
    Dataset(Box<DatasetSource>),
}

/// One level of a dataset.
pub(crate) struct DatasetSource {
    level: Level,
    /// Named as the photos that the dataset was made of.
    items: Vec<Item>,
    lines: Vec<IndexLine>,
    fingerprint: String,
    labels: Option<Labels>,
    /// How its images were prepared.
    preparation: Map<String, Value>,
}

impl PackSource {
    /// Opens `path`, of a dataset the level of side `wanted` if it has one, else the finest.
    pub(crate) fn open(
        session: &Session,
        path: &Path,
        format: Option<SourceFormatChoice>,
        wanted: Option<u32>,
    ) -> anyhow::Result<Self> {
        let format = match format {
            None if at_url::is_dataset(session, path)? => return Self::open_dataset(session, path, wanted),
            None => return Ok(Self::Collection(at_url::source(session, path, None)?)),
            Some(SourceFormatChoice::Dataset) => return Self::open_dataset(session, path, wanted),
            Some(SourceFormatChoice::Folder) => SourceFormat::Folder,
            Some(SourceFormatChoice::Zip) => SourceFormat::Zip,
            Some(SourceFormatChoice::Cifar) => SourceFormat::Cifar,
            Some(SourceFormatChoice::Mnist) => SourceFormat::Mnist,
            Some(SourceFormatChoice::Lmdb) => SourceFormat::Lmdb,
            Some(SourceFormatChoice::Tfrecord) => SourceFormat::Tfrecord,
        };
        let source = at_url::source(session, path, Some(format))
            .with_context(|| format!("it does not read as {format} (--source-format)"))?;
        Ok(Self::Collection(source))
    }

    fn open_dataset(session: &Session, path: &Path, wanted: Option<u32>) -> anyhow::Result<Self> {
        let wanted = wanted.and_then(|pixels| Resolution::new(pixels.into()).ok());
        let chosen = |manifest: &Manifest| {
            let levels = manifest.levels();
            let level = levels.iter().find(|&&r| Some(r) == wanted).or(levels.last()).copied();
            level.with_context(|| format!("{} has no level", path.display()))
        };
        let dataset = at_url::dataset(session, path, |manifest| Ok(vec![chosen(manifest)?]))?;
        let resolution = chosen(dataset.manifest())?;
        let level = dataset.level(resolution)?;
        if level.is_empty() {
            bail!("{} holds no images", path.display());
        }
        let mut lines = Vec::with_capacity(level.len());
        for shard in 0..dataset.manifest().shards.len() {
            lines.extend(dataset.index_of_shard(shard)?);
        }
        let bytes = (level.channels() * resolution.pixels() * resolution.pixels()) as u64;
        let items = lines.iter().map(|line| Item { name: line.path.clone(), bytes }).collect();
        let (fingerprint, labels) = (dataset.fingerprint(), labels_of(&dataset)?);
        let preparation = dataset.manifest().preparation();
        let source = DatasetSource { level, items, lines, fingerprint, labels, preparation };
        Ok(Self::Dataset(Box::new(source)))
    }

    /// The images, in the order of the source.
    pub(crate) fn items(&self) -> &[Item] {
        match self {
            Self::Collection(source) => source.items(),
            Self::Dataset(dataset) => &dataset.items,
        }
    }

    /// What messages call item `index`: its file where it is one.
    pub(crate) fn place(&self, index: usize) -> String {
        let file = match self {
            Self::Collection(source) => source.file(index),
            Self::Dataset(_) => None,
        };
        file.map_or_else(|| self.items()[index].name.clone(), |file| file.display().to_string())
    }

    /// When item `index`, or the archive `path` that it is in, was last written to; unknown of a dataset, which has its fingerprint,
    /// and of what is elsewhere.
    pub(crate) fn modified(&self, index: usize, path: &Path) -> Option<SystemTime> {
        let Self::Collection(source) = self else { return None };
        modified(source, index, path)
    }

    /// Whether all its images have the channels of the first.
    pub(crate) fn has_one_shape(&self) -> bool {
        matches!(self, Self::Dataset(_))
    }

    /// Says in which order items will be loaded.
    pub(crate) fn will_load(&self, order: &[usize]) {
        if let Self::Collection(source) = self {
            source.will_read(order);
        }
    }

    /// The name that `--source-format` takes.
    pub(crate) fn format_name(&self) -> &'static str {
        match self {
            Self::Collection(source) => source.format().name(),
            Self::Dataset(_) => "dataset",
        }
    }

    /// What tells this source from another one with the same list of items.
    pub(crate) fn identity(&self) -> &str {
        match self {
            Self::Collection(_) => "",
            Self::Dataset(dataset) => &dataset.fingerprint,
        }
    }

    /// The labels that come with the source.
    pub(crate) fn labels(&self) -> anyhow::Result<Option<Labels>> {
        match self {
            Self::Collection(source) => Ok(source.labels()?),
            Self::Dataset(dataset) => Ok(dataset.labels.clone()),
        }
    }

    /// Item `index` in pixels. Of a dataset's image the checksum is that of the photo it was made of.
    pub(crate) fn load(&self, index: usize, loader: &Loader) -> Result<Photo, String> {
        match self {
            Self::Collection(source) => load(source, index, loader),
            Self::Dataset(dataset) => {
                let raster = picture(&dataset.level, index).map_err(|e| e.to_string())?;
                Ok(Photo { raster, blake3: dataset.blake3(index) })
            }
        }
    }

    /// Item `index` as [`Self::load`] gives it, but as the shard holds it: `[channels,size,size]`. Only for
    /// a dataset of images of this shape.
    pub(crate) fn planes(
        &self,
        index: usize,
        channels: usize,
        size: Resolution,
    ) -> Option<Result<(Planar<u8>, String), String>> {
        let Self::Dataset(dataset) = self else { return None };
        let level = &dataset.level;
        if level.channels() != channels || level.resolution() != size {
            return None;
        }
        let planar = planes(level, index).map_err(|e| e.to_string());
        Some(planar.map(|planar| (planar, dataset.blake3(index))))
    }

    /// How the images of a dataset were prepared.
    pub(crate) fn preparation(&self) -> Option<&Map<String, Value>> {
        match self {
            Self::Collection(_) => None,
            Self::Dataset(dataset) => Some(&dataset.preparation),
        }
    }

    /// What was done to a dataset's image before.
    pub(crate) fn geometry_before(&self, index: usize) -> Option<Value> {
        match self {
            Self::Collection(_) => None,
            Self::Dataset(dataset) => dataset.lines.get(index).map(|line| line.geometry.clone()),
        }
    }
}

impl DatasetSource {
    fn blake3(&self, index: usize) -> String {
        self.lines.get(index).map_or_else(String::new, |line| line.blake3.clone())
    }
}
