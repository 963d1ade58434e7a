//! The two sides of a comparison.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use pg_cli::{CommonArgs, Interrupt, Progress, StderrNotes};
use pg_image::Planar;
use pg_metrics::{Side, SwdLayout, SwdScore, SwdSettings, compare_level, summarise, swd_resolutions};
use pg_stats::{Stats, StatsProtocol, SwdProtocol};

use super::reference::Reference;
use crate::args::SwdArgs;
use crate::described::{
    Extraction, NetworkFaults, Source, check_size, compared_levels, describe, described_in_scratch,
};
use crate::features::{Network, of_images};
use crate::image_set::ImageSet;
use crate::interruption::nothing_kept;

/// Called with every image that was read.
pub(crate) type Seen<'a> = dyn Fn(Side, usize, &Planar<u8>) -> Result<()> + Sync + 'a;

/// The descriptors of a set at a level.
type Descriptors<'a> = dyn Fn(usize) -> Result<Vec<f32>> + 'a;

/// What is compared.
#[derive(Debug)]
pub(crate) struct Sides {
    pub(crate) real: Reference,
    pub(crate) fake: Arc<ImageSet>,
    /// The first images of each side that count.
    pub(crate) image_count: usize,
    /// Images of each of the two sets of REAL whose distance is the floor, where that is asked for.
    floor_count: Option<usize>,
    layout: SwdLayout,
}

/// The distance and, where asked for, its floor.
#[derive(Debug)]
pub(crate) struct Scored {
    pub(super) score: SwdScore,
    pub(super) floor: Option<Floor>,
}

/// The distance between two sets of the real images.
#[derive(Debug)]
pub(crate) struct Floor {
    pub(super) score: SwdScore,
    /// Images of each set.
    pub(super) image_count: usize,
}

impl Sides {
    pub(crate) fn open(args: &SwdArgs, notes: StderrNotes) -> Result<Self> {
        let real = Reference::open(args)?;
        let fake = ImageSet::open("FAKE", &args.fake, args.input, Some(real.size_px().0))?;
        for (role, set) in [("REAL", real.images()), ("FAKE", Some(&fake))] {
            if let Some(set) = set {
                set.note_left_out(role, notes);
            }
        }
        let resolution_px = common_resolution(&real, &fake)?;
        let image_count = common_count(args, &real, &fake, notes)?;
        let available = match &real {
            Reference::Images(_) => swd_resolutions(resolution_px)?,
            Reference::Stats(_, protocol) => protocol.levels.clone(),
        };
        let compared = compared_levels(&args.protocol, resolution_px)?.unwrap_or_else(|| available.clone());
        if let Some(missing) = compared.iter().find(|px| !available.contains(px)) {
            let has: Vec<String> = available.iter().map(usize::to_string).collect();
            bail!(
                "REAL {} was made without the level {missing}: it has {}; leave --levels out to compare these",
                real.argument(),
                has.join(",")
            );
        }
        let layout = SwdLayout::new(resolution_px, &compared, &args.settings())?;
        let floor_count = args.floor.then(|| floor_count(real.len(), image_count)).transpose()?;
        Ok(Self { real, fake: Arc::new(fake), image_count, floor_count, layout })
    }

    /// Reads every image once, and brings it through `network`; `see` gets it too, from several threads. Images of REAL that
    /// only the floor needs are neither brought nor shown. Outputs that are not finite are noted among the faults.
    pub(crate) fn describe(
        self,
        args: &SwdArgs,
        network: Option<&Network>,
        common: &CommonArgs,
        interrupt: &Interrupt,
        see: &Seen<'_>,
    ) -> Result<Described> {
        let swd = Some(SwdProtocol::new(&self.layout, args.protocol.seed));
        let with_network =
            StatsProtocol { swd: swd.clone(), network: network.map(|network| network.protocol.clone()) };
        let faults = NetworkFaults::default();
        let extraction =
            network.map(|network| Extraction { extractor: &network.extractor, faults: Some(&faults) });
        let progress =
            Progress::new(common.progress_style(), "describe", "images", self.images_read() as u64);
        let collect = |side: Side, set: &ImageSet| -> Result<Stats> {
            let writer = described_in_scratch(with_network.clone(), side, self.image_count)?;
            let role = if side == Side::Real { "REAL" } else { "FAKE" };
            let source = Source { role, set, first: 0 };
            describe(&writer, source, extraction, &progress, interrupt, &|index, image| {
                see(side, index, image)
            })?;
            writer.finish().context("keep what was found in the images")
        };
        let collect_more = |set: &ImageSet| -> Result<Stats> {
            let writer = described_in_scratch(
                StatsProtocol { swd, network: None },
                Side::Real,
                self.more_for_floor(),
            )?;
            let source = Source { role: "REAL", set, first: self.image_count };
            describe(&writer, source, None, &progress, interrupt, &|_, _| Ok(()))?;
            writer.finish().context("keep what was found in the images")
        };
        let made = self.real.images().map(|set| collect(Side::Real, set)).transpose()?;
        let more = self.real.images().filter(|_| self.more_for_floor() > 0);
        let more = more.map(collect_more).transpose()?;
        let fake = collect(Side::Fake, &self.fake)?;
        progress.finish();
        Ok(Described { sides: self, real: made, more, fake, faults })
    }

    /// Images of REAL behind those that count which the floor needs.
    fn more_for_floor(&self) -> usize {
        self.floor_count.map_or(0, |each| (2 * each).saturating_sub(self.image_count))
    }

    pub(super) fn layout(&self) -> &SwdLayout {
        &self.layout
    }

    /// Number of images decoded.
    pub(crate) fn images_read(&self) -> usize {
        self.real.images().map_or(0, |_| self.image_count + self.more_for_floor()) + self.image_count
    }

    /// The sides that hold images, by their arguments' names.
    pub(crate) fn image_sets(&self) -> Vec<(&'static str, &ImageSet)> {
        self.real.images().map(|set| ("REAL", set)).into_iter().chain([("FAKE", &*self.fake)]).collect()
    }

    /// Once the images were read.
    pub(crate) fn warn_of_images(&self, notes: StderrNotes) {
        for warning in of_images(&self.image_sets()) {
            notes.warning(warning.text);
        }
    }
}

/// Both sides, and what was found in their images.
#[derive(Debug)]
pub(crate) struct Described {
    pub(crate) sides: Sides,
    /// Of images; a statistics file is in `sides`.
    pub(crate) real: Option<Stats>,
    /// Of images of REAL that only the floor needs, behind those of `real`.
    more: Option<Stats>,
    pub(crate) fake: Stats,
    /// What the network said that no metric can take.
    pub(crate) faults: NetworkFaults,
}

impl Described {
    /// The distance, level by level.
    pub(crate) fn score(&self, args: &SwdArgs, common: &CommonArgs, interrupt: &Interrupt) -> Result<Scored> {
        let settings = args.settings();
        let real = match (&self.real, &self.sides.real) {
            (Some(made), _) => made,
            (None, Reference::Stats(stats, _)) => stats,
            (None, Reference::Images(_)) => bail!("the images of REAL were not read"),
        };
        let levels = self.sides.layout.compared_px();
        let passes = if self.sides.floor_count.is_some() { 2 } else { 1 };
        let progress =
            Progress::new(common.progress_style(), "compare", "levels", passes * levels.len() as u64);
        let compare = |sides: [&Descriptors<'_>; 2]| -> Result<SwdScore> {
            self.compare(sides, &settings, &progress, interrupt)
        };
        let all: Vec<usize> = (0..self.sides.image_count).collect();
        let score = compare([&|px: usize| Ok(real.descriptors(px, &all)?), &|px: usize| {
            Ok(self.fake.descriptors(px, &all)?)
        }])?;
        let floor = self.sides.floor_count.map(|image_count| -> Result<Floor> {
            let [even, odd] = [0, 1].map(|first| (0..image_count).map(|i| 2 * i + first).collect::<Vec<_>>());
            let score = compare([&|px: usize| self.real_descriptors(real, px, &even), &|px: usize| {
                self.real_descriptors(real, px, &odd)
            }])?;
            Ok(Floor { score, image_count })
        });
        let floor = floor.transpose()?;
        progress.finish();
        Ok(Scored { score, floor })
    }

    /// Of the images `indices` of REAL, rising, of which the last may be among those of the floor alone.
    fn real_descriptors(&self, real: &Stats, px: usize, indices: &[usize]) -> Result<Vec<f32>> {
        let Some(more) = &self.more else { return Ok(real.descriptors(px, indices)?) };
        let first = self.sides.image_count;
        let (here, there) = indices.split_at(indices.partition_point(|&index| index < first));
        let mut descriptors = real.descriptors(px, here)?;
        let there: Vec<usize> = there.iter().map(|index| index - first).collect();
        descriptors.extend(more.descriptors(px, &there)?);
        Ok(descriptors)
    }

    /// One level at a time: what they hold at once is all that is in memory.
    fn compare(
        &self,
        [a, b]: [&Descriptors<'_>; 2],
        settings: &SwdSettings,
        progress: &Progress,
        interrupt: &Interrupt,
    ) -> Result<SwdScore> {
        let mut levels = Vec::new();
        for &px in self.sides.layout.compared_px() {
            interrupt.check(nothing_kept)?;
            levels.push(compare_level(a(px)?, b(px)?, px, settings)?);
            progress.advance(1);
        }
        Ok(summarise(&levels))
    }
}

/// As many images in each of the two sets of the floor as the score has, if REAL has twice as many; else half of REAL.
fn floor_count(real_len: usize, image_count: usize) -> Result<usize> {
    let each = (real_len / 2).min(image_count);
    if each < 2 {
        bail!("--floor compares two sets of REAL: it needs at least 4 images, there are {real_len}");
    }
    Ok(each)
}

fn common_resolution(real: &Reference, fake: &ImageSet) -> Result<usize> {
    check_size(real.size_px(), &real.name(0))?;
    check_size((fake.width_px(), fake.height_px()), &fake.name(0))?;
    let (width_px, height_px) = real.size_px();
    if width_px != fake.width_px() {
        bail!(
            "REAL {} has images of {width_px}x{height_px} pixels, FAKE {} of {}x{}; score both at one size: of a dataset, DATASET@{} picks that level, of image files --fit stretch --resolution {3} makes it",
            real.argument(),
            fake.argument(),
            fake.width_px(),
            fake.height_px(),
            width_px.min(fake.width_px()),
        );
    }
    Ok(width_px)
}

/// Both sides must have the same number of descriptors: cut to the smaller, and say so.
fn common_count(args: &SwdArgs, real: &Reference, fake: &ImageSet, notes: StderrNotes) -> Result<usize> {
    let asked_for = args.protocol.images;
    let sides = [
        ("REAL", real.argument(), real.len(), real.name(0)),
        ("FAKE", fake.argument().to_owned(), fake.len(), fake.name(0)),
    ];
    for (role, argument, len, first) in sides {
        if len < 2 {
            bail!(
                "{role} {argument} holds 1 image ({first}): the sliced Wasserstein distance needs at least 2; give more images"
            );
        }
        if let Some(asked) = asked_for.filter(|&asked| asked > len) {
            notes.warning(format_args!("--images {asked}: {role} {argument} holds only {len} images"));
        }
    }
    let smaller = real.len().min(fake.len());
    let count = asked_for.unwrap_or(smaller).min(smaller);
    if asked_for.is_none() && real.len() != fake.len() {
        notes.note(format_args!(
            "REAL has {} images, FAKE {}: the first {count} of each are compared",
            real.len(),
            fake.len()
        ));
    }
    Ok(count)
}
