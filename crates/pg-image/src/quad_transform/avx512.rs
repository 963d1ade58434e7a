//! Bilinear samples sixteen at a time on AVX-512: blocks of 4x4 neighbouring samples.
//!
//! Steps are at most a pixel, so a block lies in a window of 5x5 pixels. In each of its 4x4 cells the
//! sample is a + b (x - x y) + d x y + c y of the fractions x, y: from the upper left pixel a the slopes b
//! along the upper pixels, d along the lower ones and c down, whole numbers from the window, exact in f32.
//! Each sample takes those of its cell by a permutation.
//!
//! The exact sample is computed in f64 and truncated. Here the sum is in f32, off by at most [`BOUND`];
//! where v - e and v + e truncate to the same byte, that is the exact byte, else the definition decides.
//! In a cell with b = c = d = 0 both are a.
#![allow(unsafe_code, reason = "calls functions compiled for AVX-512, behind a test for it; vector loads")]

use std::arch::x86_64::{
    __m512, __m512i, _CMP_GE_OQ, _CMP_LT_OQ, _MM_FROUND_NO_EXC, _MM_FROUND_TO_NEG_INF, _MM_HINT_T0,
    _mm_add_epi32, _mm_and_si128, _mm_loadu_si128, _mm_or_si128, _mm_prefetch, _mm_set1_epi32, _mm_setr_epi8,
    _mm_setzero_si128, _mm_shuffle_epi8, _mm_slli_epi32, _mm_srli_epi32, _mm_storeu_si128, _mm256_add_epi32,
    _mm256_castsi256_si128, _mm256_extracti128_si256, _mm512_add_epi32, _mm512_add_ps, _mm512_add_round_ps,
    _mm512_alignr_epi64, _mm512_broadcast_i32x4, _mm512_castps_si512, _mm512_castsi128_si512,
    _mm512_castsi512_ps, _mm512_castsi512_si256, _mm512_cmp_ps_mask, _mm512_cvttps_epi32,
    _mm512_extracti64x4_epi64, _mm512_fmadd_ps, _mm512_inserti32x4, _mm512_loadu_ps, _mm512_loadu_si512,
    _mm512_madd_epi16, _mm512_maddubs_epi16, _mm512_min_ps, _mm512_mul_ps, _mm512_or_ps,
    _mm512_permutexvar_ps, _mm512_range_ps, _mm512_reduce_ps, _mm512_set1_epi8, _mm512_set1_epi16,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_shuffle_epi8,
    _mm512_slli_epi32, _mm512_storeu_si512, _mm512_sub_ps, _mm512_ternarylogic_epi32, _mm512_test_epi32_mask,
};

use super::QuadSampler;

/// Half-width e of the interval around v in grey levels. Three roundings of sums up to 255 (2^-17 each);
/// three of factors up to 1 (2^-25 each) of slopes up to 255; positions good to [`POSITION`] times slopes up
/// to 255 in x and in y.
const BOUND: f32 = 4.1e-4;
/// What positions are good to in pixels: f32 below 4 rounded five times (2^-23 each), and steps that change
/// over a run.
const POSITION: f32 = 7e-7;
/// The coefficient of x y in positions, at most: over half a run of blocks it changes 3 steps by 4e-8 px.
const MOST_SKEW: f64 = 1e-10;

/// An RGB image, u8 `[H,W,3]`, and the lattice that samples it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocks<'a> {
    data: &'a [u8],
    /// Bytes per row.
    stride: f64,
    /// From a block's first sample to the least position in it, x and y.
    low: [f64; 2],
    /// The last column and row where a window of 6x5 pixels can begin.
    last: [f64; 2],
}

/// Which sample of the 4x4 block a lane holds: rows one after the other.
const COLUMNS: [f32; 16] = [0., 1., 2., 3., 0., 1., 2., 3., 0., 1., 2., 3., 0., 1., 2., 3.];
const ROWS: [f32; 16] = [0., 0., 0., 0., 1., 1., 1., 1., 2., 2., 2., 2., 3., 3., 3., 3.];

/// Shuffles four RGB pixels from byte `first` on to floats 2^23 + value, byte 15 being 0x4b.
const fn spread(first: usize) -> [u8; 64] {
    let mut out = [128_u8; 64];
    let mut i = 0;
    while i < 16 {
        out[4 * i] = (first + 3 * (i % 4)) as u8;
        out[4 * i + 3] = 15;
        i += 1;
    }
    out
}

/// [`spread`] for each channel: the pixels of the cells, and those right of them.
const SPREAD: [[[u8; 64]; 2]; 3] = [[spread(0), spread(3)], [spread(1), spread(4)], [spread(2), spread(5)]];

/// For `_mm512_reduce_ps`: what is left of a number above its floor.
const FLOOR: i32 = 0b1001;
const DOWN: i32 = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;

/// Blocks whose windows are found together; their steps are taken to be the same.
const RUN: usize = 64;

/// Where the windows of [`RUN`] blocks begin in the data (-1: nowhere), and where the blocks' first samples
/// lie in them.
struct Windows {
    at: [i32; RUN],
    u: [f32; RUN],
    v: [f32; RUN],
}

/// In each quarter: ones for 15 bytes; the exponent of 2^23 as the last byte: the low byte of
/// such a float counts units.
const LAST_BYTES: [[u8; 64]; 2] = {
    let mut out = [[255_u8; 64], [0; 64]];
    let mut quarter = 0;
    while quarter < 4 {
        out[0][16 * quarter + 15] = 0;
        out[1][16 * quarter + 15] = 0x4b;
        quarter += 1;
    }
    out
};

impl<'a> Blocks<'a> {
    /// `None` without AVX-512, and for lattices whose blocks may not fit into the window.
    /// `x` and `y` are the coefficients of the sampler.
    pub(super) fn new(data: &'a [u8], [width, height]: [usize; 2], [x, y]: [[f64; 4]; 2]) -> Option<Self> {
        let there = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq");
        let fits = |c: [f64; 4]| 3.0 * (c[1].abs() + c[2].abs()) < 2.99 && c[3].abs() < MOST_SKEW;
        let countable = i32::try_from(data.len()).is_ok() && data.len() == 3 * width * height;
        let low = |c: [f64; 4]| 3.0 * (c[1].min(0.0) + c[2].min(0.0)) - 1e-3;
        (there && fits(x) && fits(y) && width >= 6 && height >= 5 && countable).then(|| Self {
            data,
            stride: 3.0 * width as f64,
            low: [low(x), low(y)],
            last: [(width - 6) as f64, (height - 5) as f64],
        })
    }

    /// Row `y` of the averages over 4x4 samples (rounded half to even), RGB.
    pub(super) fn averages(&self, sampler: &QuadSampler, y: usize, out: &mut [u8]) {
        // SAFETY: `new` found the features that the function is compiled for.
        unsafe { self.averages_avx512(sampler, y, out) }
    }

    /// Samples of rows 4y..4y+4, four side by side as one group; those of a row and a channel from
    /// `start(row, channel)` on. The side of the square is a multiple of 16.
    pub(super) fn groups(
        &self,
        sampler: &QuadSampler,
        y: usize,
        start: impl Fn(usize, usize) -> usize,
        out: &mut [u32],
    ) {
        let mut fours = [[[0; 64]; 3]; RUN / 4];
        let groups = sampler.side / 4;
        for first in (0..groups).step_by(RUN) {
            let fours = &mut fours[..RUN.min(groups - first) / 4];
            // SAFETY: as above.
            unsafe { self.run_of_blocks(sampler, [first, y], fours) };
            for row in 0..4 {
                for channel in 0..3 {
                    let out = out[start(row, channel) + first..].as_chunks_mut::<4>().0;
                    for (out, four) in out.iter_mut().zip(&*fours) {
                        let groups = &four[channel].as_chunks::<4>().0[4 * row..][..4];
                        *out = [0, 1, 2, 3].map(|k| u32::from_le_bytes(groups[k]));
                    }
                }
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx2,fma")]
    fn averages_avx512(&self, sampler: &QuadSampler, y: usize, out: &mut [u8]) {
        let rgb = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
        let mut fours = [[[0_u8; 64]; 3]; RUN / 4];
        for (run, out) in out.as_chunks_mut::<3>().0.chunks_mut(RUN).enumerate() {
            let fours = &mut fours[..out.len().div_ceil(4)];
            self.run_of_blocks(sampler, [run * RUN, y], fours);
            for (pixels, four) in out.chunks_mut(4).zip(fours) {
                let mut means = _mm_setzero_si128();
                for channel in four.iter().rev() {
                    // Sums of pairs, of the four of a row, of two rows, of all four.
                    let pairs = _mm512_maddubs_epi16(load_bytes(channel), _mm512_set1_epi8(1));
                    let rows = _mm512_madd_epi16(pairs, _mm512_set1_epi16(1));
                    let rows =
                        _mm256_add_epi32(_mm512_castsi512_si256(rows), _mm512_extracti64x4_epi64::<1>(rows));
                    let sums =
                        _mm_add_epi32(_mm256_castsi256_si128(rows), _mm256_extracti128_si256::<1>(rows));
                    // As `sixteenth` does.
                    let odd = _mm_and_si128(_mm_srli_epi32::<4>(sums), _mm_set1_epi32(1));
                    let rounded = _mm_add_epi32(_mm_add_epi32(sums, _mm_set1_epi32(7)), odd);
                    means = _mm_or_si128(_mm_slli_epi32::<8>(means), _mm_srli_epi32::<4>(rounded));
                }
                let mut bytes = [0_u8; 16];
                // SAFETY: 16 bytes are written to an array of 16.
                unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), _mm_shuffle_epi8(means, rgb)) };
                for (pixel, mean) in pixels.iter_mut().zip(bytes.as_chunks::<3>().0) {
                    *pixel = *mean;
                }
            }
        }
    }

    /// Blocks (x, y), (x + 1, y), …, at most [`RUN`], four of them together: of each channel the four rows,
    /// in each the four blocks, of each its four samples.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx2,fma")]
    fn run_of_blocks(&self, sampler: &QuadSampler, [x, y]: [usize; 2], out: &mut [[[u8; 64]; 3]]) {
        let mut windows = Windows { at: [0; RUN], u: [0.0; RUN], v: [0.0; RUN] };
        self.find_windows(sampler, x, y, &mut windows);
        let middle = sampler.lattice(4 * (x + RUN / 2), 4 * y);
        let (column, row) = (load_ps(&COLUMNS), load_ps(&ROWS));
        let pattern = |axis: usize| {
            let down = _mm512_mul_ps(row, _mm512_set1_ps(middle.step_y[axis]));
            _mm512_fmadd_ps(column, _mm512_set1_ps(middle.step_x[axis]), down)
        };
        let (pattern_u, pattern_v) = (pattern(0), pattern(1));
        let (half, zero) = (_mm512_set1_ps(0.5), _mm512_setzero_si512());
        let (bound, twice_bound) = (_mm512_set1_ps(BOUND), _mm512_set1_ps(2.0 * BOUND));
        let mut all_unsure = [[0_u16; 4]; RUN / 4];
        let low_byte = _mm512_set1_epi32(255);
        let by_block =
            _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
        let ahead = self.bytes_ahead(middle.step_x);

        for ((four, out), unsure) in out.iter_mut().enumerate().zip(&mut all_unsure) {
            let mut samples = [[zero; 4]; 3];
            for (place, unsure) in unsure.iter_mut().enumerate() {
                let k = 4 * four + place;
                if place % 2 == 0 {
                    self.prefetch(windows.at[k], ahead);
                }
                let Some((upper, lower)) = self.window(windows.at[k]) else {
                    *unsure = u16::MAX;
                    continue;
                };

                // Cells and fractions, relative to the window.
                let u = _mm512_add_ps(pattern_u, _mm512_set1_ps(windows.u[k]));
                let v = _mm512_add_ps(pattern_v, _mm512_set1_ps(windows.v[k]));
                let (dx, dy) = (_mm512_reduce_ps::<FLOOR>(u), _mm512_reduce_ps::<FLOOR>(v));
                let cell_v = _mm512_slli_epi32::<2>(_mm512_cvttps_epi32(v));
                let cell = _mm512_add_epi32(_mm512_cvttps_epi32(u), cell_v);
                let dxy = _mm512_mul_ps(dx, dy);
                let dx_above = _mm512_sub_ps(dx, dxy);

                let mut above = [_mm512_setzero_ps(); 3];
                let mut slopes = [zero; 3];
                for channel in 0..3 {
                    let [here, right] = [load_bytes(&SPREAD[channel][0]), load_bytes(&SPREAD[channel][1])];
                    let nw = _mm512_castsi512_ps(_mm512_shuffle_epi8(upper, here));
                    let ne = _mm512_castsi512_ps(_mm512_shuffle_epi8(upper, right));
                    let sw = _mm512_castsi512_ps(_mm512_shuffle_epi8(lower, here));
                    let se = _mm512_castsi512_ps(_mm512_shuffle_epi8(lower, right));
                    let a = _mm512_permutexvar_ps(cell, nw);
                    let b = _mm512_permutexvar_ps(cell, _mm512_sub_ps(ne, nw));
                    let c = _mm512_permutexvar_ps(cell, _mm512_sub_ps(sw, nw));
                    let d = _mm512_permutexvar_ps(cell, _mm512_sub_ps(se, sw));
                    let high = _mm512_fmadd_ps(b, dx_above, bound);
                    let high = _mm512_fmadd_ps(d, dxy, _mm512_fmadd_ps(c, dy, high));
                    // At 2^23 and more a sum rounded down is a whole number: the byte of a + high.
                    let sample = _mm512_add_round_ps::<DOWN>(a, high);
                    samples[channel][place] = _mm512_castps_si512(sample);
                    above[channel] = _mm512_reduce_ps::<FLOOR>(high);
                    slopes[channel] = _mm512_castps_si512(_mm512_or_ps(_mm512_or_ps(b, c), d));
                }

                let least = _mm512_min_ps(_mm512_min_ps(above[0], above[1]), above[2]);
                if _mm512_cmp_ps_mask::<_CMP_LT_OQ>(least, twice_bound) != 0 {
                    // On the edge of a cell it is not sure that it is the cell without slopes.
                    let off_centre =
                        _mm512_range_ps::<0b1011>(_mm512_sub_ps(dx, half), _mm512_sub_ps(dy, half));
                    let edge = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(off_centre, _mm512_set1_ps(0.5 - POSITION));
                    for (above, slopes) in above.into_iter().zip(slopes) {
                        let close = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(above, twice_bound);
                        *unsure |= close & (edge | _mm512_test_epi32_mask(slopes, slopes));
                    }
                }
            }
            for (out, [first, second, third, fourth]) in out.iter_mut().zip(samples) {
                // The low bytes one above the other: (first and 255) or second, or third or fourth.
                let (second, third) = (_mm512_slli_epi32::<8>(second), _mm512_slli_epi32::<16>(third));
                let fourth = _mm512_slli_epi32::<24>(fourth);
                let two = _mm512_ternarylogic_epi32::<0xf8>(second, first, low_byte);
                let all = _mm512_ternarylogic_epi32::<0xfe>(two, third, fourth);
                let bytes = _mm512_shuffle_epi8(all, by_block);
                // SAFETY: 64 bytes are written to an array of 64.
                unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), bytes) };
            }
        }
        for ((four, out), unsure) in out.iter_mut().enumerate().zip(all_unsure) {
            if unsure != [0; 4] {
                for (place, unsure) in unsure.into_iter().enumerate() {
                    decide(sampler, [x + 4 * four + place, y], unsure, place, out);
                }
            }
        }
    }

    /// The windows of blocks (x, y), (x + 1, y), …
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx2,fma")]
    fn find_windows(&self, sampler: &QuadSampler, x: usize, y: usize, windows: &mut Windows) {
        let start = sampler.lattice(4 * x, 4 * y);
        let along = [sampler.x, sampler.y].map(|c| 4.0 * (c[1] + c[3] * (4 * y) as f64));
        let Windows { at, u, v } = windows;
        for (k, ((at, u), v)) in at.iter_mut().zip(u).zip(v).enumerate() {
            let k = f64::from(k as u32);
            let (u0, v0) = (start.origin[0] + k * along[0], start.origin[1] + k * along[1]);
            let (left, top) = ((u0 + self.low[0]).floor(), (v0 + self.low[1]).floor());
            let inside = left >= 0.0 && left <= self.last[0] && top >= 0.0 && top <= self.last[1];
            let first = if inside { top * self.stride + 3.0 * left } else { -1.0 };
            // SAFETY: a place in the data, of which an i32 counts the bytes, or -1.
            *at = unsafe { first.to_int_unchecked::<i32>() };
            (*u, *v) = ((u0 - left) as f32, (v0 - top) as f32);
        }
    }

    /// About how far behind one another the windows of two runs begin in the data.
    fn bytes_ahead(&self, step: [f32; 2]) -> isize {
        let pixels = |axis: usize| f64::from((4 * RUN) as f32 * step[axis]).round_ties_even();
        (pixels(1) * self.stride + 3.0 * pixels(0)) as isize
    }

    /// Fetches the window `ahead` bytes behind byte `at`: quads that are turned read across the rows, which the
    /// machine does not foresee.
    #[inline]
    #[target_feature(enable = "sse")]
    fn prefetch(&self, at: i32, ahead: isize) {
        for row in 0..5 {
            let place = at as isize + ahead + row * self.stride as isize;
            _mm_prefetch::<_MM_HINT_T0>(self.data.as_ptr().wrapping_offset(place).cast());
        }
    }

    /// Five rows of 16 bytes from byte `at` on: four of them, 15 bytes and 0x4b each, and the last four.
    /// `None` for no place.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx2,fma")]
    fn window(&self, at: i32) -> Option<(__m512i, __m512i)> {
        let stride = self.stride as usize;
        let at = usize::try_from(at).ok()?;
        let bytes = self.data.get(at..at + 4 * stride + 16)?;
        // SAFETY: five rows of 16 bytes, the last of which ends with the bytes.
        let load = |row: usize| unsafe { _mm_loadu_si128(bytes.as_ptr().add(row * stride).cast()) };
        let rows = _mm512_inserti32x4::<1>(_mm512_castsi128_si512(load(0)), load(1));
        let rows = _mm512_inserti32x4::<3>(_mm512_inserti32x4::<2>(rows, load(2)), load(3));
        let below = _mm512_alignr_epi64::<2>(_mm512_castsi128_si512(load(4)), rows);
        // exponents or (pixels and rows)
        let (pixels, exponents) = (load_bytes(&LAST_BYTES[0]), load_bytes(&LAST_BYTES[1]));
        let mark = |rows: __m512i| _mm512_ternarylogic_epi32::<0xf8>(exponents, pixels, rows);
        Some((mark(rows), mark(below)))
    }
}

/// Puts samples of the definition into the lanes in `unsure` of block (x, y), which is at `place` of its four.
#[cold]
fn decide(
    sampler: &QuadSampler,
    [x, y]: [usize; 2],
    mut unsure: u16,
    place: usize,
    blocks: &mut [[u8; 64]; 3],
) {
    while unsure != 0 {
        let lane = unsure.trailing_zeros() as usize;
        unsure &= unsure - 1;
        let mut sample = [0; 3];
        sampler.exact_samples(4 * x + lane % 4, 4 * y + lane / 4, &mut sample);
        for (channel, value) in blocks.iter_mut().zip(sample) {
            channel[lane / 4 * 16 + place * 4 + lane % 4] = value;
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_ps(values: &[f32; 16]) -> __m512 {
    // SAFETY: 16 values are read from an array of 16.
    unsafe { _mm512_loadu_ps(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_bytes(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: 64 bytes are read from an array of 64.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}
