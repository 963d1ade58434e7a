//! Local patch descriptors of a pyramid level (ProGAN, arXiv:1710.10196, section 5).

use pg_image::Planar;
use rand::Rng as _;
use rayon::prelude::*;

use crate::laplacian_pyramid::GaussianPyramid;
use crate::random_streams::{Purpose, below, seek, stream};

/// Side of the square neighbourhood of a descriptor, in pixels.
pub const PATCH_PX: usize = 7;
/// Colour channels of a descriptor.
pub const DESCRIPTOR_CHANNELS: usize = 3;
/// Values of one descriptor: 7 x 7 x 3.
pub const DESCRIPTOR_LENGTH: usize = PATCH_PX * PATCH_PX * DESCRIPTOR_CHANNELS;

const PATCH_AREA: usize = PATCH_PX * PATCH_PX;
const HALF: usize = PATCH_PX / 2;
/// Descriptors summed in one piece; fixed, so that sums do not depend on the number of threads.
const SUM_CHUNK: usize = 1024;

/// Which of the two compared sets an image belongs to; the sides draw from independent streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The reference images.
    Real,
    /// The images under test.
    Fake,
}

/// The centre pixel of a 7x7 neighbourhood: column `x`, row `y`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatchCentre {
    /// Column, in pixels.
    pub x: usize,
    /// Row, in pixels.
    pub y: usize,
}

/// Draws the `count` patch centres of one image at one level, uniformly over all positions where the
/// 7x7 window fits, i.e. `3..=level_px-4` on both axes.
///
/// They depend on `seed`, `side`, `level_px` (at least 7) and `image_index` only: not on other
/// images, not on the order of work. x is drawn before y.
#[must_use]
pub fn draw_centres(
    seed: u64,
    side: Side,
    level_px: usize,
    image_index: usize,
    count: usize,
) -> Vec<PatchCentre> {
    let purpose = match side {
        Side::Real => Purpose::RealPatches,
        Side::Fake => Purpose::FakePatches,
    };
    let mut rng = stream(seed, purpose, level_px);
    seek(&mut rng, image_index);
    let positions = (level_px + 1).saturating_sub(PATCH_PX);
    let mut coordinate = || HALF + below(rng.next_u32(), positions);
    (0..count).map(|_| PatchCentre { x: coordinate(), y: coordinate() }).collect()
}

/// Cuts the descriptors of `centres` out of one level.
///
/// `level` is `[3,H,W]`; the result holds `centres.len()` times 147 values. Component `c*49 +
/// (dx+3)*7 + (dy+3)` is the pixel `(x+dx, y+dy)` of channel c: columns are the slow axis, as in the
/// reference program. Values outside the level read as 0.
#[must_use]
pub fn extract_descriptors(level: &Planar<f32>, centres: &[PatchCentre]) -> Vec<f32> {
    let (h, w) = (level.height(), level.width());
    let mut out = vec![0.0_f32; centres.len() * DESCRIPTOR_LENGTH];
    for (descriptor, centre) in out.chunks_exact_mut(DESCRIPTOR_LENGTH).zip(centres) {
        let inside = centre.x >= HALF && centre.y >= HALF && centre.x + HALF < w && centre.y + HALF < h;
        if !inside {
            continue;
        }
        for (c, patch) in descriptor.chunks_exact_mut(PATCH_AREA).enumerate().take(level.channels()) {
            let plane = level.plane(c);
            for row in 0..PATCH_PX {
                let start = (centre.y - HALF + row) * w + centre.x - HALF;
                for (column, &v) in plane[start..start + PATCH_PX].iter().enumerate() {
                    patch[column * PATCH_PX + row] = v;
                }
            }
        }
    }
    out
}

/// [`extract_descriptors`] of a level that is not made as a whole. Every window must lie inside it.
pub(crate) fn cut_descriptors(pyramid: &GaussianPyramid, level: usize, centres: &[PatchCentre]) -> Vec<f32> {
    let mut out = vec![0.0_f32; centres.len() * DESCRIPTOR_LENGTH];
    for (descriptor, centre) in out.chunks_exact_mut(DESCRIPTOR_LENGTH).zip(centres) {
        for (c, patch) in descriptor.chunks_exact_mut(PATCH_AREA).enumerate() {
            pyramid.laplacian_square(level, c, centre.x - HALF, centre.y - HALF, patch);
        }
    }
    out
}

/// Mean and population standard deviation per colour channel, over all descriptors of a set and
/// their 49 positions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChannelStatistics {
    /// Means.
    pub mean: [f64; DESCRIPTOR_CHANNELS],
    /// Population standard deviations (divisor n).
    pub standard_deviation: [f64; DESCRIPTOR_CHANNELS],
}

/// Statistics of a set of descriptors of 147 values each; sums are f64, in two passes. An empty set has
/// mean and deviation 0.
#[must_use]
pub fn channel_statistics(descriptors: &[f32]) -> ChannelStatistics {
    let count = (descriptors.len() / DESCRIPTOR_LENGTH * PATCH_AREA).max(1) as f64;
    let mean = channel_sums(descriptors, |_, v| v).map(|sum| sum / count);
    let variance = channel_sums(descriptors, |c, v| (v - mean[c]) * (v - mean[c])).map(|sum| sum / count);
    ChannelStatistics { mean, standard_deviation: variance.map(f64::sqrt) }
}

/// Subtracts the mean and divides by the standard deviation, per colour channel, in place.
///
/// `descriptors` holds any number of descriptors of 147 values. A channel without any variation (all
/// values equal, deviation 0) becomes 0 throughout. Computed in f64 and rounded once.
pub fn normalise_descriptors(descriptors: &mut [f32], statistics: &ChannelStatistics) {
    let ChannelStatistics { mean, standard_deviation } = statistics;
    // Equal values may leave a rounding residue of the mean behind: that is no variation either.
    let scale: [f64; DESCRIPTOR_CHANNELS] = std::array::from_fn(|c| {
        let residue = 1e-12 * mean[c].abs();
        if standard_deviation[c] > residue { 1.0 / standard_deviation[c] } else { 0.0 }
    });
    descriptors.par_chunks_mut(DESCRIPTOR_LENGTH * SUM_CHUNK).for_each(|chunk| {
        for descriptor in chunk.chunks_exact_mut(DESCRIPTOR_LENGTH) {
            for (c, patch) in descriptor.chunks_exact_mut(PATCH_AREA).enumerate() {
                for v in patch {
                    *v = ((f64::from(*v) - mean[c]) * scale[c]) as f32;
                }
            }
        }
    });
}

/// Sums `f(channel, value)` per channel: fixed chunks in parallel, their sums added in order.
fn channel_sums(descriptors: &[f32], f: impl Fn(usize, f64) -> f64 + Sync) -> [f64; DESCRIPTOR_CHANNELS] {
    let partial: Vec<[f64; DESCRIPTOR_CHANNELS]> = descriptors
        .par_chunks(DESCRIPTOR_LENGTH * SUM_CHUNK)
        .map(|chunk| {
            let mut sums = [0.0; DESCRIPTOR_CHANNELS];
            for descriptor in chunk.chunks_exact(DESCRIPTOR_LENGTH) {
                for (c, patch) in descriptor.chunks_exact(PATCH_AREA).enumerate() {
                    sums[c] += patch.iter().map(|&v| f(c, f64::from(v))).sum::<f64>();
                }
            }
            sums
        })
        .collect();
    let mut total = [0.0; DESCRIPTOR_CHANNELS];
    for sums in partial {
        for (t, s) in total.iter_mut().zip(sums) {
            *t += s;
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn gradient(side: usize) -> Planar<f32> {
        let data = (0..3 * side * side).map(|i| i as f32).collect();
        Planar::from_data(3, side, side, data).unwrap()
    }

    #[test]
    fn columns_are_the_slow_axis_of_a_descriptor() {
        let level = gradient(16);
        let descriptor = extract_descriptors(&level, &[PatchCentre { x: 5, y: 8 }]);
        let at = |c: usize, dx: isize, dy: isize| {
            let (x, y) = ((5 + dx) as usize, (8 + dy) as usize);
            level.plane(c)[y * 16 + x]
        };
        assert_eq!(descriptor[0], at(0, -3, -3));
        assert_eq!(descriptor[1], at(0, -3, -2));
        assert_eq!(descriptor[7], at(0, -2, -3));
        assert_eq!(descriptor[49 + 24], at(1, 0, 0));
        assert_eq!(descriptor[146], at(2, 3, 3));
    }

    #[test]
    fn a_set_of_equal_values_normalises_to_zero() {
        for value in [0.0, 127.3, 1e-30] {
            let mut descriptors = vec![value; DESCRIPTOR_LENGTH * 37];
            let statistics = channel_statistics(&descriptors);
            normalise_descriptors(&mut descriptors, &statistics);
            assert!(descriptors.iter().all(|&v| v == 0.0), "{value}");
            assert!(statistics.mean.iter().all(|m| (m - f64::from(value)).abs() < 1e-9));
        }
    }

    #[test]
    fn centres_cover_all_positions_and_both_sides_differ() {
        let centres = draw_centres(1, Side::Real, 16, 3, 4000);
        let xs: std::collections::BTreeSet<_> = centres.iter().map(|p| p.x).collect();
        let ys: std::collections::BTreeSet<_> = centres.iter().map(|p| p.y).collect();
        assert_eq!(xs.iter().copied().collect::<Vec<_>>(), (3..=12).collect::<Vec<_>>());
        assert_eq!(ys, xs);
        assert_ne!(centres, draw_centres(1, Side::Fake, 16, 3, 4000));
        assert_ne!(centres, draw_centres(2, Side::Real, 16, 3, 4000));
        assert_eq!(centres[..7], draw_centres(1, Side::Real, 16, 3, 7));
    }

    proptest! {
        #[test]
        fn normalised_sets_have_mean_zero_and_deviation_one(
            values in prop::collection::vec(-255.0_f32..255.0, DESCRIPTOR_LENGTH * 3..DESCRIPTOR_LENGTH * 3 + 1)
        ) {
            let mut descriptors = values;
            let before = channel_statistics(&descriptors);
            normalise_descriptors(&mut descriptors, &before);
            let after = channel_statistics(&descriptors);
            for c in 0..DESCRIPTOR_CHANNELS {
                prop_assert!(after.mean[c].abs() < 1e-6);
                prop_assert!((after.standard_deviation[c] - 1.0).abs() < 1e-6);
            }
        }
    }
}
