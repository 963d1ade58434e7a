//! Sliced Wasserstein distance between two sets of images (ProGAN, arXiv:1710.10196, section 5).
//!
//! Per level of the Laplacian pyramid: 7x7x3 patch descriptors, normalised per set and channel, are
//! projected on random directions; along each the Wasserstein-1 distance of the two sets is taken, which is the
//! mean absolute difference of their sorted projections. The distance is the mean over all directions.

use pg_image::Planar;
use rayon::prelude::*;

use crate::MetricsError;
use crate::half_distances::{Halves, buckets_for};
use crate::half_normalisation::half_normalisations;
use crate::interval::{ConfidenceInterval, HalfSamples, half_sample_standard_error};
use crate::moments::RunMoments;
use crate::patch_descriptors::{ChannelStatistics, DESCRIPTOR_LENGTH, Side, normalise_descriptors};
use crate::projection::{channel_sums_of_directions, draw_directions, project_and_compare, transpose_chunks};
use crate::swd_description::{ImageRecord, SwdDescriber, SwdLayout, SwdSettings};

/// What distances are multiplied by in a score: they are reported in units of 1e-3.
pub const SWD_UNIT_SCALE: f64 = 1e3;

/// Directions along which halves of the sets are compared too, for the interval.
const HALF_SAMPLE_DIRECTIONS: usize = 64;

/// The distance at one level, with what its confidence interval needs; not scaled.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelDistance {
    /// Side of the level, in pixels.
    pub resolution_px: usize,
    /// Mean over all directions.
    pub distance: f64,
    /// Squared standard error from the choice of directions.
    direction_variance: f64,
    /// The distances of halves of the sets, along some of the directions.
    half_distances: Vec<f64>,
    /// Degrees of freedom of their spread.
    degrees_of_freedom: usize,
}

/// Normalises and compares a level of both sides.
///
/// `real` and `fake` are the level's descriptors, `[images, patches, 147]`, not normalised, of as many images.
///
/// # Errors
/// - [`MetricsError::SetsDiffer`] when the sides differ in size
/// - [`MetricsError::TooFewImages`] below two images: there is no spread to normalise or to judge
/// - [`MetricsError::Parameter`] for settings out of range, or when a side is not made of whole images
/// - [`MetricsError::NotFinite`] of a side
///
/// # Cost
/// images * patches * directions * repeats * 588 floating-point operations, and a pass or two over as many
/// numbers, on both sides. Memory: 512 bytes per descriptor of either side on top of the descriptors, which are normalised in
/// place.
pub fn compare_level(
    mut real: Vec<f32>,
    mut fake: Vec<f32>,
    resolution_px: usize,
    settings: &SwdSettings,
) -> Result<LevelDistance, MetricsError> {
    settings.check()?;
    let per_image = settings.patches_per_image * DESCRIPTOR_LENGTH;
    let image_count = real.len() / per_image;
    if real.len() != fake.len() {
        let (real, fake) = (image_count.to_string(), (fake.len() / per_image).to_string());
        return Err(MetricsError::SetsDiffer { what: "number of images", real, fake });
    }
    if !real.len().is_multiple_of(per_image) {
        let (name, expected) = ("number of descriptors", "a multiple of the patches per image");
        let actual = (real.len() / DESCRIPTOR_LENGTH).to_string();
        return Err(MetricsError::Parameter { name, expected, actual });
    }
    if image_count < 2 {
        let metric = "the sliced Wasserstein distance";
        return Err(MetricsError::TooFewImages { metric, expected: 2, actual: image_count });
    }
    let half_samples = HalfSamples::new(image_count);
    let ends: Vec<usize> =
        half_samples.ends(image_count).into_iter().map(|end| end * settings.patches_per_image).collect();
    let sides = [(&mut real, Side::Real), (&mut fake, Side::Fake)];
    let [of_real, of_fake] = sides.map(|(descriptors, side)| {
        let moments = RunMoments::new(descriptors, &ends);
        let statistics = moments.statistics();
        check_finite(descriptors, &statistics, per_image).map_err(|error| error.of_side(side))?;
        normalise_descriptors(descriptors, &statistics);
        transpose_chunks(descriptors);
        Ok(half_normalisations(&moments, &statistics, &half_samples))
    });
    let (of_real, of_fake): (Vec<_>, Vec<_>) = (of_real?, of_fake?);
    let directions_of =
        |repeat: usize| draw_directions(settings.seed, resolution_px, repeat, settings.directions_per_repeat);
    let first_directions = directions_of(0);
    let halves = Halves {
        masks: half_samples.masks(),
        real: of_real,
        fake: of_fake,
        direction_sums: channel_sums_of_directions(&first_directions.view()),
    };
    let mut per_direction = Vec::with_capacity(settings.repeats * settings.directions_per_repeat);
    let mut half_distances = vec![0.0; 2 * half_samples.masks().len()];
    for repeat in 0..settings.repeats {
        let directions = if repeat == 0 { first_directions.clone() } else { directions_of(repeat) };
        let with_halves = if repeat == 0 { HALF_SAMPLE_DIRECTIONS.min(directions.ncols()) } else { 0 };
        let compared =
            project_and_compare(&real, &fake, &directions.view(), |workspace, direction, [a, b], grid| {
                if direction >= with_halves {
                    return (workspace.on_grid(a, b, grid), Vec::new());
                }
                let projected = workspace.with_runs(a, b, grid, &ends, buckets_for(a.len()));
                (projected.distance, halves.distances(direction, &projected))
            })?;
        for (distance, of_halves) in compared {
            per_direction.push(distance);
            for (sum, half) in half_distances.iter_mut().zip(of_halves) {
                *sum += half / with_halves as f64;
            }
        }
    }
    let n = per_direction.len() as f64;
    let distance = per_direction.iter().sum::<f64>() / n;
    let squares: f64 = per_direction.iter().map(|d| (d - distance) * (d - distance)).sum();
    let direction_variance = squares / (n - 1.0).max(1.0) / n;
    let degrees_of_freedom = half_samples.groups() - 1;
    Ok(LevelDistance { resolution_px, distance, direction_variance, half_distances, degrees_of_freedom })
}

/// Of descriptors with one that is not finite, that one: their sums are not finite either.
fn check_finite(
    descriptors: &[f32],
    statistics: &ChannelStatistics,
    per_image: usize,
) -> Result<(), MetricsError> {
    if statistics.mean.iter().chain(&statistics.standard_deviation).all(|value| value.is_finite()) {
        return Ok(());
    }
    let at = descriptors.iter().position(|value| !value.is_finite()).unwrap_or_default();
    let (index, place, value) = (at / per_image, at % per_image, f64::from(descriptors[at]));
    Err(MetricsError::NotFinite { what: "descriptors", index, place, value })
}

/// The distance of two sets of images `[3,R,R]`, u8, as many on both sides, named by their numbers.
///
/// For sets that fit into memory; larger ones are described image by image ([`SwdDescriber`]) and compared
/// level by level ([`compare_level`]).
///
/// # Errors
/// Those of [`SwdDescriber::describe`] and [`compare_level`].
pub fn sliced_wasserstein(
    real: &[Planar<u8>],
    fake: &[Planar<u8>],
    settings: &SwdSettings,
) -> Result<SwdScore, MetricsError> {
    let resolution_px = real.first().map_or(0, Planar::width);
    let layout = SwdLayout::new(resolution_px, &[], settings)?;
    let described = [(Side::Real, real), (Side::Fake, fake)].map(|(side, images)| {
        let describer = SwdDescriber::new(layout.clone(), side, settings.seed);
        let describe = |(i, image)| describer.describe(i, &i.to_string(), image);
        let records: Result<Vec<ImageRecord>, _> = images.par_iter().enumerate().map(describe).collect();
        Ok((describer, records?))
    });
    let [real, fake] = described;
    let (real, fake) = (real?, fake?);
    let levels: Result<Vec<LevelDistance>, _> = layout
        .compared_px()
        .iter()
        .enumerate()
        .map(|(i, &px)| {
            let [real, fake] = [&real, &fake].map(|(describer, records)| {
                let descriptors = records.iter().flat_map(|record| {
                    describer.descriptors(px, record.key, &record.levels[i], record.levels.get(i + 1))
                });
                descriptors.collect::<Vec<f32>>()
            });
            compare_level(real, fake, px, settings)
        })
        .collect();
    Ok(summarise(&levels?))
}

/// One level of a score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SwdLevelScore {
    /// Side of the level, in pixels.
    pub resolution_px: usize,
    /// The distance, in units of 1e-3.
    pub value: f64,
    /// Its 95 % interval, in units of 1e-3.
    pub interval: ConfidenceInterval,
}

/// The sliced Wasserstein distance of two sets of images; lower is nearer.
#[derive(Debug, Clone, PartialEq)]
pub struct SwdScore {
    /// Per level, finest first.
    pub levels: Vec<SwdLevelScore>,
    /// Mean of the levels, in units of 1e-3.
    pub value: f64,
    /// Its 95 % interval, in units of 1e-3.
    pub interval: ConfidenceInterval,
}

/// The score of all compared levels.
///
/// Intervals: half the difference, as a root mean square, between the distances of half of the real images from the
/// same half of the fake ones and those of the other halves, for 19 halvings that are balanced over 20 runs of
/// neighbouring images (fewer below 20 images), plus the variance of the finite number of directions, times Student's t
/// at 19 degrees of freedom. Each half is normalised anew, with one scale for its three channels. The interval is
/// about the expected value at this number of images.
#[must_use]
pub fn summarise(levels: &[LevelDistance]) -> SwdScore {
    let level_count = levels.len().max(1) as f64;
    let degrees_of_freedom = levels.first().map_or(0, |level| level.degrees_of_freedom);
    let interval = |value: f64, half_distances: &[f64], direction_variance: f64| {
        let standard_error = half_sample_standard_error(half_distances).hypot(direction_variance.sqrt());
        ConfidenceInterval::student(
            SWD_UNIT_SCALE * value,
            SWD_UNIT_SCALE * standard_error,
            degrees_of_freedom,
            (0.0, f64::INFINITY),
        )
    };
    let scores = levels
        .iter()
        .map(|level| SwdLevelScore {
            resolution_px: level.resolution_px,
            value: SWD_UNIT_SCALE * level.distance,
            interval: interval(level.distance, &level.half_distances, level.direction_variance),
        })
        .collect();
    let value = levels.iter().map(|level| level.distance).sum::<f64>() / level_count;
    let halves = levels.first().map_or(0, |level| level.half_distances.len());
    let half_distances: Vec<f64> = (0..halves)
        .map(|half| levels.iter().map(|level| level.half_distances[half]).sum::<f64>() / level_count)
        .collect();
    let direction_variance =
        levels.iter().map(|level| level.direction_variance).sum::<f64>() / (level_count * level_count);
    SwdScore {
        levels: scores,
        value: SWD_UNIT_SCALE * value,
        interval: interval(value, &half_distances, direction_variance),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random_streams::{Purpose, stream};
    use rand::Rng as _;

    fn noise_image(seed: u64, side: usize) -> Planar<u8> {
        let mut rng = stream(seed, Purpose::ImagePairs, 1);
        let data = (0..3 * side * side).map(|_| (rng.next_u32() >> 24) as u8).collect();
        Planar::from_data(3, side, side, data).unwrap()
    }

    #[test]
    fn identical_constant_images_score_zero_and_not_nan() {
        let images = vec![Planar::filled(3, 32, 32, 90_u8); 3];
        let settings = SwdSettings { repeats: 1, ..SwdSettings::default() };
        let score = sliced_wasserstein(&images, &images, &settings).unwrap();
        assert_eq!(score.value, 0.0);
        assert_eq!((score.interval.low, score.interval.high), (0.0, 0.0));
    }

    #[test]
    fn one_side_without_variation_is_no_nan_either() {
        let plain = vec![Planar::filled(3, 32, 32, 90_u8); 4];
        let noise: Vec<_> = (0..4).map(|i| noise_image(i, 32)).collect();
        let settings = SwdSettings { repeats: 1, ..SwdSettings::default() };
        let score = sliced_wasserstein(&noise, &plain, &settings).unwrap();
        assert!(score.value > 100.0 && score.interval.low.is_finite() && score.interval.high.is_finite());
    }

    #[test]
    fn the_score_does_not_depend_on_threads() {
        let settings = SwdSettings { patches_per_image: 40, directions_per_repeat: 70, repeats: 2, seed: 5 };
        let real: Vec<_> = (0..7).map(|i| noise_image(i, 32)).collect();
        let fake: Vec<_> = (10..17).map(|i| noise_image(i, 32)).collect();
        let with_threads = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| sliced_wasserstein(&real, &fake, &settings).unwrap())
        };
        let expected = with_threads(1);
        assert_eq!(expected, with_threads(2));
        assert_eq!(expected, with_threads(5));
    }

    #[test]
    fn sets_that_do_not_belong_together_are_refused() {
        let settings = SwdSettings { patches_per_image: 2, ..SwdSettings::default() };
        let descriptors = |images: usize| vec![0.0; images * 2 * DESCRIPTOR_LENGTH];
        let compare = |real, fake| compare_level(real, fake, 32, &settings);
        assert!(matches!(compare(descriptors(3), descriptors(2)), Err(MetricsError::SetsDiffer { .. })));
        assert!(matches!(
            compare(descriptors(1), descriptors(1)),
            Err(MetricsError::TooFewImages { actual: 1, .. })
        ));
        let ragged = || vec![0.0; 5 * DESCRIPTOR_LENGTH];
        assert!(matches!(compare(ragged(), ragged()), Err(MetricsError::Parameter { .. })));
    }
}
