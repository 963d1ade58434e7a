//! First and second moments of descriptor sets, per run of images: what normalises the whole set and any part
//! of it, from one pass over the descriptors.

use multiversion::multiversion;
use rayon::prelude::*;

use crate::patch_descriptors::{ChannelStatistics, DESCRIPTOR_CHANNELS, DESCRIPTOR_LENGTH, PATCH_AREA};

/// Descriptors summed in one piece; fixed, so that sums do not depend on the number of threads.
const SUM_CHUNK: usize = 1024;

/// Count, sums and sums of squares per colour channel, of values less the set's reference.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Moments {
    /// Values per channel.
    count: f64,
    sums: [f64; DESCRIPTOR_CHANNELS],
    squares: [f64; DESCRIPTOR_CHANNELS],
}

impl Moments {
    fn add(&mut self, other: &Self) {
        self.count += other.count;
        for c in 0..DESCRIPTOR_CHANNELS {
            self.sums[c] += other.sums[c];
            self.squares[c] += other.squares[c];
        }
    }

    fn of(sums: &ComponentSums) -> Self {
        let per_channel = |components: &[f64; DESCRIPTOR_LENGTH]| {
            std::array::from_fn(|c| components[c * PATCH_AREA..][..PATCH_AREA].iter().sum())
        };
        Self {
            count: (sums.descriptors * PATCH_AREA) as f64,
            sums: per_channel(&sums.sums),
            squares: per_channel(&sums.squares),
        }
    }

    fn total(parts: impl Iterator<Item = Self>) -> Self {
        parts.fold(Self::default(), |mut total, part| {
            total.add(&part);
            total
        })
    }

    /// The moments of `(x - mean) * scale`, of values x whose moments about `reference` these are.
    fn normalised(&self, reference: f64, c: usize, mean: f64, scale: f64) -> (f64, f64) {
        let offset = reference - mean;
        let sum = (self.sums[c] + self.count * offset) * scale;
        let square =
            (self.squares[c] + 2.0 * offset * self.sums[c] + self.count * offset * offset) * scale * scale;
        (sum, square)
    }
}

/// The moments of the runs of a set.
#[derive(Debug, Clone)]
pub(crate) struct RunMoments {
    /// What was subtracted from every value of a channel, for the accuracy of the squares.
    reference: [f64; DESCRIPTOR_CHANNELS],
    runs: Vec<Moments>,
}

impl RunMoments {
    /// Of `descriptors` `[n, 147]`, whose run i ends before descriptor `ends[i]`; sums are f64.
    pub(crate) fn new(descriptors: &[f32], ends: &[usize]) -> Self {
        let first = &descriptors[..descriptors.len().min(SUM_CHUNK * DESCRIPTOR_LENGTH)];
        let of_first = Moments::of(&ComponentSums::new(first, &[0.0; DESCRIPTOR_CHANNELS]));
        // Exact where all values are equal, so that no residue is taken for variation.
        let reference = of_first.sums.map(|sum| sum / of_first.count.max(1.0));
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let pieces: Vec<(usize, &[f32])> = starts
            .zip(ends)
            .enumerate()
            .flat_map(|(run, (start, &end))| {
                let values = &descriptors[start * DESCRIPTOR_LENGTH..end * DESCRIPTOR_LENGTH];
                values.chunks(SUM_CHUNK * DESCRIPTOR_LENGTH).map(move |piece| (run, piece))
            })
            .collect();
        let moments: Vec<Moments> =
            pieces.par_iter().map(|(_, piece)| Moments::of(&ComponentSums::new(piece, &reference))).collect();
        let mut runs = vec![Moments::default(); ends.len()];
        for ((run, _), moments) in pieces.iter().zip(&moments) {
            runs[*run].add(moments);
        }
        Self { reference, runs }
    }

    /// Of the whole set.
    pub(crate) fn statistics(&self) -> ChannelStatistics {
        let total = Moments::total(self.runs.iter().copied());
        let count = total.count.max(1.0);
        let mut statistics = ChannelStatistics { mean: self.reference, standard_deviation: [0.0; 3] };
        for c in 0..DESCRIPTOR_CHANNELS {
            let mean = total.sums[c] / count;
            statistics.mean[c] += mean;
            statistics.standard_deviation[c] = (total.squares[c] / count - mean * mean).max(0.0).sqrt();
        }
        statistics
    }

    /// Count, and per channel sum and sum of squares, of the descriptors of the runs in `mask` once
    /// `statistics` has normalised them.
    pub(crate) fn normalised(
        &self,
        mask: u32,
        statistics: &ChannelStatistics,
    ) -> (f64, [(f64, f64); DESCRIPTOR_CHANNELS]) {
        let inside = self.runs.iter().enumerate().filter(|(run, _)| mask >> run & 1 == 1).map(|(_, m)| *m);
        let total = Moments::total(inside);
        let scale = statistics.scale();
        let of = |c: usize| total.normalised(self.reference[c], c, statistics.mean[c], scale[c]);
        (total.count, std::array::from_fn(of))
    }
}

/// Sums and sums of squares of each component of the descriptors of a piece.
struct ComponentSums {
    descriptors: usize,
    sums: [f64; DESCRIPTOR_LENGTH],
    squares: [f64; DESCRIPTOR_LENGTH],
}

impl ComponentSums {
    fn new(descriptors: &[f32], reference: &[f64; DESCRIPTOR_CHANNELS]) -> Self {
        let zero = [0.0; DESCRIPTOR_LENGTH];
        let (descriptors, _) = descriptors.as_chunks::<DESCRIPTOR_LENGTH>();
        let mut sums = Self { descriptors: descriptors.len(), sums: zero, squares: zero };
        let reference = std::array::from_fn(|k| reference[k / PATCH_AREA]);
        add_components(descriptors, &reference, &mut sums.sums, &mut sums.squares);
        sums
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn add_components(
    descriptors: &[[f32; DESCRIPTOR_LENGTH]],
    reference: &[f64; DESCRIPTOR_LENGTH],
    sums: &mut [f64; DESCRIPTOR_LENGTH],
    squares: &mut [f64; DESCRIPTOR_LENGTH],
) {
    for descriptor in descriptors {
        for k in 0..DESCRIPTOR_LENGTH {
            let value = f64::from(descriptor[k]) - reference[k];
            sums[k] += value;
            squares[k] += value * value;
        }
    }
}
