//! Lanczos resampling to a quarter of the size on AVX-512 VNNI: the same bytes as the definition.
//!
//! Output i reads inputs 4i-10..4i+14: of the groups of four inputs from 4(i-3) on seven, the first and
//! the last of them by half. A group of four bytes is one lane, so that both passes are the same seven
//! products of groups with weights, sixteen outputs at a time.
//!
//! Weights are whole numbers of 2^-[`BITS`] in three signed digits of a byte each; sums are exact. The
//! definition sums f32 in order; both lie within `slack` of the true sum of the f32 weights. Where the sum
//! -+ slack has the same whole part, that is the byte of the definition, else the definition decides.
#![allow(
    unsafe_code,
    reason = "calls functions compiled for AVX-512, behind a test for it; vector loads and stores"
)]

use std::arch::x86_64::{
    __m512, __m512i, _mm_storeu_si128, _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512,
    _mm512_cmplt_epu32_mask, _mm512_cvtepi32_ps, _mm512_cvttps_epi32, _mm512_cvtusepi32_epi8,
    _mm512_dpbusd_epi32, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_max_epi32, _mm512_max_ps,
    _mm512_min_epi32, _mm512_min_ps, _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_setzero_si512, _mm512_slli_epi32, _mm512_srai_epi32, _mm512_srli_epi32, _mm512_storeu_si512,
};

use super::taps_of;

/// Groups that an output reads.
const GROUPS: usize = 7;
/// Outputs at each end whose groups are not all inside the picture.
const ENDS: usize = 3;
/// Binary places of weights and sums: sums from -128 to 384 fit 32 bits.
const BITS: i32 = 22;
/// Zeros beside each row of groups.
const PAD: usize = 16;
const LANES: usize = 16;
/// Kinds of outputs by their weights: those at the ends, and those between.
const KINDS: usize = 2 * ENDS + 1;

/// The weights of sixteen outputs: in digits of 1, 2^8 and 2^16, and as the definition has them.
#[derive(Clone, Copy)]
struct Weights {
    digits: [[[u32; LANES]; 3]; GROUPS],
    exact: [[f32; LANES]; 4 * GROUPS],
}

/// Resamples 4 x `size` samples to `size`.
pub(crate) struct QuarterLanczos {
    size: usize,
    /// Of the first sixteen outputs of a row, of sixteen between, and of the last sixteen.
    along: Box<[Weights; 3]>,
    /// Of sixteen outputs side by side in rows 0, 1, 2, in all between, and in the last three.
    across: Box<[Weights; KINDS]>,
    /// In units of 2^-[`BITS`].
    slack: i32,
}

impl QuarterLanczos {
    /// `None` without AVX-512 VNNI, and for sizes that are not a multiple of 16 from 32 on.
    pub(crate) fn new(size: usize) -> Option<Self> {
        let there = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vnni");
        // Up to 2^20 all positions are exact in f32, so that the outputs between have the same weights.
        if !there || !size.is_multiple_of(LANES) || !(2 * LANES..=1 << 20).contains(&size) {
            return None;
        }
        let mut weights = [[0.0; 4 * GROUPS]; KINDS];
        for (kind, weights) in weights.iter_mut().enumerate() {
            let i = if kind <= ENDS { kind } else { size + kind - KINDS };
            let taps = taps_of(i, 4 * size, size);
            // Groups begin at input 4(i - 3); `taps` leaves out what is outside the picture.
            let first = taps.first + 4 * ENDS - 4 * i;
            weights.get_mut(first..first + taps.weights.len())?.copy_from_slice(&taps.weights);
        }
        let slack = weights.iter().map(slack).try_fold(0_i32, |most, slack| Some(most.max(slack?)))?;
        let along = |place: usize, lane: usize| match place {
            0 => lane.min(ENDS),
            1 => ENDS,
            _ => ENDS + (lane + ENDS + 1).saturating_sub(LANES),
        };
        let of =
            |kind: &dyn Fn(usize) -> usize| Weights::new(&std::array::from_fn(|lane| weights[kind(lane)]));
        Some(Self {
            size,
            along: Box::new(std::array::from_fn(|place| of(&|lane| along(place, lane)))),
            across: Box::new(std::array::from_fn(|kind| of(&|_| kind))),
            slack,
        })
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
    pub(crate) fn narrow(&self, strip: &[u32], out: &mut [u32]) {
        // SAFETY: `new` found the features that the function is compiled for.
        unsafe { self.narrow_vnni(strip, out) }
    }

    /// The vertical pass: row `y` as u8 `[3,size]`, then `[size,3]`.
    pub(crate) fn row(&self, narrow_square: &[u32], y: usize, planes: &mut [u8], out: &mut [u8]) {
        // SAFETY: as above.
        unsafe { self.row_vnni(narrow_square, y, planes) };
        let (r, rest) = planes.split_at(self.size);
        let (g, b) = rest.split_at(self.size);
        for (((pixel, &r), &g), &b) in out.as_chunks_mut::<3>().0.iter_mut().zip(r).zip(g).zip(b) {
            *pixel = [r, g, b];
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    fn narrow_vnni(&self, strip: &[u32], out: &mut [u32]) {
        let last = self.size - LANES;
        for (channel, out) in out.chunks_exact_mut(self.size).enumerate() {
            let rows = &strip[self.start(0, channel) - PAD..][..4 * self.stride()];
            for (x, out) in out.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
                let x = x * LANES;
                let weights = &self.along[if x == 0 { 0 } else { 1 + usize::from(x == last) }];
                let at = |row: usize| &rows[row * self.stride() + x + PAD - ENDS..];
                let low = self.sixteen(at(0), 1, weights);
                let low = _mm512_add_epi32(low, _mm512_slli_epi32::<8>(self.sixteen(at(1), 1, weights)));
                let high = self.sixteen(at(2), 1, weights);
                let high = _mm512_add_epi32(high, _mm512_slli_epi32::<8>(self.sixteen(at(3), 1, weights)));
                store(out, _mm512_add_epi32(low, _mm512_slli_epi32::<16>(high)));
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    fn row_vnni(&self, narrow_square: &[u32], y: usize, out: &mut [u8]) {
        let stride = 3 * self.size;
        let kind = if y < ENDS { y } else { (y + KINDS).saturating_sub(self.size).max(ENDS) };
        let rows = &narrow_square[y * stride..];
        for (x, out) in out.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let bytes = _mm512_cvtusepi32_epi8(self.sixteen(&rows[x * LANES..], stride, &self.across[kind]));
            // SAFETY: 16 bytes are written to an array of 16.
            unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), bytes) };
        }
    }

    /// Sixteen outputs, one byte per lane of 32 bits. The seven groups of the first begin at `inputs[0]`, each
    /// `step` after the one before.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    fn sixteen(&self, inputs: &[u32], step: usize, weights: &Weights) -> __m512i {
        assert!(inputs.len() >= (GROUPS - 1) * step + LANES);
        let [mut units, mut high, mut higher] = [_mm512_setzero_si512(); 3];
        for (m, digits) in weights.digits.iter().enumerate() {
            // SAFETY: the last of the seven ends within the inputs.
            let group = unsafe { _mm512_loadu_si512(inputs.as_ptr().add(m * step).cast()) };
            units = _mm512_dpbusd_epi32(units, group, load(&digits[0]));
            high = _mm512_dpbusd_epi32(high, group, load(&digits[1]));
            higher = _mm512_dpbusd_epi32(higher, group, load(&digits[2]));
        }
        let sum = _mm512_add_epi32(units, _mm512_slli_epi32::<8>(high));
        let sum = _mm512_add_epi32(sum, _mm512_slli_epi32::<16>(higher));
        // The byte is that of sum + 1/2; no whole number may lie between its interval's ends.
        let top = _mm512_add_epi32(sum, _mm512_set1_epi32((1 << (BITS - 1)) + self.slack));
        let fraction = _mm512_and_si512(top, _mm512_set1_epi32((1 << BITS) - 1));
        if _mm512_cmplt_epu32_mask(fraction, _mm512_set1_epi32(2 * self.slack)) != 0 {
            return defined(inputs, step, &weights.exact);
        }
        let whole = _mm512_srai_epi32::<{ BITS as u32 }>(top);
        _mm512_min_epi32(_mm512_max_epi32(whole, _mm512_setzero_si512()), _mm512_set1_epi32(255))
    }
}

impl Weights {
    fn new(lanes: &[[f32; 4 * GROUPS]; LANES]) -> Self {
        let mut new = Self { digits: [[[0; LANES]; 3]; GROUPS], exact: [[0.0; LANES]; 4 * GROUPS] };
        for (lane, weights) in lanes.iter().enumerate() {
            for (j, &weight) in weights.iter().enumerate() {
                new.exact[j][lane] = weight;
                let mut whole = whole(weight) as i32;
                for digit in &mut new.digits[j / 4] {
                    let low = whole as i8;
                    digit[lane] |= u32::from(low.cast_unsigned()) << (8 * (j % 4));
                    whole = (whole - i32::from(low)) >> 8;
                }
            }
        }
        new
    }
}

/// A weight in units of 2^-[`BITS`].
fn whole(weight: f32) -> f64 {
    (f64::from(weight) * f64::from(1 << BITS)).round()
}

/// What sums of these weights may be off, in units of 2^-[`BITS`]; `None` if they do not fit.
fn slack(weights: &[f32; 4 * GROUPS]) -> Option<i32> {
    let size: f64 = weights.iter().map(|w| f64::from(w.abs())).sum();
    let digits: f64 = weights.iter().map(|&w| (f64::from(w) * f64::from(1 << BITS) - whole(w)).abs()).sum();
    // Partial sums in f32 stay below 512, so each is rounded by at most 2^-16; the products together by
    // less than that.
    let rounding = (weights.len() + 1) as f64 * f64::from(1 << BITS) / f64::from(1 << 16);
    // Three digits reach 2^23, that is weights of 2; sums of 1.5 are above -128 and below 384.
    (size < 1.5).then_some((255.0 * digits + rounding).ceil() as i32)
}

/// Sixteen outputs by the definition: f32, one product after the other. Weights of 0 change nothing.
#[cold]
#[inline(never)]
#[target_feature(enable = "avx512f")]
fn defined(inputs: &[u32], step: usize, weights: &[[f32; LANES]; 4 * GROUPS]) -> __m512i {
    let mut sum = _mm512_set1_ps(0.5);
    for (m, weights) in weights.as_chunks::<4>().0.iter().enumerate() {
        let Some(group) = inputs[m * step..].first_chunk() else { continue };
        let mut group = load(group);
        for weights in weights {
            let values = _mm512_cvtepi32_ps(_mm512_and_si512(group, _mm512_set1_epi32(255)));
            sum = _mm512_add_ps(sum, _mm512_mul_ps(values, load_ps(weights)));
            group = _mm512_srli_epi32::<8>(group);
        }
    }
    let sum = _mm512_min_ps(_mm512_max_ps(sum, _mm512_setzero_ps()), _mm512_set1_ps(255.0));
    _mm512_cvttps_epi32(sum)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_ps(values: &[f32; LANES]) -> __m512 {
    // SAFETY: 16 values are read from an array of 16.
    unsafe { _mm512_loadu_ps(values.as_ptr()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(values: &[u32; LANES]) -> __m512i {
    // SAFETY: 16 values are read from an array of 16.
    unsafe { _mm512_loadu_si512(values.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(out: &mut [u32; LANES], values: __m512i) {
    // SAFETY: 16 values are written to an array of 16.
    unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), values) };
}
