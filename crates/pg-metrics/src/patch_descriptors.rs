//! Local patch descriptors of a pyramid level (ProGAN, arXiv:1710.10196, section 5).

use multiversion::multiversion;
use pg_image::Planar;
use rand::Rng as _;
use rayon::prelude::*;

use crate::laplacian_pyramid::LaplacianLevel;
use crate::moments::RunMoments;
use crate::random_streams::{Purpose, below, seek_key, stream};

/// Side of the square neighbourhood of a descriptor, in pixels.
pub const PATCH_PX: usize = 7;
/// Colour channels of a descriptor.
pub const DESCRIPTOR_CHANNELS: usize = 3;
/// Values of one descriptor: 7 x 7 x 3.
pub const DESCRIPTOR_LENGTH: usize = PATCH_PX * PATCH_PX * DESCRIPTOR_CHANNELS;

pub(crate) const PATCH_AREA: usize = PATCH_PX * PATCH_PX;
const HALF: usize = PATCH_PX / 2;
/// Descriptors that a thread normalises at a time.
const NORMALISED_TOGETHER: usize = 1024;

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

/// What the patch positions of an image are drawn by: its file's name and its coarsest level.
///
/// So they are the same in whatever set and order the image is met, and parts of a set can be described on
/// their own; images that are all alike still differ by their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageKey(pub u64);

impl ImageKey {
    /// `name` is the last part of the path; `coarsest` the coarsest Gaussian level.
    #[must_use]
    pub fn new(name: &str, coarsest: &Planar<f32>) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(name.as_bytes());
        for value in coarsest.data() {
            hasher.update(&value.to_le_bytes());
        }
        let mut key = [0; 8];
        key.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        Self(u64::from_le_bytes(key))
    }
}

/// Draws the `count` patch centres of one image at one level, uniformly over all positions where the
/// 7x7 window fits, i.e. `3..=level_px-4` on both axes.
///
/// They depend on `seed`, `side`, `level_px` (at least 7) and `image` only: not on other images, not on
/// the order of work. x is drawn before y.
#[must_use]
pub fn draw_centres(
    seed: u64,
    side: Side,
    level_px: usize,
    image: ImageKey,
    count: usize,
) -> Vec<PatchCentre> {
    let purpose = match side {
        Side::Real => Purpose::RealPatches,
        Side::Fake => Purpose::FakePatches,
    };
    let mut rng = stream(seed, purpose, level_px);
    seek_key(&mut rng, image.0);
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
pub(crate) fn cut_descriptors(level: &LaplacianLevel<'_>, centres: &[PatchCentre]) -> Vec<f32> {
    let mut out = vec![0.0_f32; centres.len() * DESCRIPTOR_LENGTH];
    for (descriptor, centre) in out.chunks_exact_mut(DESCRIPTOR_LENGTH).zip(centres) {
        for (c, patch) in descriptor.chunks_exact_mut(PATCH_AREA).enumerate() {
            level.square(c, centre.x - HALF, centre.y - HALF, patch);
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

impl ChannelStatistics {
    /// What values less the mean are multiplied by; 0 for a channel without any variation.
    pub(crate) fn scale(&self) -> [f64; DESCRIPTOR_CHANNELS] {
        // Equal values may leave a rounding residue of the mean behind: that is no variation either.
        std::array::from_fn(|c| {
            let residue = 1e-12 * self.mean[c].abs();
            if self.standard_deviation[c] > residue { 1.0 / self.standard_deviation[c] } else { 0.0 }
        })
    }
}

/// Statistics of a set of descriptors of 147 values each; sums are f64. An empty set has mean and deviation 0.
#[must_use]
pub fn channel_statistics(descriptors: &[f32]) -> ChannelStatistics {
    RunMoments::new(descriptors, &[descriptors.len() / DESCRIPTOR_LENGTH]).statistics()
}

/// Subtracts the mean and divides by the standard deviation, per colour channel, in place.
///
/// `descriptors` holds any number of descriptors of 147 values. A channel without any variation (all
/// values equal, deviation 0) becomes 0 throughout. Computed in f64 and rounded once.
pub fn normalise_descriptors(descriptors: &mut [f32], statistics: &ChannelStatistics) {
    let scale = statistics.scale();
    let means = std::array::from_fn(|k| statistics.mean[k / PATCH_AREA]);
    let scales = std::array::from_fn(|k| scale[k / PATCH_AREA]);
    descriptors.par_chunks_mut(DESCRIPTOR_LENGTH * NORMALISED_TOGETHER).for_each(|chunk| {
        normalise(chunk.as_chunks_mut::<DESCRIPTOR_LENGTH>().0, &means, &scales);
    });
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn normalise(
    descriptors: &mut [[f32; DESCRIPTOR_LENGTH]],
    means: &[f64; DESCRIPTOR_LENGTH],
    scales: &[f64; DESCRIPTOR_LENGTH],
) {
    for descriptor in descriptors {
        for k in 0..DESCRIPTOR_LENGTH {
            descriptor[k] = ((f64::from(descriptor[k]) - means[k]) * scales[k]) as f32;
        }
    }
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
    fn names_and_pictures_have_keys_of_their_own() {
        let key = |name, grey| ImageKey::new(name, &Planar::filled(3, 16, 16, grey));
        let keys = [key("a.png", 1.0), key("b.png", 1.0), key("a.png", 1.5)];
        assert!(keys[0] != keys[1] && keys[0] != keys[2] && keys[1] != keys[2]);
        assert_eq!(keys[0], key("a.png", 1.0));
    }

    #[test]
    fn centres_cover_all_positions_and_both_sides_differ() {
        let image = ImageKey(3);
        let centres = draw_centres(1, Side::Real, 16, image, 4000);
        let xs: std::collections::BTreeSet<_> = centres.iter().map(|p| p.x).collect();
        let ys: std::collections::BTreeSet<_> = centres.iter().map(|p| p.y).collect();
        assert_eq!(xs.iter().copied().collect::<Vec<_>>(), (3..=12).collect::<Vec<_>>());
        assert_eq!(ys, xs);
        assert_ne!(centres, draw_centres(1, Side::Fake, 16, image, 4000));
        assert_ne!(centres, draw_centres(2, Side::Real, 16, image, 4000));
        assert_ne!(centres, draw_centres(1, Side::Real, 16, ImageKey(1 << 13), 4000));
        assert_eq!(centres[..7], draw_centres(1, Side::Real, 16, image, 7));
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
