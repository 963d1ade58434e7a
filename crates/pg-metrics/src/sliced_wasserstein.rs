//! Sliced Wasserstein distance between two sets of images (ProGAN, arXiv:1710.10196, section 5).
//!
//! Per level of the Laplacian pyramid: 7x7x3 patch descriptors, normalised per set and channel, are
//! projected on random directions; each projection of the one set is sorted and compared with the
//! sorted one of the other. The distance is the mean absolute difference over all directions.

use ndarray::Axis;

use crate::MetricsError;
use crate::descriptor_set::DescriptorSet;
use crate::half_normalisation::half_normalisations;
use crate::interval::{ConfidenceInterval, HalfSamples, half_sample_standard_error};
use crate::patch_descriptors::{channel_statistics, normalise_descriptors};
use crate::projection::{
    channel_sums_of_directions, draw_directions, project_and_compare, projected_distances,
};
use crate::sorted_distance::Halves;

/// What distances are multiplied by in a score: they are reported in units of 1e-3.
pub const SWD_UNIT_SCALE: f64 = 1e3;

/// Directions along which halves of the sets are compared too, for the interval: half the work of
/// the interval that all directions of a repeat would take, for nearly the same answer.
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

/// Normalises and compares level `level` (0 is the finest) of both sides, and frees its descriptors.
///
/// # Errors
/// - [`MetricsError::SetsDiffer`] when the sides differ in size, image count or settings
/// - [`MetricsError::ImageIndex`] when an image was never given
/// - [`MetricsError::Parameter`] when there is no such level, or it was compared before
///
/// # Cost
/// images * patches * directions * repeats * 588 floating-point operations, and as many sorts as
/// there are directions, on both sides; the interval adds 19 passes over 64 of the directions.
pub fn compare_level(
    real: &mut DescriptorSet,
    fake: &mut DescriptorSet,
    level: usize,
) -> Result<LevelDistance, MetricsError> {
    check_comparable(real, fake)?;
    let resolution_px = real.resolutions_px().get(level).copied().unwrap_or_default();
    let (mut real_descriptors, mut fake_descriptors) = (real.take_level(level), fake.take_level(level));
    if real_descriptors.is_empty() || fake_descriptors.is_empty() {
        let expected = "a level of the pyramid that was not compared yet";
        return Err(MetricsError::Parameter { name: "level", expected, actual: level.to_string() });
    }
    for descriptors in [&mut real_descriptors, &mut fake_descriptors] {
        let statistics = channel_statistics(descriptors);
        normalise_descriptors(descriptors, &statistics);
    }

    let settings = real.settings();
    let image_count = real.image_count();
    let half_samples = HalfSamples::new(image_count);
    let groups: Vec<u8> = (0..image_count * settings.patches_per_image)
        .map(|d| half_samples.group_of(d / settings.patches_per_image, image_count) as u8)
        .collect();
    let first_directions = draw_directions(settings.seed, resolution_px, 0, settings.directions_per_repeat);
    let halves = Halves {
        masks: half_samples.masks(),
        groups: &groups,
        real: half_normalisations(&real_descriptors, &groups, &half_samples),
        fake: half_normalisations(&fake_descriptors, &groups, &half_samples),
        direction_sums: channel_sums_of_directions(&first_directions.view()),
    };

    let mut per_direction = Vec::with_capacity(settings.repeats * settings.directions_per_repeat);
    let mut half_distances = vec![0.0; 2 * half_samples.masks().len()];
    for repeat in 0..settings.repeats {
        let directions = match repeat {
            0 => first_directions.clone(),
            _ => draw_directions(settings.seed, resolution_px, repeat, settings.directions_per_repeat),
        };
        let with_halves = if repeat == 0 { HALF_SAMPLE_DIRECTIONS.min(directions.ncols()) } else { 0 };
        let (with_halves, others) = directions.view().split_at(Axis(1), with_halves);
        let (real, fake) = (&real_descriptors, &fake_descriptors);
        let both = project_and_compare(real, fake, &with_halves, |scratch, direction, a, b| {
            (scratch.distance(a, b), scratch.half_distances(a, b, &halves, direction))
        })?;
        for (distance, of_halves) in both {
            per_direction.push(distance);
            for (sum, half) in half_distances.iter_mut().zip(of_halves) {
                *sum += half / with_halves.ncols() as f64;
            }
        }
        per_direction.extend(projected_distances(real, fake, &others)?);
    }
    let n = per_direction.len() as f64;
    let distance = per_direction.iter().sum::<f64>() / n;
    let squares: f64 = per_direction.iter().map(|d| (d - distance) * (d - distance)).sum();
    let direction_variance = squares / (n - 1.0).max(1.0) / n;
    let degrees_of_freedom = half_samples.groups() - 1;
    Ok(LevelDistance { resolution_px, distance, direction_variance, half_distances, degrees_of_freedom })
}

fn check_comparable(real: &DescriptorSet, fake: &DescriptorSet) -> Result<(), MetricsError> {
    let differ = |what, real: String, fake: String| Err(MetricsError::SetsDiffer { what, real, fake });
    if real.resolutions_px() != fake.resolutions_px() {
        let (r, f) = (real.resolutions_px()[0], fake.resolutions_px()[0]);
        return differ("resolution", format!("{r}x{r}"), format!("{f}x{f}"));
    }
    if real.image_count() != fake.image_count() {
        return differ("number of images", real.image_count().to_string(), fake.image_count().to_string());
    }
    if real.settings() != fake.settings() {
        return differ("settings", format!("{:?}", real.settings()), format!("{:?}", fake.settings()));
    }
    for set in [real, fake] {
        if let Some(index) = set.first_missing() {
            return Err(MetricsError::ImageIndex { index, count: set.image_count(), problem: "never given" });
        }
    }
    Ok(())
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
/// Intervals: the spread of the distances between halves of the real images and the same halves of
/// the fake ones, 38 of them, balanced over 20 runs of neighbouring images (fewer below 20 images),
/// plus the variance of the finite number of directions, times Student's t at 19 degrees of freedom.
/// Each half is normalised anew, with one scale for its three channels. The interval is about the
/// expected value at this number of images; near the floor, where the distance has a kink, it is too
/// wide by about a quarter.
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
    use crate::descriptor_set::SwdSettings;
    use crate::patch_descriptors::Side;
    use crate::random_streams::{Purpose, stream};
    use pg_image::Planar;
    use rand::Rng as _;

    fn noise_image(seed: u64, side: usize) -> Planar<u8> {
        let mut rng = stream(seed, Purpose::ImagePairs, 1);
        let data = (0..3 * side * side).map(|_| (rng.next_u32() >> 24) as u8).collect();
        Planar::from_data(3, side, side, data).unwrap()
    }

    fn score(real: &[Planar<u8>], fake: &[Planar<u8>], settings: SwdSettings) -> SwdScore {
        let side = real[0].width();
        let mut a = DescriptorSet::new(Side::Real, side, real.len(), settings).unwrap();
        let mut b = DescriptorSet::new(Side::Fake, side, fake.len(), settings).unwrap();
        a.add_batch(0, real).unwrap();
        b.add_batch(0, fake).unwrap();
        let levels: Vec<_> = (0..a.resolutions_px().len())
            .map(|level| compare_level(&mut a, &mut b, level).unwrap())
            .collect();
        summarise(&levels)
    }

    #[test]
    fn identical_constant_images_score_zero_and_not_nan() {
        let images = vec![Planar::filled(3, 32, 32, 90_u8); 3];
        let score = score(&images, &images, SwdSettings { repeats: 1, ..SwdSettings::default() });
        assert_eq!(score.value, 0.0);
        assert_eq!((score.interval.low, score.interval.high), (0.0, 0.0));
    }

    #[test]
    fn the_score_does_not_depend_on_threads_or_batches() {
        let settings = SwdSettings { patches_per_image: 40, directions_per_repeat: 40, repeats: 2, seed: 5 };
        let real: Vec<_> = (0..7).map(|i| noise_image(i, 32)).collect();
        let fake: Vec<_> = (10..17).map(|i| noise_image(i, 32)).collect();
        let with_threads = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| score(&real, &fake, settings))
        };
        let expected = with_threads(1);
        assert_eq!(expected, with_threads(2));
        assert_eq!(expected, with_threads(5));

        let mut a = DescriptorSet::new(Side::Real, 32, 7, settings).unwrap();
        let mut b = DescriptorSet::new(Side::Fake, 32, 9, settings).unwrap();
        a.add_batch(3, &real[3..]).unwrap();
        a.add_batch(0, &real[..3]).unwrap();
        b.add_batch(0, &fake).unwrap();
        b.add_batch(7, &real[..2]).unwrap();
        b.truncate(7).unwrap();
        let levels: Vec<_> = (0..2).map(|level| compare_level(&mut a, &mut b, level).unwrap()).collect();
        assert_eq!(expected, summarise(&levels));
    }

    #[test]
    fn sets_that_do_not_belong_together_are_refused() {
        let settings = SwdSettings::default();
        let new = |side, px, n| DescriptorSet::new(side, px, n, settings);
        let mut real = new(Side::Real, 32, 2).unwrap();
        let mut fake = new(Side::Fake, 64, 2).unwrap();
        assert!(matches!(compare_level(&mut real, &mut fake, 0), Err(MetricsError::SetsDiffer { .. })));
        let mut fake = new(Side::Fake, 32, 2).unwrap();
        assert!(matches!(
            compare_level(&mut real, &mut fake, 0),
            Err(MetricsError::ImageIndex { index: 0, .. })
        ));
        let image = noise_image(1, 32);
        real.add_batch(0, std::slice::from_ref(&image)).unwrap();
        assert!(matches!(
            real.add_batch(0, std::slice::from_ref(&image)),
            Err(MetricsError::ImageIndex { problem: "given twice", .. })
        ));
        assert!(matches!(real.describe(1, &noise_image(1, 64)), Err(MetricsError::MixedShapes { .. })));
        assert!(matches!(new(Side::Real, 32, 1), Err(MetricsError::TooFewImages { actual: 1, .. })));
        assert!(matches!(new(Side::Real, 48, 9), Err(MetricsError::SwdImageSize { .. })));
        let none = SwdSettings { repeats: 0, ..settings };
        assert!(matches!(DescriptorSet::new(Side::Real, 32, 2, none), Err(MetricsError::Parameter { .. })));
    }
}
