//! Picking the keys of some buckets out of all, in order.
#![allow(unsafe_code, reason = "calls a function compiled for AVX-512, behind a test for it; vector loads")]

/// Keys handled at a time; they stay in the innermost cache.
pub(crate) const CHUNK: usize = 2048;
/// The most buckets: what is tallied of them, 512 kB, stays in the second-level cache.
pub(crate) const MAX_BUCKETS: usize = 1 << 16;

/// One bit per bucket.
pub(crate) type Marks = [u32; MAX_BUCKETS / 32];

/// Puts those of `keys`, at most [`CHUNK`], whose bucket (what is left of a key shifted right by `shift`) is marked
/// to the front of `found`, shifted left by one, with `lowest` as their lowest bit. Returns how many.
pub(crate) fn select_marked(
    keys: &[u32],
    shift: u32,
    marks: &Marks,
    lowest: u32,
    found: &mut [u32; CHUNK],
) -> usize {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("popcnt") {
        // SAFETY: the features are there.
        return unsafe { avx512(keys, shift, marks, lowest, found) };
    }
    portable(keys, shift, marks, lowest, found, 0)
}

fn portable(
    keys: &[u32],
    shift: u32,
    marks: &Marks,
    lowest: u32,
    found: &mut [u32; CHUNK],
    mut count: usize,
) -> usize {
    // Without a branch, which would be guessed wrong too often.
    for &key in keys {
        let bucket = (key >> shift) as usize % MAX_BUCKETS;
        found[count % CHUNK] = (key << 1) | lowest;
        count += (marks[bucket / 32] >> (bucket % 32) & 1) as usize;
    }
    count
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,popcnt")]
fn avx512(keys: &[u32], shift: u32, marks: &Marks, lowest: u32, found: &mut [u32; CHUNK]) -> usize {
    use std::arch::x86_64::{
        _mm_cvtsi32_si128, _mm512_and_si512, _mm512_i32gather_epi32, _mm512_loadu_si512,
        _mm512_mask_compressstoreu_epi32, _mm512_or_si512, _mm512_set1_epi32, _mm512_slli_epi32,
        _mm512_sllv_epi32, _mm512_srl_epi32, _mm512_srli_epi32, _mm512_test_epi32_mask,
    };
    let (blocks, rest) = keys.as_chunks::<16>();
    let shift_all = _mm_cvtsi32_si128(shift as i32);
    let (one, low_bits) = (_mm512_set1_epi32(1), _mm512_set1_epi32(31));
    let (last_word, lowest_bits) =
        (_mm512_set1_epi32((MAX_BUCKETS / 32 - 1) as i32), _mm512_set1_epi32(lowest as i32));
    let mut count = 0;
    for block in blocks.iter().take(CHUNK / 16) {
        // SAFETY: 16 keys are read from an array of 16.
        let keys = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
        let buckets = _mm512_srl_epi32(keys, shift_all);
        let words = _mm512_and_si512(_mm512_srli_epi32::<5>(buckets), last_word);
        // SAFETY: no index is above that of the last word.
        let words = unsafe { _mm512_i32gather_epi32::<4>(words, marks.as_ptr().cast()) };
        let bits = _mm512_sllv_epi32(one, _mm512_and_si512(buckets, low_bits));
        let mask = _mm512_test_epi32_mask(words, bits);
        let items = _mm512_or_si512(_mm512_slli_epi32::<1>(keys), lowest_bits);
        // SAFETY: `count` is at most the number of keys looked at before, so there is room for all of this block's.
        unsafe { _mm512_mask_compressstoreu_epi32(found.as_mut_ptr().add(count).cast(), mask, items) };
        count += mask.count_ones() as usize;
    }
    portable(rest, shift, marks, lowest, found, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn marked_keys_are_found_in_order(
            keys in prop::collection::vec(0_u32..1 << 31, 0..CHUNK), shift in 15_u32..24, seed: u32, lowest in 0_u32..2,
        ) {
            let mut marks: Marks = [0; MAX_BUCKETS / 32];
            for (i, mark) in marks.iter_mut().enumerate() {
                *mark = (i as u32 ^ seed).wrapping_mul(2_654_435_761);
            }
            let expected: Vec<u32> = keys
                .iter()
                .filter(|&key| marks[(key >> shift) as usize / 32] >> ((key >> shift) % 32) & 1 == 1)
                .map(|key| key * 2 + lowest)
                .collect();
            let (mut quick, mut slow) = ([0; CHUNK], [0; CHUNK]);
            let count = select_marked(&keys, shift, &marks, lowest, &mut quick);
            prop_assert_eq!(&quick[..count], &expected[..]);
            let count = portable(&keys, shift, &marks, lowest, &mut slow, 0);
            prop_assert_eq!(&slow[..count], &expected[..]);
        }
    }
}
