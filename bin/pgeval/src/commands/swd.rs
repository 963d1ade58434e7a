//! `pgeval swd`: sliced Wasserstein distance between two sets of images.

use anyhow::{Result, anyhow, bail};
use pg_cli::{CommonArgs, ExitStatus, Interrupt, Output, Progress, Provenance, StderrNotes};
use pg_image::Planar;
use pg_metrics::{
    DescriptorSet, ImageDescriptors, PATCH_PX, Side, SwdScore, SwdSettings, compare_level, summarise,
    swd_resolutions,
};
use rayon::prelude::*;
use serde_json::json;

use super::nothing_kept;
use crate::args::SwdArgs;
use crate::image_set::{ImageSet, encoding_warnings};
use crate::metric_result::{LevelValue, MetricResult, members};

/// Images decoded and described at a time; bounds memory, has no effect on results.
const BATCH_IMAGES: usize = 64;

pub(crate) fn run(args: &SwdArgs, common: &CommonArgs, interrupt: &Interrupt) -> Result<ExitStatus> {
    let notes = StderrNotes::new(common.quiet);
    let sides = Sides::open(args, notes)?;
    let score = sides.score(args, common, interrupt, &|_, _, _| Ok(()))?;
    for warning in sides.encoding_warnings() {
        notes.warning(warning);
    }
    if args.shared.json {
        Output.json(&sides.result(&score, args))?;
    } else {
        print_table(&score, args, &sides.real, &sides.fake, sides.image_count)?;
    }
    Ok(ExitStatus::Done)
}

/// Called with every image that was read.
pub(super) type Seen<'a> = dyn Fn(Side, usize, &Planar<u8>) -> Result<()> + Sync + 'a;

/// What is compared.
pub(super) struct Sides {
    pub(super) real: ImageSet,
    pub(super) fake: ImageSet,
    /// The first images of each side that count.
    pub(super) image_count: usize,
    resolution_px: usize,
}

impl Sides {
    pub(super) fn open(args: &SwdArgs, notes: StderrNotes) -> Result<Self> {
        let real = ImageSet::open("REAL", &args.real, args.shared.max_pixels)?;
        let fake = ImageSet::open("FAKE", &args.fake, args.shared.max_pixels)?;
        let resolution_px = common_resolution(&real, &fake)?;
        let image_count = common_count(args, &real, &fake, notes)?;
        Ok(Self { real, fake, image_count, resolution_px })
    }

    /// Reads every image once; `see` gets it too, from several threads.
    pub(super) fn score(
        &self,
        args: &SwdArgs,
        common: &CommonArgs,
        interrupt: &Interrupt,
        see: &Seen<'_>,
    ) -> Result<SwdScore> {
        let settings = SwdSettings {
            patches_per_image: args.patches_per_image,
            directions_per_repeat: args.directions_per_repeat,
            repeats: args.repeats,
            seed: args.seed,
        };
        let images = 2 * self.image_count as u64;
        let progress = Progress::new(common.progress_style(), "describe", "images", images);
        let collect = |side, set| {
            let mut descriptors = DescriptorSet::new(side, self.resolution_px, self.image_count, settings)?;
            describe(&mut descriptors, set, &progress, interrupt, &|index, image| see(side, index, image))?;
            anyhow::Ok(descriptors)
        };
        let mut real = collect(Side::Real, &self.real)?;
        let mut fake = collect(Side::Fake, &self.fake)?;
        progress.finish();

        let level_count = real.resolutions_px().len();
        let progress = Progress::new(common.progress_style(), "compare", "levels", level_count as u64);
        let mut levels = Vec::with_capacity(level_count);
        for level in 0..level_count {
            interrupt.check(nothing_kept)?;
            levels.push(compare_level(&mut real, &mut fake, level)?);
            progress.advance(1);
        }
        progress.finish();
        Ok(summarise(&levels))
    }

    pub(super) fn result(&self, score: &SwdScore, args: &SwdArgs) -> MetricResult {
        result(score, args, &self.real, &self.fake, self.image_count)
    }

    /// Once the images were read.
    pub(super) fn encoding_warnings(&self) -> Vec<String> {
        encoding_warnings(&[("REAL", &self.real), ("FAKE", &self.fake)])
    }
}

fn common_resolution(real: &ImageSet, fake: &ImageSet) -> Result<usize> {
    for set in [real, fake] {
        if set.width_px() != set.height_px() || swd_resolutions(set.width_px()).is_err() {
            bail!(
                "{} has {}x{} pixels: the sliced Wasserstein distance needs square images whose side is a power of two of at least 16; make such images with `pgprep pack --resolution R --fit crop`",
                set.name(0),
                set.width_px(),
                set.height_px()
            );
        }
    }
    if real.width_px() != fake.width_px() {
        bail!(
            "REAL {} has images of {}x{} pixels, FAKE {} of {}x{}; score both at one size: of a dataset, DATASET@{} picks that level",
            real.argument(),
            real.width_px(),
            real.height_px(),
            fake.argument(),
            fake.width_px(),
            fake.height_px(),
            real.width_px().min(fake.width_px()),
        );
    }
    Ok(real.width_px())
}

/// Both sides must have the same number of descriptors: cut to the smaller, and say so.
fn common_count(args: &SwdArgs, real: &ImageSet, fake: &ImageSet, notes: StderrNotes) -> Result<usize> {
    for (role, set) in [("REAL", real), ("FAKE", fake)] {
        if set.len() < 2 {
            bail!(
                "{role} {} holds 1 image ({}): the sliced Wasserstein distance needs at least 2; give more images",
                set.argument(),
                set.name(0)
            );
        }
        if let Some(asked) = args.images.filter(|&asked| asked > set.len()) {
            notes.warning(format_args!(
                "--images {asked}: {role} {} holds only {} images",
                set.argument(),
                set.len()
            ));
        }
    }
    let smaller = real.len().min(fake.len());
    let count = args.images.unwrap_or(smaller).min(smaller);
    if args.images.is_none() && real.len() != fake.len() {
        notes.note(format_args!(
            "REAL has {} images, FAKE {}: the first {count} of each are compared",
            real.len(),
            fake.len()
        ));
    }
    Ok(count)
}

fn describe(
    descriptors: &mut DescriptorSet,
    set: &ImageSet,
    progress: &Progress,
    interrupt: &Interrupt,
    see: &(dyn Fn(usize, &Planar<u8>) -> Result<()> + Sync),
) -> Result<()> {
    let count = descriptors.image_count();
    for start in (0..count).step_by(BATCH_IMAGES) {
        interrupt.check(nothing_kept)?;
        let end = (start + BATCH_IMAGES).min(count);
        let batch: Vec<Result<ImageDescriptors>> = (start..end)
            .into_par_iter()
            .map(|index| {
                let image = set.read(index)?;
                see(index, &image)?;
                let described = descriptors.describe(index, &image);
                described.map_err(|error| anyhow!("{}: {error}", set.name(index)))
            })
            .collect();
        for (index, described) in (start..end).zip(batch) {
            descriptors.insert(index, &described?)?;
        }
        progress.advance((end - start) as u64);
    }
    Ok(())
}

fn result(
    score: &SwdScore,
    args: &SwdArgs,
    real: &ImageSet,
    fake: &ImageSet,
    image_count: usize,
) -> MetricResult {
    let levels = score
        .levels
        .iter()
        .map(|level| LevelValue { resolution: level.resolution_px, value: level.value })
        .collect();
    let provenance =
        Provenance::of_this_process(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"), Some(args.seed))
            .setting("images", args.images)
            .setting("patches_per_image", args.patches_per_image)
            .setting("directions_per_repeat", args.directions_per_repeat)
            .setting("repeats", args.repeats)
            .setting("max_pixels", args.shared.max_pixels)
            .setting("real", real.describe())
            .setting("fake", fake.describe())
            .count("images_read", 2 * image_count);
    MetricResult {
        metric: "swd",
        value: score.value,
        unit: "x1e-3",
        direction: "lower",
        levels,
        interval: score.interval,
        counts: members(json!({ "real": image_count, "fake": image_count })),
        protocol: members(json!({
            "definition": "arXiv:1710.10196, section 5",
            "resolution": score.levels.first().map(|level| level.resolution_px),
            "patch_px": PATCH_PX,
            "patches_per_image": args.patches_per_image,
            "directions_per_repeat": args.directions_per_repeat,
            "repeats": args.repeats,
            "seed": args.seed,
            "images_available": { "real": real.len(), "fake": fake.len() },
            "images_used": "the first of each side",
            "interval": "spread of balanced half-samples of the images, plus that of the directions; Student's t",
        })),
        provenance,
    }
}

fn print_table(
    score: &SwdScore,
    args: &SwdArgs,
    real: &ImageSet,
    fake: &ImageSet,
    image_count: usize,
) -> std::io::Result<()> {
    Output.line("Sliced Wasserstein distance, x1e-3 (lower is nearer)")?;
    Output.line("")?;
    Output.line("  level        value    95 % interval")?;
    let row = |name: &str, value: f64, interval: pg_metrics::ConfidenceInterval| {
        Output.line(format_args!("  {name:<9}{value:>9.2}    {:.2} to {:.2}", interval.low, interval.high))
    };
    for level in &score.levels {
        let name = format!("{0}x{0}", level.resolution_px);
        row(&name, level.value, level.interval)?;
    }
    row("average", score.value, score.interval)?;
    Output.line("")?;
    for (role, set) in [("real", real), ("fake", fake)] {
        Output.line(format_args!("  {role}  {image_count} of {} images, {}", set.len(), set.argument()))?;
    }
    Output.line(format_args!(
        "  {} patches per image and level, {} x {} directions, seed {}",
        args.patches_per_image, args.repeats, args.directions_per_repeat, args.seed
    ))
}
