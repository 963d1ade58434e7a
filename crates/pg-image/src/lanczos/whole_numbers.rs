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
    __m512, __m512i, _mm_setr_epi8, _mm_storeu_si128, _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512,
    _mm512_broadcast_i32x4, _mm512_cmplt_epu32_mask, _mm512_cvtepi32_ps, _mm512_cvttps_epi32,
    _mm512_cvtusepi32_epi8, _mm512_dpbusd_epi32, _mm512_i32gather_epi32, _mm512_loadu_ps, _mm512_loadu_si512,
    _mm512_mask_storeu_epi32, _mm512_max_ps, _mm512_min_ps, _mm512_mul_ps, _mm512_packus_epi16,
    _mm512_packus_epi32, _mm512_permutexvar_epi32, _mm512_permutexvar_ps, _mm512_set1_epi32, _mm512_set1_ps,
    _mm512_setzero_ps, _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_slli_epi32, _mm512_srai_epi32,
    _mm512_srli_epi32, _mm512_storeu_si512,
};

/// Binary places of weights and sums: sums from -128 to 384 fit 32 bits.
const BITS: i32 = 22;
pub(super) const LANES: usize = 16;

/// Groups that an output reads: four inputs, one byte each, are a group, one lane of 32 bits. So few that all
/// weights stay in registers.
pub(super) const GROUPS: usize = 7;
/// Inputs that an output reads.
pub(super) const INPUTS: usize = 4 * GROUPS;

/// The weights of sixteen outputs side by side, and again of the next sixteen.
pub(super) struct Weights {
    /// Per group digits of 1, 2^8 and 2^16.
    digits: [[[u32; LANES]; 3]; GROUPS],
    /// As the definition has them, per input.
    exact: [[f32; LANES]; INPUTS],
    /// In units of 2^-[`BITS`].
    slack: i32,
}

impl Weights {
    /// `None` without AVX-512 VNNI, and for weights too large. `lanes` are the weights of each output.
    pub(super) fn new(lanes: &[&[f32; INPUTS]; LANES]) -> Option<Self> {
        let there = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vnni")
            && is_x86_feature_detected!("popcnt")
            && is_x86_feature_detected!("bmi1");
        if !there {
            return None;
        }
        let mut new = Self {
            digits: [[[0; LANES]; 3]; GROUPS],
            exact: [[0.0; LANES]; INPUTS],
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

    /// Outputs side by side in four rows, a multiple of sixteen in each: those of the four rows one below the
    /// other are a group. The inputs of a row begin `apart` groups after those of the row before, a multiple
    /// of sixteen; those of its first output are the first of them, those of the next output one further.
    pub(super) fn four_rows(&self, inputs: &[u32], apart: usize, unsure: &mut Unsure, out: &mut [u32]) {
        // SAFETY: the same bytes, borrowed as long.
        let bytes = unsafe { std::slice::from_raw_parts_mut(out.as_mut_ptr().cast::<u8>(), 4 * out.len()) };
        // SAFETY: `new` found the features that the function is compiled for.
        unsafe { self.sweep::<4>(inputs, [1, apart], unsure, bytes) }
    }

    /// Pixels side by side, a multiple of sixteen. The groups of the first begin at `inputs[0]`, each `step`
    /// after the one before; those of the next pixel one further, those of the next channel `apart`, a
    /// multiple of sixteen.
    pub(super) fn pixels(
        &self,
        inputs: &[u32],
        [step, apart]: [usize; 2],
        unsure: &mut Unsure,
        out: &mut [[u8; 3]],
    ) {
        // SAFETY: as above.
        unsafe { self.sweep::<3>(inputs, [step, apart], unsure, out.as_flattened_mut()) }
    }

    /// Outputs of `N` bytes, the inputs of which are `apart`; `step` from group to group of a byte.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni,popcnt,bmi1")]
    fn sweep<const N: usize>(
        &self,
        inputs: &[u32],
        [step, apart]: [usize; 2],
        unsure: &mut Unsure,
        out: &mut [u8],
    ) {
        let count = out.len() / N;
        assert!(apart.is_multiple_of(LANES) && count.is_multiple_of(LANES) && count <= apart);
        let inputs = &inputs[..(N - 1) * apart + (GROUPS - 1) * step + count];
        let mut weights = [[_mm512_setzero_si512(); 3]; GROUPS];
        for (weights, digits) in weights.iter_mut().zip(&self.digits) {
            *weights = [load(&digits[0]), load(&digits[1]), load(&digits[2])];
        }
        // Of bytes 0..4, 4..8, 8..12, 12..16 of a quarter the first ones, the second ones, and so on; for three
        // channels without the last four, so that the quarter's first 12 count.
        let order = _mm512_broadcast_i32x4(if N == 4 {
            _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)
        } else {
            _mm_setr_epi8(0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11, -1, -1, -1, -1)
        });
        let closed_up = load(&[0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 7, 11, 15]);
        let Unsure { masks, places } = unsure;
        masks.resize(masks.len().max(count / LANES), [0; 4]);
        for ((k, out), masks) in out.chunks_exact_mut(N * LANES).enumerate().zip(&mut *masks) {
            let at = |n: usize| n * apart + k * LANES;
            // SAFETY: the last group of the last sixteen outputs ends with the inputs; 16 N bytes are written.
            unsafe {
                let (first, second) = (
                    self.sums(&weights, &inputs[at(0)..], step),
                    self.sums(&weights, &inputs[at(1)..], step),
                );
                let upper = _mm512_packus_epi32(first.0, second.0);
                let third = self.sums(&weights, &inputs[at(2)..], step);
                let fourth = if N == 4 {
                    self.sums(&weights, &inputs[at(3)..], step)
                } else {
                    (_mm512_setzero_si512(), 0)
                };
                let bytes = _mm512_packus_epi16(upper, _mm512_packus_epi32(third.0, fourth.0));
                let bytes = _mm512_shuffle_epi8(bytes, order);
                if N == 4 {
                    _mm512_storeu_si512(out.as_mut_ptr().cast(), bytes);
                } else {
                    let bytes = _mm512_permutexvar_epi32(closed_up, bytes);
                    _mm512_mask_storeu_epi32(out.as_mut_ptr().cast(), 0x0fff, bytes);
                }
                *masks = [first.1, second.1, third.1, fourth.1];
            }
        }
        places.clear();
        for (k, masks) in masks[..count / LANES].iter().enumerate() {
            if *masks == [0; 4] {
                continue;
            }
            for (n, &mask) in masks.iter().enumerate() {
                let mut mask = mask;
                while mask != 0 {
                    places.push((n * apart + k * LANES) as u32 + mask.trailing_zeros());
                    mask &= mask - 1;
                }
            }
        }
        for places in places.chunks(LANES) {
            let bytes = defined(inputs, step, &self.exact, places);
            for (&place, byte) in places.iter().zip(bytes) {
                let place = place as usize;
                out[place % apart * N + place / apart] = byte;
            }
        }
    }

    /// The whole parts of sixteen outputs, and which of them are not sure.
    ///
    /// # Safety
    /// `inputs` holds (GROUPS - 1) `step` + 16 groups.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    unsafe fn sums(&self, weights: &[[__m512i; 3]; GROUPS], inputs: &[u32], step: usize) -> (__m512i, u16) {
        // The byte is that of sum + 1/2; no whole number may lie between its interval's ends.
        let mut units = _mm512_set1_epi32((1 << (BITS - 1)) + self.slack);
        let [mut high, mut higher] = [_mm512_setzero_si512(); 2];
        for (m, &[one, two, three]) in weights.iter().enumerate() {
            // SAFETY: as promised.
            let group = unsafe { _mm512_loadu_si512(inputs.as_ptr().add(m * step).cast()) };
            units = _mm512_dpbusd_epi32(units, group, one);
            high = _mm512_dpbusd_epi32(high, group, two);
            higher = _mm512_dpbusd_epi32(higher, group, three);
        }
        let top = _mm512_add_epi32(units, _mm512_slli_epi32::<8>(high));
        let top = _mm512_add_epi32(top, _mm512_slli_epi32::<16>(higher));
        let fraction = _mm512_and_si512(top, _mm512_set1_epi32((1 << BITS) - 1));
        let unsure = _mm512_cmplt_epu32_mask(fraction, _mm512_set1_epi32(2 * self.slack));
        (_mm512_srai_epi32::<{ BITS as u32 }>(top), unsure)
    }
}

/// Which outputs the definition has to decide: what a thread works with.
#[derive(Default)]
pub(super) struct Unsure {
    masks: Vec<[u16; 4]>,
    places: Vec<u32>,
}

/// A weight in units of 2^-[`BITS`].
fn whole(weight: f32) -> f64 {
    (f64::from(weight) * f64::from(1 << BITS)).round()
}

/// What sums of these weights may be off, in units of 2^-[`BITS`]; `None` if they do not fit.
fn slack(weights: &[f32; INPUTS]) -> Option<i32> {
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
fn defined(inputs: &[u32], step: usize, weights: &[[f32; LANES]; INPUTS], places: &[u32]) -> [u8; LANES] {
    let mut at = [0; LANES];
    at[..places.len()].copy_from_slice(places);
    let lanes = load(&at);
    let most = at.iter().fold(0, |most, &place| most.max(place as usize));
    assert!((GROUPS - 1) * step + most < inputs.len());
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
