//! Normalising halves of a descriptor set anew, without touching their descriptors again.

use crate::interval::HalfSamples;
use crate::moments::RunMoments;
use crate::patch_descriptors::{ChannelStatistics, DESCRIPTOR_CHANNELS};

/// What normalising a half anew does to descriptors that the whole set's statistics have normalised.
///
/// Channel means are exact. The three channels share one scale, so that a projection is only scaled
/// and shifted and keeps its order; within a set they vary together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct HalfNormalisation {
    /// Channel means of the half.
    mean: [f64; DESCRIPTOR_CHANNELS],
    /// One over the root of the channels' mean variance; 0 without any variation.
    scale: f64,
}

impl HalfNormalisation {
    /// Changes nothing.
    #[cfg(test)]
    pub(crate) const IDENTITY: Self = Self { mean: [0.0; DESCRIPTOR_CHANNELS], scale: 1.0 };

    /// `(scale, shift)`: a projection v on a direction becomes `v * scale - shift`, where
    /// `direction_sums` are the sums of the direction's components of each channel.
    pub(crate) fn along(&self, direction_sums: &[f64; DESCRIPTOR_CHANNELS]) -> (f64, f64) {
        let shift: f64 = self.mean.iter().zip(direction_sums).map(|(m, w)| m * w).sum();
        (self.scale, shift * self.scale)
    }
}

/// The normalisations of all halves, half-samples and complements in turn, of the set of which `moments`
/// are and which `statistics` normalises.
pub(crate) fn half_normalisations(
    moments: &RunMoments,
    statistics: &ChannelStatistics,
    half_samples: &HalfSamples,
) -> Vec<HalfNormalisation> {
    let of_half = |mask: u32| {
        let (count, channels) = moments.normalised(mask, statistics);
        let count = count.max(1.0);
        let mean = channels.map(|(sum, _)| sum / count);
        let variance: f64 =
            channels.iter().zip(mean).map(|((_, square), m)| square / count - m * m).sum::<f64>()
                / DESCRIPTOR_CHANNELS as f64;
        // Normalised values are of order one: what is left of a constant half is rounding.
        let scale = if variance > 1e-12 { 1.0 / variance.sqrt() } else { 0.0 };
        HalfNormalisation { mean, scale }
    };
    half_samples.masks().iter().flat_map(|&mask| [of_half(mask), of_half(!mask)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patch_descriptors::{
        DESCRIPTOR_LENGTH, PATCH_AREA, channel_statistics, normalise_descriptors,
    };
    use pg_testkit::closeness::{Tolerance, assert_close};

    #[test]
    fn a_half_is_normalised_as_if_it_were_alone() {
        let images = 40;
        // Equal spread in the three channels, different means; spread and mean vary from image to image.
        let value = |i: usize, k: usize| {
            let wave = ((i * 31 + k % PATCH_AREA * 7) as f32).sin() * (1.0 + (i % 5) as f32);
            wave + (k / PATCH_AREA) as f32 * 3.0 + (i % 3) as f32
        };
        let mut whole: Vec<f32> =
            (0..images).flat_map(|i| (0..DESCRIPTOR_LENGTH).map(move |k| value(i, k))).collect();
        let half_samples = HalfSamples::new(images);
        let groups: Vec<usize> = (0..images).map(|i| half_samples.group_of(i, images)).collect();
        let moments = RunMoments::new(&whole, &half_samples.ends(images));
        let statistics = moments.statistics();
        normalise_descriptors(&mut whole, &statistics);
        let found = half_normalisations(&moments, &statistics, &half_samples);
        let direction: Vec<f64> = (0..DESCRIPTOR_LENGTH).map(|k| (k as f64 * 0.37).cos() / 9.0).collect();
        let sums = std::array::from_fn(|c| direction[c * PATCH_AREA..][..PATCH_AREA].iter().sum());
        let project = |set: &[f32]| -> Vec<f64> {
            let dot = |d: &[f32]| d.iter().zip(&direction).map(|(&v, w)| f64::from(v) * w).sum();
            set.chunks(DESCRIPTOR_LENGTH).map(dot).collect()
        };
        for (i, &mask) in half_samples.masks().iter().enumerate() {
            for (side, member) in [1, 0].into_iter().enumerate() {
                let mut half: Vec<f32> = whole
                    .chunks(DESCRIPTOR_LENGTH)
                    .zip(&groups)
                    .filter(|&(_, &g)| mask >> g & 1 == member)
                    .flat_map(|(d, _)| d.iter().copied())
                    .collect();
                let (scale, shift) = found[2 * i + side].along(&sums);
                let fast: Vec<f64> = project(&half).iter().map(|v| v * scale - shift).collect();
                let statistics = channel_statistics(&half);
                normalise_descriptors(&mut half, &statistics);
                assert_close("half", &fast, &project(&half), Tolerance::absolute(1e-5));
            }
        }
    }

    #[test]
    fn a_half_without_variation_becomes_zero() {
        let descriptors = vec![0.7_f32; 4 * DESCRIPTOR_LENGTH];
        let moments = RunMoments::new(&descriptors, &[1, 2, 3, 4]);
        let found = half_normalisations(&moments, &moments.statistics(), &HalfSamples::new(4));
        assert!(found.iter().all(|half| half.along(&[1.0; 3]) == (0.0, 0.0)));
    }
}
