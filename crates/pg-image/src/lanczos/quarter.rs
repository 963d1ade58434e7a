//! Lanczos resampling to a quarter of the size, four bytes at a time.
//!
//! Output i reads inputs 4i-10..4i+14: of the groups of four inputs from 4(i-3) on seven, the first and
//! the last of them by half. A group is one lane of 32 bits, so that both passes are the same seven
//! products of groups with weights, sixteen outputs at a time.

use super::taps_of;
use super::whole_numbers::{INPUTS, LANES, Unsure, Weights};
use crate::raster::interleave;

/// Outputs at each end whose groups are not all inside the picture.
const ENDS: usize = 3;
/// Zeros beside each row of groups.
const PAD: usize = 16;
/// Kinds of outputs by their weights: those at the ends, and those between.
const KINDS: usize = 2 * ENDS + 1;

/// Resamples 4 x `size` samples to `size`.
pub(crate) struct QuarterLanczos {
    size: usize,
    /// Of the first sixteen outputs of a row, of sixteen between, and of the last sixteen.
    along: Box<[Weights; 3]>,
    /// Of sixteen outputs side by side in rows 0, 1, 2, in all between, and in the last three.
    across: Vec<Weights>,
}

impl QuarterLanczos {
    /// `None` without AVX-512 VNNI, and for sizes that are not a multiple of 16 from 32 on.
    pub(crate) fn new(size: usize) -> Option<Self> {
        // Up to 2^20 all positions are exact in f32, so that the outputs between have the same weights.
        if !size.is_multiple_of(LANES) || !(2 * LANES..=1 << 20).contains(&size) {
            return None;
        }
        let mut weights = [[0.0; INPUTS]; KINDS];
        for (kind, weights) in weights.iter_mut().enumerate() {
            let i = if kind <= ENDS { kind } else { size + kind - KINDS };
            let taps = taps_of(i, 4 * size, size);
            // Groups begin at input 4(i - 3); `taps` leaves out what is outside the picture.
            let first = taps.first + 4 * ENDS - 4 * i;
            weights.get_mut(first..first + taps.weights.len())?.copy_from_slice(&taps.weights);
        }
        let of =
            |kind: &dyn Fn(usize) -> usize| Weights::new(&std::array::from_fn(|lane| &weights[kind(lane)]));
        let ends = [
            of(&|lane| lane.min(ENDS))?,
            of(&|_| ENDS)?,
            of(&|lane| ENDS + (lane + ENDS + 1).saturating_sub(LANES))?,
        ];
        let across: Option<Vec<Weights>> = (0..KINDS).map(|kind| of(&|_| kind)).collect();
        Some(Self { size, along: Box::new(ends), across: across? })
    }

    /// Groups of a row of samples together with the zeros beside them.
    pub(crate) fn stride(&self) -> usize {
        self.size + 2 * PAD
    }

    /// Where the first group of row `row` of channel `channel` lies in a strip of 4 rows, RGB.
    pub(crate) fn start(&self, row: usize, channel: usize) -> usize {
        (channel * 4 + row) * self.stride() + PAD
    }

    /// Groups of `[size,3,size]` with rows of zeros above and below, and how many come before the first.
    pub(crate) fn narrow_square(&self) -> (Vec<u32>, usize) {
        let stride = 3 * self.size;
        (vec![0; (self.size + 2 * ENDS) * stride], ENDS * stride)
    }

    /// The horizontal pass. `strip`: four rows of each channel in groups, as [`Self::start`] has them, with
    /// zeros between. `out`: `[3,size]`, groups of four outputs one below the other.
    pub(crate) fn narrow(&self, strip: &[u32], scratch: &mut Scratch, out: &mut [u32]) {
        let Scratch { bytes, unsure } = scratch;
        bytes.resize(4 * self.size, 0);
        let last = self.size - LANES;
        for (channel, out) in out.chunks_exact_mut(self.size).enumerate() {
            for (row, out) in bytes.chunks_exact_mut(self.size).enumerate() {
                let inputs = &strip[self.start(row, channel) - ENDS..];
                let (first, rest) = out.split_at_mut(LANES);
                let (between, end) = rest.split_at_mut(last - LANES);
                self.along[0].sweep(inputs, 1, unsure, first);
                self.along[1].sweep(&inputs[LANES..], 1, unsure, between);
                self.along[2].sweep(&inputs[last..], 1, unsure, end);
            }
            let (upper, lower) = bytes.split_at(2 * self.size);
            let ((a, b), (c, d)) = (upper.split_at(self.size), lower.split_at(self.size));
            for ((((four, &a), &b), &c), &d) in out.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                *four = u32::from_le_bytes([a, b, c, d]);
            }
        }
    }

    /// The vertical pass: row `y` as u8 `[size,3]`.
    pub(crate) fn row(&self, narrow_square: &[u32], y: usize, scratch: &mut Scratch, out: &mut [u8]) {
        let stride = 3 * self.size;
        let kind = if y < ENDS { y } else { (y + KINDS).saturating_sub(self.size).max(ENDS) };
        let Scratch { bytes, unsure } = scratch;
        bytes.resize(stride, 0);
        self.across[kind].sweep(&narrow_square[y * stride..], stride, unsure, bytes);
        let (r, rest) = bytes.split_at(self.size);
        let (g, b) = rest.split_at(self.size);
        interleave([r, g, b], out.as_chunks_mut().0);
    }
}

/// What a thread works with.
#[derive(Default)]
pub(crate) struct Scratch {
    bytes: Vec<u8>,
    unsure: Unsure,
}
