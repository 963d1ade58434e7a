//! Scores while training: SWD and MS-SSIM of the averaged generator, by the definitions of pgeval.
//!
//! The images scored are those of `pgtrain sample --count N` from the same moment's snapshot, under the same names, so
//! that `pgeval swd` and `pgeval ms-ssim --consecutive` on them give the same numbers.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use pg_cli::Interrupt;
use pg_image::Planar;
use pg_metrics::{
    ImagePair, MS_SSIM_MIN_SIDE_PX, PATCH_PX, SWD_LOWEST_PX, Side, SwdLayout, SwdSettings, compare_level,
    consecutive_pairs, diversity, drawn_pairs, ms_ssim, summarise,
};
use pg_shard::{Dataset, Level, epoch_order};
use pg_stats::{Stats, StatsProtocol, StatsWriter, SwdProtocol};
use pg_training::{Evaluated, LevelScore, MetricScore, ScoredMoment, Scores, TrainingError};
use rayon::prelude::*;
use serde_json::json;

/// Images drawn and held at a time; even, so that consecutive pairs stay together.
const CHUNK: usize = 64;
/// Seed of patches, directions and pairs: the default of pgeval.
const SEED: u64 = 0;

/// Scores a run's generator, again and again.
#[derive(Debug)]
pub(crate) struct Evaluator<'a> {
    image_count: usize,
    /// Chooses the reals.
    run_seed: u64,
    scratch: PathBuf,
    interrupt: &'a Interrupt,
    reals: Option<Reals>,
}

/// What is known of the real images at one level, for all scorings there.
#[derive(Debug)]
struct Reals {
    resolution_px: u32,
    described: Stats,
    diversity: f64,
}

/// A signal came.
#[derive(Debug)]
struct Stopped;

type Step<T> = anyhow::Result<Result<T, Stopped>>;

impl<'a> Evaluator<'a> {
    /// Scores `image_count` images of each side, or as many as the dataset has; what is kept of them meanwhile goes to
    /// a nameless file in `scratch`.
    pub(crate) fn new(image_count: u32, run_seed: u64, scratch: &Path, interrupt: &'a Interrupt) -> Self {
        let image_count = image_count as usize;
        Self { image_count, run_seed, scratch: scratch.to_owned(), interrupt, reals: None }
    }

    pub(crate) fn evaluate(&mut self, moment: &ScoredMoment<'_>) -> Result<Evaluated, TrainingError> {
        match self.scores(moment) {
            Ok(Ok(scores)) => Ok(Evaluated::Scored(scores)),
            Ok(Err(Stopped)) => Ok(Evaluated::Interrupted),
            Err(error) => Err(TrainingError::Evaluation { reason: format!("{error:#}") }),
        }
    }

    fn scores(&mut self, moment: &ScoredMoment<'_>) -> Step<Scores> {
        let px = moment.level.resolution_px;
        let count = self.image_count.min(moment.dataset.len());
        let counts = json!({ "real": count, "fake": count, "pairs": count / 2 });
        if let Some(reason) = reason_to_skip(px, count) {
            let skipped = ["swd", "ms-ssim"].map(|metric| format!("{metric}: {reason}")).to_vec();
            return Ok(Ok(Scores { skipped, counts, ..Scores::default() }));
        }
        let settings = SwdSettings { seed: SEED, ..SwdSettings::default() };
        let layout = SwdLayout::new(px as usize, &[], &settings)?;
        if self.reals.as_ref().is_none_or(|reals| reals.resolution_px != px) {
            self.reals = None;
            match self.describe_reals(moment.dataset, px, count, &layout)? {
                Ok(reals) => self.reals = Some(reals),
                Err(Stopped) => return Ok(Err(Stopped)),
            }
        }
        let reals = self.reals.as_ref().context("the real images were not described")?;
        let (described, pair_scores) = match self.describe_fakes(moment, count, &layout)? {
            Ok(fakes) => fakes,
            Err(Stopped) => return Ok(Err(Stopped)),
        };
        let all: Vec<usize> = (0..count).collect();
        let mut levels = Vec::new();
        for &level_px in layout.compared_px() {
            if self.interrupt.requested() {
                return Ok(Err(Stopped));
            }
            let (real, fake) =
                (reals.described.descriptors(level_px, &all)?, described.descriptors(level_px, &all)?);
            levels.push(compare_level(real, fake, level_px, &settings)?);
        }
        let swd = summarise(&levels);
        let level =
            |l: &pg_metrics::SwdLevelScore| LevelScore { resolution: l.resolution_px as u32, value: l.value };
        let metrics = vec![
            MetricScore {
                metric: "swd".to_owned(),
                value: swd.value,
                unit: "x1e-3".to_owned(),
                levels: swd.levels.iter().map(level).collect(),
                reals: None,
            },
            MetricScore {
                metric: "ms-ssim".to_owned(),
                value: diversity(&consecutive_pairs(count)?, &pair_scores)?.value,
                unit: "1".to_owned(),
                levels: Vec::new(),
                reals: Some(reals.diversity),
            },
        ];
        Ok(Ok(Scores {
            metrics,
            skipped: Vec::new(),
            counts,
            protocol: self.protocol(&settings, moment, count),
        }))
    }

    fn protocol(&self, settings: &SwdSettings, moment: &ScoredMoment<'_>, count: usize) -> serde_json::Value {
        let reals = if count == moment.dataset.len() {
            "all".to_owned()
        } else {
            format!("{count} of {}, chosen by seed {}", moment.dataset.len(), self.run_seed)
        };
        json!({
            "fakes": format!("averaged generator, seeds 0-{}", count - 1),
            "reals": reals,
            "swd": {
                "definition": "arXiv:1710.10196, section 5",
                "patch_px": PATCH_PX,
                "patches_per_image": settings.patches_per_image,
                "directions_per_repeat": settings.directions_per_repeat,
                "repeats": settings.repeats,
                "seed": settings.seed,
            },
            "ms-ssim": {
                "definition": "Wang, Simoncelli, Bovik 2003; diversity as in arXiv:1710.10196, section 5",
                "pairing": { "fakes": "consecutive", "reals": format!("drawn with seed {SEED}") },
            },
        })
    }

    fn writer(&self, layout: &SwdLayout, side: Side, count: usize) -> anyhow::Result<StatsWriter> {
        let protocol = StatsProtocol { swd: Some(SwdProtocol::new(layout, SEED)), network: None };
        StatsWriter::scratch(&self.scratch, protocol, side, count)
            .with_context(|| format!("cannot keep what is found in images in {}", self.scratch.display()))
    }

    fn describe_reals(&self, dataset: &Dataset, px: u32, count: usize, layout: &SwdLayout) -> Step<Reals> {
        let level = dataset.level_of_side(px)?;
        let names = file_names(dataset)?;
        let chosen = chosen(self.run_seed, count, dataset.len());
        let writer = self.writer(layout, Side::Real, count)?;
        for chunk in chosen.iter().copied().enumerate().collect::<Vec<_>>().chunks(CHUNK) {
            if self.interrupt.requested() {
                return Ok(Err(Stopped));
            }
            chunk.par_iter().try_for_each(|&(place, index)| -> anyhow::Result<()> {
                let image = real_image(&level, index)?;
                Ok(writer.put(place, names.get(index).map_or("", String::as_str), &rgb(&image), None)?)
            })?;
        }
        let pairs = drawn_pairs(count, count / 2, SEED)?;
        let mut scores = Vec::with_capacity(pairs.len());
        for chunk in pairs.chunks(CHUNK) {
            if self.interrupt.requested() {
                return Ok(Err(Stopped));
            }
            let of_pair = |pair: &ImagePair| -> anyhow::Result<f64> {
                let image = |place: usize| real_image(&level, chosen[place]).map(|image| rgb(&image));
                Ok(ms_ssim(&image(pair.first)?, &image(pair.second)?)?)
            };
            scores.extend(chunk.par_iter().map(of_pair).collect::<anyhow::Result<Vec<f64>>>()?);
        }
        let diversity = diversity(&pairs, &scores)?.value;
        Ok(Ok(Reals { resolution_px: px, described: writer.finish()?, diversity }))
    }

    /// What is found in the generator's images, and the MS-SSIM of images 0 and 1, 2 and 3, …
    fn describe_fakes(
        &self,
        moment: &ScoredMoment<'_>,
        count: usize,
        layout: &SwdLayout,
    ) -> Step<(Stats, Vec<f64>)> {
        let writer = self.writer(layout, Side::Fake, count)?;
        let mut pair_scores = Vec::with_capacity(count / 2);
        let seeds: Vec<u64> = (0..count as u64).collect();
        for chunk in seeds.chunks(CHUNK) {
            if self.interrupt.requested() {
                return Ok(Err(Stopped));
            }
            let sheet = moment.fakes(chunk)?;
            let side = sheet.resolution_px;
            let planar = |bytes: &[u8]| Planar::from_data(sheet.channels, side, side, bytes.to_vec());
            let images: Option<Vec<Planar<u8>>> =
                sheet.images().map(|i| planar(i).map(|p| rgb(&p))).collect();
            let images = images.context("image size")?;
            chunk.par_iter().zip(&images).try_for_each(|(&seed, image)| {
                writer.put(seed as usize, &crate::pictures::file_name(seed), image, None)
            })?;
            let of_pair = |pair: &[Planar<u8>]| ms_ssim(&pair[0], &pair[1]);
            pair_scores.extend(images.par_chunks_exact(2).map(of_pair).collect::<Result<Vec<f64>, _>>()?);
        }
        Ok(Ok((writer.finish()?, pair_scores)))
    }
}

fn reason_to_skip(px: u32, count: usize) -> Option<String> {
    let smallest = SWD_LOWEST_PX.max(MS_SSIM_MIN_SIDE_PX);
    if count < 2 {
        return Some("the dataset has one image, it takes two".to_owned());
    }
    ((px as usize) < smallest).then(|| format!("images of {px} px, it takes {smallest}"))
}

/// `count` of `len` images, ascending: all, or chosen by `seed`.
fn chosen(seed: u64, count: usize, len: usize) -> Vec<usize> {
    let mut chosen: Vec<usize> =
        epoch_order(seed, 0, len).into_iter().map(|i| i as usize).take(count).collect();
    chosen.sort_unstable();
    chosen
}

/// The last parts of the paths that the images were packed from: patch positions depend on them.
fn file_names(dataset: &Dataset) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::with_capacity(dataset.len());
    for shard in 0..dataset.manifest().shards.len() {
        for line in dataset.index_of_shard(shard)? {
            names.push(line.path.rsplit('/').next().unwrap_or_default().to_owned());
        }
    }
    Ok(names)
}

fn real_image(level: &Level, index: usize) -> anyhow::Result<Planar<u8>> {
    let side = level.resolution().pixels();
    let bytes = level.image(index)?.into_owned();
    Planar::from_data(level.channels(), side, side, bytes).context("image size")
}

/// Grey is repeated to RGB.
fn rgb(image: &Planar<u8>) -> Planar<u8> {
    if image.channels() != 1 {
        return image.clone();
    }
    Planar::from_data(3, image.height(), image.width(), image.data().repeat(3))
        .unwrap_or_else(|| image.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reals_are_chosen_by_the_seed_and_kept_in_order() {
        assert_eq!(chosen(1, 5, 5), [0, 1, 2, 3, 4]);
        let (one, other) = (chosen(1, 20, 100), chosen(2, 20, 100));
        assert!(one.is_sorted() && one.len() == 20 && one != other);
        assert_eq!(one, chosen(1, 20, 100));
    }

    #[test]
    fn images_that_are_too_small_are_left_out_with_a_reason() {
        assert_eq!(reason_to_skip(8, 10), Some("images of 8 px, it takes 16".to_owned()));
        assert_eq!(reason_to_skip(16, 10), None);
        assert!(reason_to_skip(16, 1).is_some());
    }
}
