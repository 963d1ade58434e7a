//! How often the 95 % intervals hold the value that they are about, on synthetic images.
//!
//! The truth is the expected value at the same number of images, over the draw of the images and of everything
//! random in the metric: the mean of many independent runs, each on fresh images.

use std::f64::consts::TAU;

use ndarray::Array2;
use pg_image::Planar;
use pg_metrics::{
    ConfidenceInterval, FeatureGaussian, FeatureSide, FrechetJackknife, ImagePair, KernelDistance,
    KernelSubsets, SwdSettings, consecutive_pairs, diversity, drawn_pairs, frechet_distance, inception_score,
    ms_ssim, precision_recall, sliced_wasserstein,
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Where images come from: waves of random place, direction and colour, under noise. Every image has its own
/// contrast and its own noise, so that its patches are alike and images, not patches, are what is drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    pub(crate) wavelength_px: f64,
    pub(crate) contrast: f64,
    pub(crate) noise: f64,
}

impl Source {
    pub(crate) fn image(&self, rng: &mut ChaCha8Rng, side_px: usize) -> Planar<u8> {
        let (angle, phase): (f64, f64) = (rng.random_range(0.0..TAU), rng.random_range(0.0..TAU));
        let step = TAU / (self.wavelength_px * rng.random_range(0.7..1.4));
        let (contrast, noise) =
            (self.contrast * rng.random_range(0.3..1.7), self.noise * rng.random_range(0.2..1.8));
        let tint: [f64; 3] = std::array::from_fn(|_| rng.random_range(0.3..1.0));
        let mut data = Vec::with_capacity(3 * side_px * side_px);
        for tint in tint {
            for y in 0..side_px {
                for x in 0..side_px {
                    let along = (x as f64 * angle.cos() + y as f64 * angle.sin()) * step + phase;
                    let value = 128.0 + tint * contrast * along.sin() + noise * rng.random_range(-1.0..1.0);
                    data.push(value.round().clamp(0.0, 255.0) as u8);
                }
            }
        }
        Planar::from_data(3, side_px, side_px, data).expect("three planes of the side")
    }

    fn images(&self, seed: u64, count: usize, side_px: usize) -> Vec<Planar<u8>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..count).map(|_| self.image(&mut rng, side_px)).collect()
    }
}

/// What came of an experiment.
#[derive(Debug)]
pub(crate) struct Coverage {
    /// Intervals looked at.
    pub(crate) trials: usize,
    /// Those that hold the truth.
    pub(crate) covered: usize,
    /// The expected value.
    pub(crate) truth: f64,
    /// How far values lie apart.
    pub(crate) standard_deviation: f64,
    /// Half an interval, on average.
    pub(crate) half_width: f64,
}

impl Coverage {
    pub(crate) fn share(&self) -> f64 {
        self.covered as f64 / self.trials as f64
    }
}

/// `trials` intervals, after as many runs of their own have found the truth.
fn coverage(
    trials: usize,
    truth_runs: usize,
    run: impl Fn(u64) -> (f64, ConfidenceInterval) + Sync,
) -> Coverage {
    let runs = |from: usize, count: usize| -> Vec<(f64, ConfidenceInterval)> {
        (from..from + count).into_par_iter().map(|i| run(i as u64)).collect()
    };
    let truth = runs(0, truth_runs).iter().map(|(value, _)| value).sum::<f64>() / truth_runs as f64;
    let tried = runs(truth_runs, trials);
    let n = trials as f64;
    let mean = tried.iter().map(|(value, _)| value).sum::<f64>() / n;
    let squares = tried.iter().map(|(value, _)| (value - mean) * (value - mean)).sum::<f64>();
    Coverage {
        trials,
        covered: tried.iter().filter(|(_, i)| i.low <= truth && truth <= i.high).count(),
        truth,
        standard_deviation: (squares / (n - 1.0)).sqrt(),
        half_width: tried.iter().map(|(_, i)| (i.high - i.low) / 2.0).sum::<f64>() / n,
    }
}

/// Of the sliced Wasserstein distance between `image_count` images of each source.
pub(crate) fn of_swd(
    [real, fake]: [Source; 2],
    side_px: usize,
    image_count: usize,
    trials: usize,
    truth_runs: usize,
) -> Coverage {
    coverage(trials, truth_runs, |run| {
        let settings =
            SwdSettings { patches_per_image: 32, directions_per_repeat: 64, repeats: 2, seed: run };
        let real = real.images(2 * run, image_count, side_px);
        let fake = fake.images(2 * run + 1, image_count, side_px);
        let score = sliced_wasserstein(&real, &fake, &settings).expect("images of a right size");
        (score.value, score.interval)
    })
}

/// Metrics of features.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FeatureMetric {
    Frechet,
    /// By this many subsets of half of the images.
    Kernel(usize),
    Precision,
    /// Of the fake side, as class scores.
    Recognition,
}

/// Features, half of which are 0 as behind a ReLU, correlated, those of the fake side raised by `shift`.
fn features(seed: u64, images: usize, width: usize, shift: f64) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // The sum of three uniform numbers is near enough to a normal one.
    let mut normal = || (0..3).map(|_| rng.random_range(-1.0..1.0)).sum::<f64>();
    let mut rows = Array2::zeros((images, width));
    for mut row in rows.rows_mut() {
        let common = normal();
        row.iter_mut().for_each(|value| *value = (normal() + 0.5 * common + shift).max(0.0) as f32);
    }
    rows
}

/// Of a metric of features, between `image_count` images a side.
pub(crate) fn of_features(
    metric: FeatureMetric,
    width: usize,
    image_count: usize,
    shift: f64,
    trials: usize,
    truth_runs: usize,
) -> Coverage {
    coverage(trials, truth_runs, |seed| {
        let real = features(2 * seed, image_count, width, 0.0);
        let fake = features(2 * seed + 1, image_count, width, shift);
        match metric {
            FeatureMetric::Frechet => {
                let gaussian = |set| FeatureGaussian::of(set).expect("two images");
                let distance = frechet_distance(&gaussian(&real), &gaussian(&fake)).expect("features");
                let sides = (FeatureSide::Rows(&real), FeatureSide::Rows(&fake));
                let jackknife = FrechetJackknife::new(sides.0, sides.1).expect("four images");
                let left_out: Result<Vec<_>, _> =
                    (0..jackknife.count()).map(|i| jackknife.without(i)).collect();
                let interval = jackknife.interval(distance.distance, &left_out.expect("features"));
                (distance.distance, interval)
            }
            FeatureMetric::Kernel(count) => {
                let subsets = KernelSubsets { count, size: image_count / 2, seed };
                let mut distance = KernelDistance::new(&real, &fake).expect("features");
                (0..count).for_each(|i| distance.add_drawn(subsets, i).expect("features"));
                let score = distance.finish().expect("subsets");
                (score.mean, score.interval.expect("enough images"))
            }
            FeatureMetric::Precision => {
                let found = precision_recall(&real, &fake, 3, &mut || Ok(())).expect("features");
                (found.precision.value, found.precision.interval)
            }
            FeatureMetric::Recognition => {
                let score = inception_score(&fake, 10, seed).expect("class scores");
                (score.mean, score.interval)
            }
        }
    })
}

/// How pairs are chosen.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pairing {
    Consecutive,
    /// This many, which share images.
    Drawn(usize),
}

/// Of the mean MS-SSIM between `image_count` images of one source.
pub(crate) fn of_ms_ssim(
    source: Source,
    side_px: usize,
    image_count: usize,
    pairing: Pairing,
    trials: usize,
    truth_runs: usize,
) -> Coverage {
    coverage(trials, truth_runs, |run| {
        let images = source.images(run, image_count, side_px);
        let pairs: Vec<ImagePair> = match pairing {
            Pairing::Consecutive => consecutive_pairs(image_count),
            Pairing::Drawn(count) => drawn_pairs(image_count, count, run),
        }
        .expect("enough images");
        let score = |pair: &ImagePair| ms_ssim(&images[pair.first], &images[pair.second]);
        let scores: Result<Vec<f64>, _> = pairs.iter().map(score).collect();
        let score = diversity(&pairs, &scores.expect("images of a right size")).expect("enough pairs");
        (score.value, score.interval)
    })
}
