//! `pgprep pack`: images to a dataset.

use anyhow::{Context as _, bail};
use pg_cli::{ExitStatus, Provenance};
use pg_image::files::DecodeLimits;
use pg_image::{Fit, Planar, Raster, Resolution, fit};
use pg_shard::format::{MANIFEST_FILE, default_images_per_shard};
use pg_shard::{BuildPlan, FailedItem, IndexLine, epoch_order};
use pg_sources::Source;
use serde_json::{Map, json};

use crate::args::{FitChoice, PackArgs};
use crate::commands::TOOL;
use crate::commands::align::finished_dataset;
use crate::image_items::{list_blake3, load};
use crate::resumable::{Packed, build_dataset};
use crate::session::{Session, reason, resolution};

pub(crate) fn run(session: &Session, args: &PackArgs) -> anyhow::Result<ExitStatus> {
    if args.source.join(MANIFEST_FILE).is_file() {
        bail!(
            "{} is a dataset already: write its images with `pgprep extract`, then pack those",
            args.source.display()
        );
    }
    let limits = DecodeLimits::from(&args.limits);
    let source = Source::open(&args.source)
        .with_context(|| format!("cannot use {} as SOURCE", args.source.display()))?;
    let first = first_readable(&source, &limits)?;
    let (how, name) = match args.fit {
        FitChoice::Crop => (Fit::Crop, "crop"),
        FitChoice::Pad => (Fit::Pad, "pad"),
        FitChoice::Stretch => (Fit::Stretch, "stretch"),
        FitChoice::Strict => (Fit::Strict, "strict"),
    };
    let size = match args.resolution {
        Some(pixels) => resolution(pixels, "--resolution")?,
        None => fitting_resolution(&first, how)?,
    };
    let channels = first.channels();
    let order: Vec<usize> = match args.shuffle {
        Some(seed) => epoch_order(seed, 0, source.items().len()).into_iter().map(|i| i as usize).collect(),
        None => (0..source.items().len()).collect(),
    };
    let per_shard =
        args.images_per_shard.map_or_else(|| default_images_per_shard(channels, size), |n| n as usize);
    let mut settings = Map::new();
    for (key, value) in [
        ("command", json!("pack")),
        ("version", json!(TOOL.1)),
        ("fit", json!(name)),
        ("shuffle", json!(args.shuffle)),
        ("max_pixels", json!(limits.max_pixels)),
        ("max_bytes", json!(limits.max_bytes)),
    ] {
        settings.insert(key.to_owned(), value);
    }
    let plan = BuildPlan {
        settings,
        source_blake3: list_blake3(order.iter().map(|&i| (&source.items()[i], String::new()))),
        items: order.len(),
        items_per_shard: per_shard,
        channels,
        resolution: size.into(),
    };
    let provenance = |done: u64, failed: u64| {
        let mut provenance = Provenance::of_this_process(TOOL.0, TOOL.1, args.shuffle)
            .setting("resolution", u32::from(size))
            .setting("images_per_shard", per_shard)
            .count("source_images", order.len())
            .count("packed", done)
            .count("failed", failed);
        for (name, value) in &plan.settings {
            provenance = provenance.setting(name, value.clone());
        }
        provenance
    };
    let ended = build_dataset(session, &args.output, plan.clone(), "pack", false, provenance, |i| {
        let item = order[i];
        let path = || source.items()[item].name.clone();
        let failed = |reason: String| FailedItem { path: path(), reason };
        let photo = load(&source, item, &limits).map_err(failed)?;
        let raster = match (photo.raster.channels(), channels) {
            (1, 3) => photo.raster.into_rgb(),
            (3, 1) => {
                return Err(failed("expected a grey picture as the first one is, found colour".to_owned()));
            }
            _ => photo.raster,
        };
        let geometry = json!({ "fit": name, "source_size": [raster.width(), raster.height()] });
        let square = fit(raster, size.pixels(), how).map_err(|e| failed(reason(&e)))?;
        Ok(Packed {
            image: Planar::from_raster(&square),
            line: IndexLine { path: path(), blake3: photo.blake3, geometry },
        })
    })?;
    finished_dataset(session, ended, &args.output)
}

/// The first image that can be decoded: it decides the channels, and the resolution by default.
fn first_readable(source: &Source, limits: &DecodeLimits) -> anyhow::Result<Raster> {
    let mut first_reason = None;
    for index in 0..source.items().len() {
        match load(source, index, limits) {
            Ok(photo) => return Ok(photo.raster),
            Err(reason) => drop(first_reason.get_or_insert(reason)),
        }
    }
    bail!("none of the images can be read; the first: {}", first_reason.unwrap_or_default())
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
