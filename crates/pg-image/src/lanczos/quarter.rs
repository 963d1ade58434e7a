//! Lanczos resampling to a quarter of the size, four bytes at a time.
//!
//! Output i reads inputs 4i-10..4i+14: of the groups of four inputs from 4(i-3) on seven, the first and
//! the last of them by half. A group is one lane of 32 bits, so that both passes are the same seven
//! products of groups with weights, sixteen outputs at a time.

use super::taps_of;
use super::whole_numbers::{GROUPS, INPUTS, LANES, Unsure, Weights};

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

    /// What a thread works with.
    pub(crate) fn band(&self) -> Band {
        Band {
            strip: vec![0; 12 * self.stride()],
            narrow: vec![0; HELD * 3 * self.size],
            first: 0,
            count: 0,
            unsure: Unsure::default(),
        }
    }

    /// The horizontal pass. `strip`: four rows of each channel in groups, as [`Self::start`] has them, with
    /// zeros between. `out`: `[3,size]`, groups of four outputs one below the other.
    fn narrow(&self, strip: &[u32], unsure: &mut Unsure, out: &mut [u32]) {
        let (stride, last) = (self.stride(), self.size - LANES);
        for (channel, out) in out.chunks_exact_mut(self.size).enumerate() {
            let inputs = &strip[self.start(0, channel) - ENDS..];
            let (first, rest) = out.split_at_mut(LANES);
            let (between, end) = rest.split_at_mut(last - LANES);
            self.along[0].four_rows(inputs, stride, unsure, first);
            self.along[1].four_rows(&inputs[LANES..], stride, unsure, between);
            self.along[2].four_rows(&inputs[last..], stride, unsure, end);
        }
    }

    /// Row `y` as RGB. `sample` fills a strip with the groups of a row of groups, as [`Self::start`] has them.
    /// Quickest for rows one after the other, as `band` holds what they have in common.
    pub(crate) fn row(
        &self,
        y: usize,
        sample: impl Fn(usize, &mut [u32]),
        band: &mut Band,
        out: &mut [[u8; 3]],
    ) {
        let Band { strip, narrow, first, count, unsure } = band;
        let stride = 3 * self.size;
        if y < *first || y > *first + *count {
            (*first, *count) = (y, 0);
        }
        if y + GROUPS > *first + HELD {
            narrow.copy_within((y - *first) * stride..*count * stride, 0);
            (*first, *count) = (y, *first + *count - y);
        }
        while *first + *count < y + GROUPS {
            let held = &mut narrow[*count * stride..][..stride];
            match (*first + *count).checked_sub(ENDS).filter(|&row| row < self.size) {
                Some(row) => {
                    sample(row, strip);
                    self.narrow(strip, unsure, held);
                }
                None => held.fill(0),
            }
            *count += 1;
        }
        let kind = if y < ENDS { y } else { (y + KINDS).saturating_sub(self.size).max(ENDS) };
        self.across[kind].pixels(&narrow[(y - *first) * stride..], [stride, self.size], unsure, out);
    }
}

/// Rows of groups that a band holds: more than are read at once, as making room copies the rest.
const HELD: usize = 2 * GROUPS;

/// Rows of groups after the horizontal pass, those above and below the picture zero.
pub(crate) struct Band {
    strip: Vec<u32>,
    /// `[HELD,3,size]`, of which there are `count`; number 0 is [`ENDS`] rows above the picture.
    narrow: Vec<u32>,
    /// The number of the first.
    first: usize,
    count: usize,
    unsure: Unsure,
}
