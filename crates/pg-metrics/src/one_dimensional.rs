//! The Wasserstein-1 distance of two sets of numbers, which is the area between their cumulative counts,
//! found without sorting them.
//!
//! The numbers become whole keys on a fine grid. Keys are tallied in buckets: how many of each set, and the sum
//! of their places. Where one set stays ahead through a whole bucket, these alone give the area there. Only in
//! the other buckets, where the lead may change, keys are sorted: few, unless the sets are all but the same.

use multiversion::multiversion;

use crate::marked_keys::{CHUNK, MAX_BUCKETS, Marks, select_marked};

/// Bits of a key: the grid divides the range of all numbers into 2^31 steps, finer than an f32 tells apart.
const KEY_BITS: u32 = 31;
/// Keys tallied between two transfers to [`Tally`]: as many as a packed tally can take.
const PACKED_KEYS: usize = 1 << 19;
/// Bits of a packed tally for the sum of places; the count stands above them.
const PACKED_SUM_BITS: u32 = 44;

/// The grid of keys: the range of all numbers, divided evenly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Grid {
    /// Number of key 0.
    pub(crate) low: f64,
    /// Keys per unit; 0 where all numbers are equal.
    pub(crate) keys_per_unit: f64,
}

impl Grid {
    /// Over all numbers of `sets`.
    #[cfg(test)]
    pub(crate) fn over(sets: [&[f32]; 2]) -> Self {
        let [a, b] = sets.map(extremes);
        Self::between((a.0.min(b.0), a.1.max(b.1)))
    }

    /// From the smallest number to the largest.
    pub(crate) fn between((low, high): (f32, f32)) -> Self {
        let (low, high) = (f64::from(low), f64::from(high));
        let keys_per_unit = f64::from((1_u32 << KEY_BITS) - 1) / (high - low);
        if high > low && keys_per_unit.is_finite() {
            Self { low, keys_per_unit }
        } else {
            Self { low: if low.is_finite() { low } else { 0.0 }, keys_per_unit: 0.0 }
        }
    }
}

/// What is known of a bucket: how many keys of each set, and the sums of their places within it.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    counts: [u32; 2],
    places: [u64; 2],
}

/// Working space, one per thread.
pub(crate) struct Workspace {
    /// Counts and sums of places of the keys of each bucket; of a fixed size, so that no index is beyond it.
    packed: Box<[u64; MAX_BUCKETS]>,
    tallies: Vec<Tally>,
    /// Bit b: the keys of bucket b must be sorted.
    is_disputed: Box<Marks>,
    /// These keys, each with its set as the lowest bit, as they come.
    disputed: Vec<u32>,
    /// Where the next key of each bucket goes.
    next: Vec<u32>,
    /// The same keys, bucket by bucket.
    to_sort: Vec<u32>,
}

impl Default for Workspace {
    fn default() -> Self {
        Self {
            packed: zeroed(),
            tallies: Vec::new(),
            is_disputed: zeroed(),
            disputed: Vec::new(),
            next: Vec::new(),
            to_sort: Vec::new(),
        }
    }
}

/// An array that never was on the stack.
#[allow(clippy::unnecessary_box_returns, reason = "half a megabyte")]
fn zeroed<T: Copy + Default, const N: usize>() -> Box<[T; N]> {
    match vec![T::default(); N].into_boxed_slice().try_into() {
        Ok(array) => array,
        Err(_) => unreachable!("N values make an array of N"),
    }
}

/// Counts of keys in coarse buckets, per run of numbers: `[runs][buckets]`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RunCounts {
    pub(crate) buckets: usize,
    pub(crate) counts: Vec<u32>,
}

/// The distance, and how the numbers of each run lie on the grid.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DistanceWithRuns {
    pub(crate) distance: f64,
    pub(crate) grid: Grid,
    /// Of the first and of the second set.
    pub(crate) runs: [RunCounts; 2],
}

impl Workspace {
    /// [`Self::on_grid`], on the grid of all numbers.
    #[cfg(test)]
    pub(crate) fn distance(&mut self, real: &[f32], fake: &[f32]) -> f64 {
        self.on_grid(real, fake, Grid::over([real, fake]))
    }

    /// Mean |i-th smallest of `real` - i-th smallest of `fake`|, for sets of one size that lie on `grid`.
    pub(crate) fn on_grid(&mut self, real: &[f32], fake: &[f32], grid: Grid) -> f64 {
        self.with_runs(real, fake, grid, &[real.len()], 1).distance
    }

    /// [`Self::on_grid`], and the counts of both sets in `coarse_buckets` (a power of two) buckets, for each
    /// run of numbers that ends before `ends[i]`. The last end is the sets' size.
    pub(crate) fn with_runs(
        &mut self,
        real: &[f32],
        fake: &[f32],
        grid: Grid,
        ends: &[usize],
        coarse_buckets: usize,
    ) -> DistanceWithRuns {
        let count = real.len();
        // About eight numbers of each set in a bucket: between sets that are all but the same the lead is as large
        // as the root of their size, so that few buckets can turn it.
        let most = MAX_BUCKETS.ilog2();
        let bits = (count.max(1).ilog2().saturating_sub(3)).clamp(coarse_buckets.max(256).ilog2(), most);
        let buckets = 1_usize << bits;
        let shift = KEY_BITS - bits;
        self.tallies.clear();
        self.tallies.resize(buckets, Tally::default());
        let runs = [real, fake]
            .map(|values| vec![0_u32; if values.is_empty() { 0 } else { ends.len() * coarse_buckets }]);
        let mut runs = runs.map(|counts| RunCounts { buckets: coarse_buckets, counts });
        for (set, values) in [real, fake].into_iter().enumerate() {
            let mut first = 0;
            for (run, &end) in ends.iter().enumerate() {
                for part in values[first..end].chunks(PACKED_KEYS) {
                    self.tally(part, grid, shift);
                    let coarse = &mut runs[set].counts[run * coarse_buckets..][..coarse_buckets];
                    self.unpack(set, coarse);
                }
                first = end;
            }
        }
        let (settled, to_sort) = self.settle(shift);
        let disputed = if to_sort == 0 { 0 } else { self.disputed_area(real, fake, grid, shift) };
        let area = (settled + disputed) as f64;
        let distance =
            if grid.keys_per_unit > 0.0 { area / grid.keys_per_unit / count.max(1) as f64 } else { 0.0 };
        DistanceWithRuns { distance, grid, runs }
    }

    fn tally(&mut self, values: &[f32], grid: Grid, shift: u32) {
        let mut keys = [0_u32; CHUNK];
        let place = (1_u32 << shift) - 1;
        for values in values.chunks(CHUNK) {
            to_keys(values, grid, &mut keys);
            for &key in &keys[..values.len()] {
                self.packed[(key >> shift) as usize % MAX_BUCKETS] +=
                    (1 << PACKED_SUM_BITS) | u64::from(key & place);
            }
        }
    }

    /// Moves the packed tallies to those of set `set`, and adds the counts to those of coarse buckets.
    fn unpack(&mut self, set: usize, coarse: &mut [u32]) {
        let buckets = self.tallies.len();
        let fine_per_coarse = buckets / coarse.len();
        for ((packed, tallies), coarse) in self.packed[..buckets]
            .chunks_mut(fine_per_coarse)
            .zip(self.tallies.chunks_mut(fine_per_coarse))
            .zip(coarse)
        {
            for (packed, tally) in packed.iter_mut().zip(tallies) {
                let count = (*packed >> PACKED_SUM_BITS) as u32;
                tally.counts[set] += count;
                tally.places[set] += *packed & ((1 << PACKED_SUM_BITS) - 1);
                *coarse += count;
                *packed = 0;
            }
        }
    }

    /// The area in the buckets where one set stays ahead, in key steps, and the number of keys in the others.
    fn settle(&mut self, shift: u32) -> (i64, usize) {
        let width = 1_i64 << shift;
        let (mut lead, mut area, mut to_sort) = (0_i64, 0_i64, 0_usize);
        self.is_disputed.fill(0);
        self.next.clear();
        for (bucket, tally) in self.tallies.iter().enumerate() {
            let [real, fake] = tally.counts.map(i64::from);
            let [real_places, fake_places] = tally.places.map(|sum| sum as i64);
            self.next.push(to_sort as u32);
            if lead >= fake || lead <= -real {
                // From each key to the bucket's end its set is one further.
                let signed = lead * width + (real * width - real_places) - (fake * width - fake_places);
                area += signed.abs();
            } else {
                self.is_disputed[bucket / 32] |= 1 << (bucket % 32);
                to_sort += (real + fake) as usize;
            }
            lead += real - fake;
        }
        (area, to_sort)
    }

    /// The area in the buckets that were not settled.
    fn disputed_area(&mut self, real: &[f32], fake: &[f32], grid: Grid, shift: u32) -> i64 {
        self.disputed.clear();
        let mut keys = [0_u32; CHUNK];
        let mut found = [0_u32; CHUNK];
        for (values, is_fake) in [(real, 0), (fake, 1)] {
            for values in values.chunks(CHUNK) {
                to_keys(values, grid, &mut keys);
                let count =
                    select_marked(&keys[..values.len()], shift, &self.is_disputed, is_fake, &mut found);
                self.disputed.extend_from_slice(&found[..count]);
            }
        }
        self.to_sort.clear();
        self.to_sort.resize(self.disputed.len(), 0);
        for &item in &self.disputed {
            if let Some(next) = self.next.get_mut((item >> (shift + 1)) as usize) {
                if let Some(place) = self.to_sort.get_mut(*next as usize) {
                    *place = item;
                }
                *next += 1;
            }
        }
        let width = 1_i64 << shift;
        let (mut lead, mut area, mut first) = (0_i64, 0_i64, 0_usize);
        for (bucket, tally) in self.tallies.iter().enumerate() {
            let [real, fake] = tally.counts.map(i64::from);
            if self.is_disputed[bucket / 32] >> (bucket % 32) & 1 == 1 {
                let items = &mut self.to_sort[first..first + (real + fake) as usize];
                first += items.len();
                items.sort_unstable();
                let mut at = bucket as i64 * width;
                let end = at + width;
                let mut ahead = lead;
                for &item in &*items {
                    let key = i64::from(item >> 1);
                    area += ahead.abs() * (key - at);
                    ahead += 1 - 2 * i64::from(item & 1);
                    at = key;
                }
                area += ahead.abs() * (end - at);
            }
            lead += real - fake;
        }
        area
    }
}

/// Smallest and largest of `values`; infinities for none.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
pub(crate) fn extremes(values: &[f32]) -> (f32, f32) {
    const LANES: usize = 16;
    let (mut low, mut high) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
    let (blocks, rest) = values.as_chunks::<LANES>();
    for block in blocks {
        for (i, &v) in block.iter().enumerate() {
            low[i] = if v < low[i] { v } else { low[i] };
            high[i] = if v > high[i] { v } else { high[i] };
        }
    }
    for (i, &v) in rest.iter().enumerate() {
        low[i] = low[i].min(v);
        high[i] = high[i].max(v);
    }
    (low.into_iter().fold(f32::INFINITY, f32::min), high.into_iter().fold(f32::NEG_INFINITY, f32::max))
}

/// The keys of at most [`CHUNK`] values.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn to_keys(values: &[f32], grid: Grid, keys: &mut [u32; CHUNK]) {
    /// Adding it rounds to a whole number, which then stands in the lowest bits.
    const ROUNDING: f64 = 4_503_599_627_370_496.0;
    for (key, &value) in keys.iter_mut().zip(values) {
        *key = ((f64::from(value) - grid.low) * grid.keys_per_unit + ROUNDING).to_bits() as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random_streams::gaussian_noise as noise;
    use pg_testkit::closeness::{Tolerance, assert_close};
    use proptest::prelude::*;

    /// The definition, by sorting.
    fn slow_distance(real: &[f32], fake: &[f32]) -> f64 {
        let sorted = |values: &[f32]| {
            let mut values: Vec<f64> = values.iter().map(|&v| f64::from(v)).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let (real, fake) = (sorted(real), sorted(fake));
        real.iter().zip(&fake).map(|(a, b)| (a - b).abs()).sum::<f64>() / real.len().max(1) as f64
    }

    fn check(real: &[f32], fake: &[f32]) {
        let largest = real.iter().chain(fake).fold(0.0_f32, |m, v| m.max(v.abs()));
        // A step of the grid on each side.
        let tolerance = Tolerance::new(4e-9 * f64::from(largest), 1e-9);
        let mut workspace = Workspace::default();
        let found = [workspace.distance(real, fake), workspace.distance(fake, real)];
        let expected = slow_distance(real, fake);
        assert_close("distance", &found, &[expected, expected], tolerance);
    }

    #[test]
    fn sets_near_and_far_have_the_distance_of_the_definition() {
        for count in [1, 2, 100, 5000, 40_000] {
            let (a, b) = (noise(1, count), noise(2, count));
            check(&a, &b);
            for (scale, shift) in [(1.0, 0.001), (1.1, 0.0), (1.0, 3.0), (0.01, 50.0)] {
                let moved: Vec<f32> = b.iter().map(|v| v * scale + shift).collect();
                check(&a, &moved);
            }
        }
    }

    #[test]
    fn equal_sets_and_constant_ones_have_distance_zero() {
        let a = noise(3, 10_000);
        let mut workspace = Workspace::default();
        let mut reversed = a.clone();
        reversed.reverse();
        assert_eq!(workspace.distance(&a, &reversed), 0.0);
        assert_eq!(workspace.distance(&[0.3; 700], &[0.3; 700]), 0.0);
        assert_eq!(workspace.distance(&[], &[]), 0.0);
        assert!((workspace.distance(&[1.0; 9], &[-2.0; 9]) - 3.0).abs() < 1e-8);
    }

    #[test]
    fn many_equal_numbers_do_not_overflow_a_tally() {
        let real: Vec<f32> = (0..1_300_000).map(|i| if i % 1000 == 0 { 1.0 } else { 0.999_999 }).collect();
        let fake = vec![0.5; real.len()];
        check(&real, &fake);
    }

    #[test]
    fn runs_are_counted_apart() {
        let (real, fake) = (noise(1, 3000), noise(2, 3000));
        let ends = [500, 1700, 3000];
        let found = Workspace::default().with_runs(&real, &fake, Grid::over([&real, &fake]), &ends, 32);
        assert_eq!(found.distance, Workspace::default().distance(&real, &fake));
        for (values, runs) in [&real, &fake].into_iter().zip(&found.runs) {
            let mut first = 0;
            for (run, end) in ends.into_iter().enumerate() {
                let mut expected = vec![0; 32];
                for &v in &values[first..end] {
                    let key = (f64::from(v) - found.grid.low) * found.grid.keys_per_unit;
                    expected[(key.round_ties_even() as usize) >> (KEY_BITS - 5)] += 1;
                }
                assert_eq!(runs.counts[run * 32..][..32], expected);
                first = end;
            }
        }
    }

    proptest! {
        #[test]
        fn any_sets_have_the_distance_of_the_definition(
            pairs in prop::collection::vec((-1e3_f32..1e3, -1e3_f32..1e3), 1..600),
            coarse in any::<bool>(),
        ) {
            // With many ties, or with none.
            let round = |v: f32| if coarse { (v / 100.0).round() } else { v };
            let (real, fake): (Vec<f32>, Vec<f32>) = pairs.into_iter().map(|(a, b)| (round(a), round(b))).unzip();
            check(&real, &fake);
        }
    }
}
