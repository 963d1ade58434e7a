//! One-dimensional Wasserstein distances: sorting two projections and comparing them rank by rank.

use crate::half_normalisation::HalfNormalisation;
use crate::patch_descriptors::DESCRIPTOR_CHANNELS;
use crate::radix_sort::{float_to_key, key_to_float, sort_by_u32_key};

/// Working space for sorting two projections, one per thread.
#[derive(Default)]
pub(crate) struct SortScratch {
    real_keys: Vec<u32>,
    fake_keys: Vec<u32>,
    key_scratch: Vec<u32>,
    /// Key in the upper half, group of the image in the lower one.
    real_grouped: Vec<u64>,
    fake_grouped: Vec<u64>,
    grouped_scratch: Vec<u64>,
    real_halves: [Vec<f32>; 2],
    fake_halves: [Vec<f32>; 2],
}

impl SortScratch {
    /// Mean |sorted real - sorted fake|.
    pub(crate) fn distance(&mut self, real: &[f32], fake: &[f32]) -> f64 {
        for (keys, values) in [(&mut self.real_keys, real), (&mut self.fake_keys, fake)] {
            keys.clear();
            keys.extend(values.iter().map(|&v| float_to_key(v)));
            sort_by_u32_key(keys, &mut self.key_scratch, |k| k);
        }
        let differences = self.real_keys.iter().zip(&self.fake_keys);
        ordered_mean(differences.map(|(&a, &b)| absolute_difference(key_to_float(a), key_to_float(b))))
    }

    /// The distance of each half-sample and of its complement, in turn, each half normalised anew.
    pub(crate) fn half_distances(
        &mut self,
        real: &[f32],
        fake: &[f32],
        halves: &Halves<'_>,
        direction: usize,
    ) -> Vec<f64> {
        for (grouped, values) in [(&mut self.real_grouped, real), (&mut self.fake_grouped, fake)] {
            grouped.clear();
            grouped.extend(
                values
                    .iter()
                    .zip(halves.groups)
                    .map(|(&v, &g)| (u64::from(float_to_key(v)) << 32) | u64::from(g)),
            );
            sort_by_u32_key(grouped, &mut self.grouped_scratch, |k| (k >> 32) as u32);
        }
        let mut distances = Vec::with_capacity(halves.real.len());
        for (i, &mask) in halves.masks.iter().enumerate() {
            split_by_group(&self.real_grouped, mask, &mut self.real_halves);
            split_by_group(&self.fake_grouped, mask, &mut self.fake_halves);
            for (side, (real, fake)) in self.real_halves.iter().zip(&self.fake_halves).enumerate() {
                let sums = &halves.direction_sums[direction];
                let (real_scale, real_shift) = halves.real[2 * i + side].along(sums);
                let (fake_scale, fake_shift) = halves.fake[2 * i + side].along(sums);
                let shift = real_shift - fake_shift;
                distances.push(ordered_mean(
                    real.iter().zip(fake).map(|(&a, &b)| {
                        (f64::from(a) * real_scale - f64::from(b) * fake_scale - shift).abs()
                    }),
                ));
            }
        }
        distances
    }
}

/// What the distances of halves along one direction need.
pub(crate) struct Halves<'a> {
    /// Bit g of a mask: group g belongs to the half.
    pub(crate) masks: &'a [u32],
    /// Group of each descriptor's image.
    pub(crate) groups: &'a [u8],
    /// Normalisation of each half of the real descriptors, half-samples and complements in turn.
    pub(crate) real: Vec<HalfNormalisation>,
    /// The same of the fake ones.
    pub(crate) fake: Vec<HalfNormalisation>,
    /// Per direction: sum of its components of each channel.
    pub(crate) direction_sums: Vec<[f64; DESCRIPTOR_CHANNELS]>,
}

/// The sorted values of the groups in `mask`, and those of the others. Written without a branch:
/// every value is stored in both, and the position moves on only where it belongs.
fn split_by_group(grouped: &[u64], mask: u32, [inside, outside]: &mut [Vec<f32>; 2]) {
    inside.resize(grouped.len() + 1, 0.0);
    outside.resize(grouped.len() + 1, 0.0);
    let (mut i, mut o) = (0, 0);
    for &item in grouped {
        let value = key_to_float((item >> 32) as u32);
        inside[i] = value;
        outside[o] = value;
        let member = (mask >> (item & 31) & 1) as usize;
        i += member;
        o += 1 - member;
    }
    inside.truncate(i);
    outside.truncate(o);
}

fn absolute_difference(a: f32, b: f32) -> f64 {
    (f64::from(a) - f64::from(b)).abs()
}

/// Mean with eight partial sums in a fixed order: fast, and the same for every run.
fn ordered_mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len();
    let mut lanes = [0.0_f64; 8];
    for (i, v) in values.enumerate() {
        lanes[i % 8] += v;
    }
    lanes.iter().sum::<f64>() / count.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interval::HalfSamples;
    use crate::random_streams::gaussian_noise as noise;
    use pg_testkit::closeness::{Tolerance, assert_close};

    #[test]
    fn half_distances_are_those_of_the_halves_alone() {
        let n = 3000;
        let (real, fake) = (noise(1, n), noise(2, n));
        let half_samples = HalfSamples::new(8);
        let groups: Vec<u8> = (0..n).map(|i| half_samples.group_of(i, n) as u8).collect();
        let as_it_is = vec![HalfNormalisation::IDENTITY; 14];
        let halves = Halves {
            masks: half_samples.masks(),
            groups: &groups,
            real: as_it_is.clone(),
            fake: as_it_is,
            direction_sums: vec![[0.3; 3]],
        };
        let fast = SortScratch::default().half_distances(&real, &fake, &halves, 0);
        let half = |values: &[f32], mask: u32, side: u32| {
            let kept = values.iter().zip(&groups).filter(|&(_, &group)| mask >> group & 1 == side);
            kept.map(|(&v, _)| v).collect::<Vec<f32>>()
        };
        let mut expected = Vec::new();
        for &mask in half_samples.masks() {
            for side in [1, 0] {
                let (real, fake) = (half(&real, mask, side), half(&fake, mask, side));
                expected.push(SortScratch::default().distance(&real, &fake));
            }
        }
        assert_close("halves", &fast, &expected, Tolerance::new(1e-12, 0.0));
    }
}
