//! Weighted sums of bytes in whole numbers on AVX-512 VNNI: the same bytes as the definition.
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
    _mm512_dpbusd_epi32, _mm512_i32gather_epi32, _mm512_loadu_ps, _mm512_loadu_si512,
    _mm512_mask_compressstoreu_epi32, _mm512_max_epi32, _mm512_max_ps, _mm512_min_ps, _mm512_mul_ps,
    _mm512_permutexvar_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512,
    _mm512_slli_epi32, _mm512_srai_epi32, _mm512_srli_epi32,
};

/// Binary places of weights and sums: sums from -128 to 384 fit 32 bits.
const BITS: i32 = 22;
pub(super) const LANES: usize = 16;
const IOTA: [u32; LANES] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// The weights of sixteen outputs side by side, and again of the next sixteen. Four inputs, one byte each,
/// are a group: one lane of 32 bits.
pub(super) struct Weights {
    /// Per group digits of 1, 2^8 and 2^16.
    digits: Vec<[[u32; LANES]; 3]>,
    /// As the definition has them, per input.
    exact: Vec<[f32; LANES]>,
    /// In units of 2^-[`BITS`].
    slack: i32,
}

impl Weights {
    /// `None` without AVX-512 VNNI, and for weights too large. `lanes` are the weights of each output, equal
    /// numbers of them, filled up with zeros to whole groups.
    pub(super) fn new(lanes: &[&[f32]; LANES]) -> Option<Self> {
        let there = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vnni");
        if !there {
            return None;
        }
        let inputs = lanes[0].len().next_multiple_of(4);
        let mut new = Self {
            digits: vec![[[0; LANES]; 3]; inputs / 4],
            exact: vec![[0.0; LANES]; inputs],
            slack: lanes.iter().map(|weights| slack(weights)).try_fold(0_i32, |a, b| Some(a.max(b?)))?,
        };
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
        Some(new)
    }

    /// Outputs side by side, a multiple of sixteen, one byte each. The groups of the first begin at
    /// `inputs[0]`, each `step` after the one before; those of the next output one further.
    pub(super) fn sweep(&self, inputs: &[u32], step: usize, unsure: &mut Unsure, out: &mut [u8]) {
        // SAFETY: `new` found the features that the function is compiled for.
        unsafe { self.sweep_vnni(inputs, step, &mut unsure.0, out) }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    fn sweep_vnni(&self, inputs: &[u32], step: usize, unsure: &mut Vec<u32>, out: &mut [u8]) {
        let inputs = &inputs[..self.digits.len().saturating_sub(1) * step + out.len()];
        unsure.resize(out.len(), 0);
        let mut waiting = 0;
        let mut places = load(&IOTA);
        for (k, out) in out.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let [mut units, mut high, mut higher] = [_mm512_setzero_si512(); 3];
            for (m, digits) in self.digits.iter().enumerate() {
                // SAFETY: the last group of the last sixteen outputs ends with the inputs.
                let group = unsafe { _mm512_loadu_si512(inputs.as_ptr().add(m * step + k * LANES).cast()) };
                units = _mm512_dpbusd_epi32(units, group, load(&digits[0]));
                high = _mm512_dpbusd_epi32(high, group, load(&digits[1]));
                higher = _mm512_dpbusd_epi32(higher, group, load(&digits[2]));
            }
            let sum = _mm512_add_epi32(units, _mm512_slli_epi32::<8>(high));
            let sum = _mm512_add_epi32(sum, _mm512_slli_epi32::<16>(higher));
            // The byte is that of sum + 1/2; no whole number may lie between its interval's ends.
            let top = _mm512_add_epi32(sum, _mm512_set1_epi32((1 << (BITS - 1)) + self.slack));
            let whole = _mm512_max_epi32(_mm512_srai_epi32::<{ BITS as u32 }>(top), _mm512_setzero_si512());
            // SAFETY: 16 bytes are written to an array of 16.
            unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), _mm512_cvtusepi32_epi8(whole)) };
            let fraction = _mm512_and_si512(top, _mm512_set1_epi32((1 << BITS) - 1));
            let mask = _mm512_cmplt_epu32_mask(fraction, _mm512_set1_epi32(2 * self.slack));
            // SAFETY: no output is written down twice, so there is room for all.
            unsafe {
                _mm512_mask_compressstoreu_epi32(unsure.as_mut_ptr().add(waiting).cast(), mask, places);
            };
            waiting += mask.count_ones() as usize;
            places = _mm512_add_epi32(places, _mm512_set1_epi32(LANES as i32));
        }
        for places in unsure[..waiting].chunks(LANES) {
            let bytes = defined(inputs, step, &self.exact, places);
            for (&place, byte) in places.iter().zip(bytes) {
                out[place as usize] = byte;
            }
        }
    }
}

/// Places of outputs that the definition has to decide: what a thread works with.
#[derive(Default)]
pub(super) struct Unsure(Vec<u32>);

/// A weight in units of 2^-[`BITS`].
fn whole(weight: f32) -> f64 {
    (f64::from(weight) * f64::from(1 << BITS)).round()
}

/// What sums of these weights may be off, in units of 2^-[`BITS`]; `None` if they do not fit.
fn slack(weights: &[f32]) -> Option<i32> {
    let size: f64 = weights.iter().map(|w| f64::from(w.abs())).sum();
    let digits: f64 = weights.iter().map(|&w| (f64::from(w) * f64::from(1 << BITS) - whole(w)).abs()).sum();
    // Partial sums in f32 stay below 512, so each is rounded by at most 2^-16; the products together by
    // less than that.
    let rounding = (weights.len() + 1) as f64 * f64::from(1 << BITS) / f64::from(1 << 16);
    // Three digits reach 2^23, that is weights of 2; sums of 1.5 are above -128 and below 384.
    (size < 1.5).then_some((255.0 * digits + rounding).ceil() as i32)
}

/// Up to sixteen outputs by the definition: f32, one product after the other. Weights of 0 change nothing.
/// The groups of the output at place p begin at `inputs[p]`; its weights are those of lane p mod 16.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn defined(inputs: &[u32], step: usize, weights: &[[f32; LANES]], places: &[u32]) -> [u8; LANES] {
    let mut at = [0; LANES];
    at[..places.len()].copy_from_slice(places);
    let lanes = load(&at);
    let most = at.iter().fold(0, |most, &place| most.max(place as usize));
    assert!((weights.len() / 4).saturating_sub(1) * step + most < inputs.len());
    let mut sum = _mm512_set1_ps(0.5);
    for (m, weights) in weights.as_chunks::<4>().0.iter().enumerate() {
        // SAFETY: as asserted.
        let mut group = unsafe { _mm512_i32gather_epi32::<4>(lanes, inputs.as_ptr().add(m * step).cast()) };
        for weights in weights {
            let values = _mm512_cvtepi32_ps(_mm512_and_si512(group, _mm512_set1_epi32(255)));
            // Of each index the lowest four bits count.
            let weights = _mm512_permutexvar_ps(lanes, load_ps(weights));
            sum = _mm512_add_ps(sum, _mm512_mul_ps(values, weights));
            group = _mm512_srli_epi32::<8>(group);
        }
    }
    let sum = _mm512_min_ps(_mm512_max_ps(sum, _mm512_setzero_ps()), _mm512_set1_ps(255.0));
    let mut bytes = [0; LANES];
    // SAFETY: 16 bytes are written to an array of 16.
    unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), _mm512_cvtusepi32_epi8(_mm512_cvttps_epi32(sum))) };
    bytes
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
