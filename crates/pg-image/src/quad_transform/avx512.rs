//! Bilinear samples sixteen at a time on AVX-512: blocks of 4x4 neighbouring samples.
//!
//! Steps are at most a pixel, so a block lies in a window of 5x5 pixels. In each of its 4x4 cells the
//! sample is the polynomial a + b x + c y + d x y of the fractions x, y; a, b, c, d are whole numbers
//! from the window, exact in f32, and each sample takes those of its cell by a permutation.
//!
//! The exact sample is computed in f64 and truncated. Here the sum is in f32, off by at most [`BOUND`];
//! where v - e and v + e truncate to the same byte, that is the exact byte, else the definition decides.
//! In a cell with b = c = d = 0 both are a.
#![allow(unsafe_code, reason = "calls functions compiled for AVX-512, behind a test for it; vector loads")]

use std::arch::x86_64::{
    __m512, __m512i, _CMP_GE_OQ, _CMP_LT_OQ, _mm_add_epi16, _mm_add_epi32, _mm_and_si128, _mm_cvtsi128_si32,
    _mm_loadu_si128, _mm_madd_epi16, _mm_set1_epi16, _mm_set1_epi32, _mm_setr_epi8, _mm_setzero_si128,
    _mm_shuffle_epi8, _mm_srli_epi32, _mm256_add_epi16, _mm256_castsi256_si128, _mm256_extracti128_si256,
    _mm512_add_epi32, _mm512_add_ps, _mm512_alignr_epi64, _mm512_castps_si512, _mm512_castsi128_si512,
    _mm512_castsi512_ps, _mm512_castsi512_si256, _mm512_cmp_ps_mask, _mm512_cvtepi32_ps, _mm512_cvttps_epi32,
    _mm512_extracti64x4_epi64, _mm512_fmadd_ps, _mm512_inserti32x4, _mm512_loadu_ps, _mm512_loadu_si512,
    _mm512_maddubs_epi16, _mm512_mask_test_epi32_mask, _mm512_min_ps, _mm512_mul_ps, _mm512_or_ps,
    _mm512_packus_epi16, _mm512_packus_epi32, _mm512_permutexvar_ps, _mm512_range_ps, _mm512_set1_epi8,
    _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_slli_epi32,
    _mm512_storeu_si512, _mm512_sub_ps, _mm512_ternarylogic_epi32,
};

use super::QuadSampler;

/// Half-width e of the interval around v in grey levels. Four roundings of sums up to 255 (2^-17 each) and
/// one of v +- e; positions good to [`POSITION`] times slopes up to 255 in x and in y.
const BOUND: f32 = 4e-4;
/// What positions are good to in pixels: f32 below 4 rounded five times (2^-23 each), and steps that change
/// over a run.
const POSITION: f32 = 7e-7;
/// The coefficient of x y in positions, at most: over half a run of blocks it changes 3 steps by 4e-8 px.
const MOST_SKEW: f64 = 1e-10;
/// 2^23: a float of this size has its low mantissa byte as units.
const UNITS: f32 = 8_388_608.0;

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

/// Blocks whose windows are found together; their steps are taken to be the same.
const RUN: usize = 64;

/// Where the windows of [`RUN`] blocks begin in the data (-1: nowhere), and where the blocks' first samples
/// lie in them.
struct Windows {
    at: [i32; RUN],
    u: [f32; RUN],
    v: [f32; RUN],
}

/// In each quarter: ones for 15 bytes; the exponent of [`UNITS`] as the last byte.
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
    /// `start(row, channel)` on.
    pub(super) fn groups(
        &self,
        sampler: &QuadSampler,
        y: usize,
        start: impl Fn(usize, usize) -> usize,
        out: &mut [u32],
    ) {
        let mut blocks = [[0_u8; 64]; RUN];
        let groups = sampler.side / 4;
        for first in (0..groups).step_by(RUN) {
            let blocks = &mut blocks[..RUN.min(groups - first)];
            // SAFETY: as above.
            unsafe { self.run_of_blocks(sampler, [first, y], blocks) };
            for row in 0..4 {
                for channel in 0..3 {
                    let out = &mut out[start(row, channel) + first..][..blocks.len()];
                    for (out, block) in out.iter_mut().zip(&*blocks) {
                        if let Some(&four) = block.as_chunks::<4>().0.get(4 * row + channel) {
                            *out = u32::from_le_bytes(four);
                        }
                    }
                }
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx2,fma")]
    fn averages_avx512(&self, sampler: &QuadSampler, y: usize, out: &mut [u8]) {
        let ones = _mm512_set1_epi8(1);
        let first_bytes = _mm_setr_epi8(0, 4, 8, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
        let mut blocks = [[0_u8; 64]; RUN];
        for (run, out) in out.as_chunks_mut::<3>().0.chunks_mut(RUN).enumerate() {
            let blocks = &mut blocks[..out.len()];
            self.run_of_blocks(sampler, [run * RUN, y], blocks);
            for (pixel, block) in out.iter_mut().zip(blocks) {
                // Sums of pairs, of quarters, of pairs of pairs.
                let pairs = _mm512_maddubs_epi16(load_bytes(block), ones);
                let pairs =
                    _mm256_add_epi16(_mm512_castsi512_si256(pairs), _mm512_extracti64x4_epi64::<1>(pairs));
                let pairs =
                    _mm_add_epi16(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256::<1>(pairs));
                let sums = _mm_madd_epi16(pairs, _mm_set1_epi16(1));
                // As `sixteenth` does.
                let odd = _mm_and_si128(_mm_srli_epi32::<4>(sums), _mm_set1_epi32(1));
                let rounded = _mm_add_epi32(_mm_add_epi32(sums, _mm_set1_epi32(7)), odd);
                let bytes = _mm_shuffle_epi8(_mm_srli_epi32::<4>(rounded), first_bytes);
                let [r, g, b, _] = _mm_cvtsi128_si32(bytes).to_le_bytes();
                *pixel = [r, g, b];
            }
        }
    }

    /// Blocks (x, y), (x + 1, y), …, at most [`RUN`], as bytes RRRRGGGGBBBB0000 of each row.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx2,fma")]
    fn run_of_blocks(&self, sampler: &QuadSampler, [x, y]: [usize; 2], out: &mut [[u8; 64]]) {
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

        for (k, out) in out.iter_mut().enumerate() {
            let Some((upper, lower)) = self.window(windows.at[k]) else {
                decide(sampler, [x + k, y], u16::MAX, out);
                continue;
            };

            // Cells and fractions, relative to the window.
            let u = _mm512_add_ps(pattern_u, _mm512_set1_ps(windows.u[k]));
            let v = _mm512_add_ps(pattern_v, _mm512_set1_ps(windows.v[k]));
            let (cell_u, cell_v) = (_mm512_cvttps_epi32(u), _mm512_cvttps_epi32(v));
            let dx = _mm512_sub_ps(u, _mm512_cvtepi32_ps(cell_u));
            let dy = _mm512_sub_ps(v, _mm512_cvtepi32_ps(cell_v));
            let cell = _mm512_add_epi32(cell_u, _mm512_slli_epi32::<2>(cell_v));

            let mut samples = [zero; 3];
            let mut above = [_mm512_setzero_ps(); 3];
            let mut slopes = [zero; 3];
            for channel in 0..3 {
                let [here, right] = [load_bytes(&SPREAD[channel][0]), load_bytes(&SPREAD[channel][1])];
                let nw = _mm512_castsi512_ps(_mm512_shuffle_epi8(upper, here));
                let ne = _mm512_castsi512_ps(_mm512_shuffle_epi8(upper, right));
                let sw = _mm512_castsi512_ps(_mm512_shuffle_epi8(lower, here));
                let se = _mm512_castsi512_ps(_mm512_shuffle_epi8(lower, right));
                let (b, c) = (_mm512_sub_ps(ne, nw), _mm512_sub_ps(sw, nw));
                let d = _mm512_sub_ps(_mm512_sub_ps(se, sw), b);
                let a = _mm512_sub_ps(_mm512_permutexvar_ps(cell, nw), _mm512_set1_ps(UNITS));
                let b = _mm512_permutexvar_ps(cell, b);
                let c = _mm512_permutexvar_ps(cell, c);
                let d = _mm512_permutexvar_ps(cell, d);
                let value = _mm512_fmadd_ps(_mm512_fmadd_ps(d, dx, c), dy, _mm512_fmadd_ps(b, dx, a));
                // v + e, its byte, and how far it is above that.
                let high = _mm512_add_ps(value, bound);
                samples[channel] = _mm512_cvttps_epi32(high);
                above[channel] = _mm512_sub_ps(high, _mm512_cvtepi32_ps(samples[channel]));
                slopes[channel] = _mm512_castps_si512(_mm512_or_ps(_mm512_or_ps(b, c), d));
            }
            let rg = _mm512_packus_epi32(samples[0], samples[1]);
            let bytes = _mm512_packus_epi16(rg, _mm512_packus_epi32(samples[2], zero));
            // SAFETY: 64 bytes are written to an array of 64.
            unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), bytes) };

            // On the edge of a cell it is not sure which cell it is.
            let off_centre = _mm512_range_ps::<0b1011>(_mm512_sub_ps(dx, half), _mm512_sub_ps(dy, half));
            let edge = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(off_centre, _mm512_set1_ps(0.5 - POSITION));
            let least = _mm512_min_ps(_mm512_min_ps(above[0], above[1]), above[2]);
            if edge | _mm512_cmp_ps_mask::<_CMP_LT_OQ>(least, twice_bound) != 0 {
                let close = |channel: usize| {
                    let close = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(above[channel], twice_bound);
                    _mm512_mask_test_epi32_mask(close, slopes[channel], slopes[channel])
                };
                let unsure = edge | close(0) | close(1) | close(2);
                if unsure != 0 {
                    decide(sampler, [x + k, y], unsure, out);
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

    /// Five rows of 16 bytes from byte `at` on: four of them, 15 bytes and 0x4b each, and the last four.
    /// `None` for no place.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx2,fma")]
    fn window(&self, at: i32) -> Option<(__m512i, __m512i)> {
        let stride = self.stride as usize;
        let at = usize::try_from(at).ok()?;
        let bytes = self.data.get(at..at + 4 * stride + 16)?;
        let load = |row: usize| match bytes[row * stride..].first_chunk::<16>() {
            // SAFETY: 16 bytes are read from an array of 16.
            Some(row) => unsafe { _mm_loadu_si128(row.as_ptr().cast()) },
            None => _mm_setzero_si128(),
        };
        let rows = _mm512_inserti32x4::<1>(_mm512_castsi128_si512(load(0)), load(1));
        let rows = _mm512_inserti32x4::<3>(_mm512_inserti32x4::<2>(rows, load(2)), load(3));
        let below = _mm512_alignr_epi64::<2>(_mm512_castsi128_si512(load(4)), rows);
        // exponents or (pixels and rows)
        let (pixels, exponents) = (load_bytes(&LAST_BYTES[0]), load_bytes(&LAST_BYTES[1]));
        let mark = |rows: __m512i| _mm512_ternarylogic_epi32::<0xf8>(exponents, pixels, rows);
        Some((mark(rows), mark(below)))
    }
}

/// Puts samples of the definition into the lanes in `unsure` of block (x, y).
#[cold]
fn decide(sampler: &QuadSampler, [x, y]: [usize; 2], mut unsure: u16, block: &mut [u8; 64]) {
    while unsure != 0 {
        let lane = unsure.trailing_zeros() as usize;
        unsure &= unsure - 1;
        let mut sample = [0; 3];
        sampler.exact_samples(4 * x + lane % 4, 4 * y + lane / 4, &mut sample);
        for (channel, value) in sample.into_iter().enumerate() {
            block[lane / 4 * 16 + channel * 4 + lane % 4] = value;
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
