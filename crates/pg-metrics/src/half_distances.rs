//! The distances of halves of two sets along one direction, for confidence intervals.

use multiversion::multiversion;

use crate::half_normalisation::HalfNormalisation;
use crate::one_dimensional::{DistanceWithRuns, Grid, RunCounts};
use crate::patch_descriptors::DESCRIPTOR_CHANNELS;

/// Buckets in which `count` projections are counted, run by run; in between, their cumulative count is taken for
/// a straight line. Against exact halves their spread is off by about a hundredth, at the floor.
pub(crate) fn buckets_for(count: usize) -> usize {
    if count < 1 << 13 { 256 } else { 1024 }
}

/// What the distances of halves along one direction need.
pub(crate) struct Halves<'a> {
    /// Bit g of a mask: run g belongs to the half.
    pub(crate) masks: &'a [u32],
    /// Normalisation of each half of the real descriptors, half-samples and complements in turn.
    pub(crate) real: Vec<HalfNormalisation>,
    /// The same of the fake ones.
    pub(crate) fake: Vec<HalfNormalisation>,
    /// Per direction: sum of its components of each channel.
    pub(crate) direction_sums: Vec<[f64; DESCRIPTOR_CHANNELS]>,
}

impl Halves<'_> {
    /// The distance of each half-sample and of its complement, in turn, each half normalised anew.
    pub(crate) fn distances(&self, direction: usize, projected: &DistanceWithRuns) -> Vec<f64> {
        let sums = &self.direction_sums[direction];
        let whole = projected.runs.each_ref().map(|runs| Counts::of_runs(runs, u32::MAX));
        let mut curves = [Curve::default(), Curve::default()];
        let mut distances = Vec::with_capacity(self.real.len());
        for (&mask, normalisations) in
            self.masks.iter().zip(self.real.chunks_exact(2).zip(self.fake.chunks_exact(2)))
        {
            let half = projected.runs.each_ref().map(|runs| Counts::of_runs(runs, mask));
            for is_complement in [false, true] {
                let normalisations =
                    [normalisations.0, normalisations.1].map(|n| n[usize::from(is_complement)]);
                for (side, curve) in curves.iter_mut().enumerate() {
                    let rest;
                    let counts = if is_complement {
                        rest = whole[side].less(&half[side]);
                        &rest
                    } else {
                        &half[side]
                    };
                    curve.set(counts, projected.grid, normalisations[side].along(sums));
                }
                distances.push(area_between(&curves[0], &curves[1]));
            }
        }
        distances
    }
}

/// Counts in buckets, of some of the runs together.
struct Counts(Vec<u32>);

impl Counts {
    /// Of the runs g whose bit is set in `mask`.
    fn of_runs(runs: &RunCounts, mask: u32) -> Self {
        let mut sums = vec![0_u32; runs.buckets];
        let all = runs.counts.chunks_exact(runs.buckets).enumerate();
        for (_, run) in all.filter(|(g, _)| mask >> g & 1 == 1) {
            add_counts(&mut sums, run);
        }
        Self(sums)
    }

    fn less(&self, part: &Self) -> Self {
        Self(self.0.iter().zip(&part.0).map(|(whole, part)| whole - part).collect())
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn add_counts(sums: &mut [u32], counts: &[u32]) {
    for (sum, count) in sums.iter_mut().zip(counts) {
        *sum += count;
    }
}

/// A cumulative share of numbers, straight between evenly spaced places.
#[derive(Default)]
struct Curve {
    /// Place of the first bucket's start.
    start: f64,
    /// Width of a bucket; 0 where all numbers are equal.
    width: f64,
    /// Share of the numbers before each bucket's start, and 1 at the end.
    shares: Vec<f64>,
}

impl Curve {
    fn set(&mut self, counts: &Counts, grid: Grid, (scale, shift): (f64, f64)) {
        let bucket_width = if grid.keys_per_unit > 0.0 {
            2_f64.powi(31) / grid.keys_per_unit / counts.0.len() as f64
        } else {
            0.0
        };
        self.start = grid.low * scale - shift;
        self.width = bucket_width * scale;
        let total = counts.0.iter().map(|&c| u64::from(c)).sum::<u64>().max(1) as f64;
        self.shares.clear();
        self.shares.push(0.0);
        let mut before = 0_u64;
        for &count in &counts.0 {
            before += u64::from(count);
            self.shares.push(before as f64 / total);
        }
    }

    fn place(&self, i: usize) -> f64 {
        self.start + self.width * i as f64
    }
}

/// The area between two curves, which is the Wasserstein-1 distance of what they count.
fn area_between(a: &Curve, b: &Curve) -> f64 {
    let (mut i, mut j) = (0, 0);
    let mut at = a.place(0).min(b.place(0));
    let (mut share_a, mut share_b) = (0.0, 0.0);
    let (a_last, b_last) = (a.shares.len() - 1, b.shares.len() - 1);
    let (per_a, per_b) = (inverse(a.width), inverse(b.width));
    let mut area = 0.0;
    while i <= a_last || j <= b_last {
        let next_a = if i <= a_last { a.place(i) } else { f64::INFINITY };
        let next_b = if j <= b_last { b.place(j) } else { f64::INFINITY };
        let next = next_a.min(next_b);
        // Up to `next`, which is before the ends of both pieces.
        let line = |curve: &Curve, k: usize, per: f64, last: usize, so_far: f64| {
            if k == 0 || k > last {
                return so_far;
            }
            let within = ((next - curve.place(k - 1)) * per).clamp(0.0, 1.0);
            curve.shares[k - 1] + within * (curve.shares[k] - curve.shares[k - 1])
        };
        let (to_a, to_b) = (line(a, i, per_a, a_last, share_a), line(b, j, per_b, b_last, share_b));
        area += (next - at) * mean_absolute(share_a - share_b, to_a - to_b);
        (at, share_a, share_b) = (next, to_a, to_b);
        if next_a <= next {
            share_a = a.shares[i];
            i += 1;
        }
        if next_b <= next {
            share_b = b.shares[j];
            j += 1;
        }
    }
    area
}

fn inverse(width: f64) -> f64 {
    if width > 0.0 { 1.0 / width } else { 0.0 }
}

/// The mean of |x| as x runs evenly from `from` to `to`.
fn mean_absolute(from: f64, to: f64) -> f64 {
    if from * to >= 0.0 {
        return (from + to).abs() / 2.0;
    }
    (from * from + to * to) / (2.0 * (from.abs() + to.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interval::{HalfSamples, half_sample_standard_error};
    use crate::one_dimensional::Workspace;
    use crate::random_streams::gaussian_noise as noise;
    use pg_testkit::closeness::{Tolerance, assert_close};

    fn check(real: &[f32], fake: &[f32], tolerance: Tolerance) {
        let n = real.len();
        let half_samples = HalfSamples::new(20);
        let ends: Vec<usize> = (1..=20).map(|g| g * n / 20).collect();
        let group = |i: usize| ends.iter().position(|&end| i < end).unwrap();
        let as_it_is = vec![HalfNormalisation::IDENTITY; 38];
        let halves = Halves {
            masks: half_samples.masks(),
            real: as_it_is.clone(),
            fake: as_it_is,
            direction_sums: vec![[0.3; 3]],
        };
        let projected =
            Workspace::default().with_runs(real, fake, Grid::over([real, fake]), &ends, buckets_for(n));
        let found = halves.distances(0, &projected);
        let half = |values: &[f32], mask: u32, side: u32| {
            let kept = values.iter().enumerate().filter(|&(i, _)| mask >> group(i) & 1 == side);
            kept.map(|(_, &v)| v).collect::<Vec<f32>>()
        };
        let mut expected = Vec::new();
        for &mask in half_samples.masks() {
            for side in [1, 0] {
                let (real, fake) = (half(real, mask, side), half(fake, mask, side));
                expected.push(Workspace::default().distance(&real, &fake));
            }
        }
        assert_close("halves", &found, &expected, tolerance);
        let errors = [&found, &expected].map(|distances| half_sample_standard_error(distances));
        assert_close("standard error", &errors[..1], &errors[1..], Tolerance::relative(0.015));
    }

    #[test]
    fn half_distances_are_those_of_the_halves_alone() {
        // At the floor lines between the buckets hide a little of the noise.
        for (count, at_floor, apart) in [(4000, 0.03, 4e-3), (20_000, 0.02, 1e-3)] {
            let (real, fake) = (noise(1, count), noise(2, count));
            check(&real, &fake, Tolerance::relative(at_floor));
            let moved: Vec<f32> = fake.iter().map(|v| 1.2 * v + 0.1).collect();
            check(&real, &moved, Tolerance::relative(apart));
        }
    }

    #[test]
    fn curves_of_one_place_are_apart_by_their_places() {
        let step = |at: f64| Curve { start: at, width: 0.0, shares: vec![0.0, 0.5, 1.0] };
        assert_eq!(area_between(&step(1.0), &step(3.5)), 2.5);
        let even = Curve { start: 0.0, width: 0.5, shares: vec![0.0, 0.5, 1.0] };
        // Mean of |x - 0.25| over 0..1.
        assert!((area_between(&even, &step(0.25)) - f64::midpoint(0.25 * 0.25, 0.75 * 0.75)).abs() < 1e-12);
    }
}
