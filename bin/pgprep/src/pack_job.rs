//! `pack`: what is packed, and how: source, labels, shape, and one image at a time.

use std::ffi::OsStr;
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use pg_build::Packed;
use pg_cli::{Provenance, WorkFailed};
use pg_image::{Fit, Planar, Raster, Resolution, fit};
use pg_shard::format::default_images_per_shard;
use pg_shard::{BuildPlan, FailedItem, IndexLine, Preparation, Storage, epoch_order, reason};
use pg_sources::{Labels, SourceFormat, labels_from_file, labels_from_folders};
use rayon::prelude::*;
use serde_json::{Map, json};

use crate::args::{ChannelsChoice, PackArgs};
use crate::at_url;
use crate::dataset_labels::labels_blake3;
use crate::image_items::{Loader, lengths, list_blake3};
use crate::pack_source::PackSource;
use crate::session::{Session, TOOL, resolution, storage};

/// Everything that is fixed before the first image is read.
pub(crate) struct PackJob {
    source: PackSource,
    labels: Option<Labels>,
    /// Item i of the dataset is item `order[i]` of the source.
    order: Vec<usize>,
    how: Fit,
    how_name: &'static str,
    size: Resolution,
    loader: Loader,
    pub(crate) plan: BuildPlan,
    pub(crate) storage: Storage,
}

impl PackJob {
    pub(crate) fn prepare(session: &Session, args: &PackArgs) -> anyhow::Result<Self> {
        let loader = session.loader(&args.limits);
        let source = PackSource::open(session, &args.source, args.source_format, args.resolution)
            .with_context(|| format!("cannot use {} as SOURCE", args.source.display()))?;
        let labels = labels(session, &source, args)?;
        let first = first_readable(session, &source, &loader)?;
        let (how, how_name) = (args.fit.fit(), args.fit.name());
        let size = match args.resolution {
            Some(pixels) => resolution(pixels, "--resolution")?,
            None => fitting_resolution(&first, how)?,
        };
        let storage = storage(size, &args.storage)?;
        let channels = match args.channels {
            ChannelsChoice::Grey => 1,
            ChannelsChoice::Rgb => 3,
            ChannelsChoice::Auto => found_channels(session, &source, &first, &loader)?,
        };
        let number = source.items().len();
        let order: Vec<usize> = match args.shuffle {
            Some(seed) => epoch_order(seed, 0, number).into_iter().map(|i| i as usize).collect(),
            None => (0..number).collect(),
        };
        let per_shard =
            args.images_per_shard.map_or_else(|| default_images_per_shard(channels, size), |n| n as usize);
        let mut settings = Map::new();
        for (key, value) in [
            ("command", json!("pack")),
            ("version", json!(TOOL.1)),
            (Preparation::Fit.key(), json!(how_name)),
            (Preparation::Grey.key(), json!(args.channels == ChannelsChoice::Grey)),
            ("shuffle", json!(args.shuffle)),
            ("max_pixels", json!(loader.limits.max_pixels)),
            ("max_bytes", json!(loader.limits.max_bytes)),
            ("labels_blake3", json!(labels.as_ref().map(|labels| labels_blake3(labels, &order)))),
        ] {
            settings.insert(key.to_owned(), value);
        }
        for (key, value) in storage.settings() {
            settings.insert(key.to_owned(), value);
        }
        let plan = BuildPlan {
            settings,
            source_blake3: source_blake3(&source, &order, &[]),
            items: order.len(),
            items_per_shard: per_shard,
            channels,
            resolution: size.into(),
        };
        Ok(Self { source, labels, order, how, how_name, size, loader, plan, storage })
    }

    /// Whether the source is somebody's collection, not a dataset of this tool.
    pub(crate) fn is_of_collection(&self) -> bool {
        matches!(self.source, PackSource::Collection(_))
    }

    /// Says to the source in which order its images will be loaded.
    pub(crate) fn will_load(&self) {
        self.source.will_load(&self.order);
    }

    /// What identifies the source, of which `failed` had other lengths.
    pub(crate) fn source_blake3(&self, failed: &[FailedItem]) -> String {
        source_blake3(&self.source, &self.order, failed)
    }

    /// When what item `i` is read from was last written to.
    pub(crate) fn modified(&self, i: usize, args: &PackArgs) -> Option<SystemTime> {
        self.source.modified(self.order[i], &args.source)
    }

    pub(crate) fn label_names(&self) -> Option<Vec<String>> {
        self.labels.as_ref().map(|labels| labels.names().to_vec())
    }

    /// The labels of item `i`; empty where there are none.
    pub(crate) fn row(&self, i: usize) -> Vec<f32> {
        self.labels.as_ref().and_then(|labels| labels.row(self.order[i])).unwrap_or_default()
    }

    pub(crate) fn provenance(&self, args: &PackArgs, done: u64, failed: u64) -> Provenance {
        let mut provenance = Provenance::of_this_process(TOOL.0, TOOL.1, args.shuffle)
            .arguments("pack", args)
            .setting(Preparation::Resolution.key(), u32::from(self.size))
            .setting("images_per_shard", self.plan.items_per_shard)
            .setting("source_format", self.source.format_name())
            .count("source_images", self.order.len())
            .count("packed", done)
            .count("failed", failed);
        for (name, value) in &self.plan.settings {
            provenance = provenance.setting(name, value.clone());
        }
        match self.source.preparation() {
            Some(before) => provenance.setting(Preparation::Before.key(), before.clone()),
            None => provenance,
        }
    }

    /// Item `i` of the dataset.
    pub(crate) fn make(&self, i: usize) -> Result<Packed, FailedItem> {
        let item = self.order[i];
        let path = || self.source.items()[item].name.clone();
        let bytes = Some(self.source.items()[item].bytes);
        let failed = |reason: String| FailedItem { path: path(), reason, bytes };
        let geometry = |[width, height]: [usize; 2]| {
            let mut geometry = json!({ "fit": self.how_name, "source_size": [width, height] });
            if let Some(before) = self.source.geometry_before(item) {
                geometry["before"] = before;
            }
            geometry
        };
        if let Some(planes) = self.source.planes(item, self.plan.channels, self.size) {
            let (image, blake3) = planes.map_err(failed)?;
            let geometry = geometry([image.width(), image.height()]);
            return Ok(Packed { image, line: IndexLine { path: path(), blake3, geometry } });
        }
        let photo = self.source.load(item, &self.loader).map_err(failed)?;
        let raster = match (photo.raster.channels(), self.plan.channels) {
            (1, 3) => photo.raster.into_rgb(),
            (3, 1) => photo.raster.into_grey(),
            _ => photo.raster,
        };
        let geometry = geometry([raster.width(), raster.height()]);
        let square = fit(raster, self.size.pixels(), self.how).map_err(|e| failed(reason(&e)))?;
        Ok(Packed {
            image: Planar::from_raster(&square),
            line: IndexLine { path: path(), blake3: photo.blake3, geometry },
        })
    }
}

/// The list of items `order` of `source`, of which `failed` had other lengths.
fn source_blake3(source: &PackSource, order: &[usize], failed: &[FailedItem]) -> String {
    let listed = order.iter().map(|&i| (&source.items()[i], source.identity().to_owned()));
    list_blake3(listed, &lengths(failed))
}

/// What `--labels` asks for; without it, what the source has.
fn labels(session: &Session, source: &PackSource, args: &PackArgs) -> anyhow::Result<Option<Labels>> {
    let Some(choice) = &args.labels else {
        return source.labels().context(
            "the labels of SOURCE cannot be used; --labels none packs without, --labels FILE gives others",
        );
    };
    if choice.as_os_str() == OsStr::new("none") {
        return Ok(None);
    }
    if choice.as_os_str() == OsStr::new("folders") {
        let named = [SourceFormat::Folder.name(), SourceFormat::Zip.name()].contains(&source.format_name());
        if !named {
            bail!(
                "--labels folders cannot be used: {} is of format {}, which has no folders",
                args.source.display(),
                source.format_name()
            );
        }
        return labels_from_folders(&args.source, source.items())
            .map(Some)
            .context("--labels folders cannot be used");
    }
    let context = || format!("--labels {} cannot be used", choice.display());
    let file = at_url::file(session, choice).with_context(context)?;
    labels_from_file(&file, source.items()).with_context(context)
}

/// Values per pixel of a dataset that is to hold all images of `source` as they are. Images are read until the first in
/// colour, mostly the first of all.
fn found_channels(
    session: &Session,
    source: &PackSource,
    first: &Raster,
    loader: &Loader,
) -> anyhow::Result<usize> {
    let items = source.items();
    if first.channels() == 3 || source.has_one_shape() {
        return Ok(first.channels());
    }
    let order: Vec<usize> = (0..items.len()).collect();
    source.will_load(&order);
    let is_colour = |i: usize| source.load(i, loader).is_ok_and(|photo| photo.raster.channels() == 3);
    // What stops the search ends the command below.
    let found = (0..items.len()).into_par_iter().find_first(|&i| session.is_ending() || is_colour(i));
    session.check_ending(|| "nothing was written yet; run the same command again".to_owned())?;
    match found {
        Some(index) => session.notes.note(format!(
            "the first image is grey, {} is not: the dataset has 3 channels (--channels)",
            items[index].name
        )),
        None => session.notes.note("all images are grey: the dataset has 1 channel (--channels)".to_owned()),
    }
    Ok(if found.is_some() { 3 } else { 1 })
}

/// The first image that can be decoded: it decides the resolution by default.
fn first_readable(session: &Session, source: &PackSource, loader: &Loader) -> anyhow::Result<Raster> {
    let mut first_reason = None;
    for index in 0..source.items().len() {
        match source.load(index, loader) {
            Ok(photo) => return Ok(photo.raster),
            Err(reason) => drop(first_reason.get_or_insert(reason)),
        }
        session.check_ending(|| "nothing was written yet; run the same command again".to_owned())?;
    }
    let reason = first_reason.unwrap_or_default();
    Err(WorkFailed(format!("none of the images can be read; the first: {reason}")).into())
}

fn fitting_resolution(first: &Raster, how: Fit) -> anyhow::Result<Resolution> {
    let (width, height) = (first.width(), first.height());
    let side = width.min(height) as u64;
    if how == Fit::Strict {
        return match Resolution::new(side) {
            Ok(size) if width == height => Ok(size),
            _ => bail!(
                "the first image has {width}x{height} pixels, expected a square with a side that is a power of two: choose --fit crop, pad or stretch"
            ),
        };
    }
    let largest = if side == 0 { 0 } else { 1 << side.ilog2() };
    Resolution::new(largest.min(4096))
        .with_context(|| format!("the first image has {width}x{height} pixels, too few: give --resolution"))
}
