//! The order in which an epoch visits the images.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// The order of epoch `epoch` over `len` images: an exact permutation of 0..len, every one equally
/// likely, a function of its three arguments only (the same on every machine and for every thread
/// count).
///
/// Fisher-Yates with ChaCha8, keyed by BLAKE3's key derivation of seed and epoch (context
/// `pgkit epoch order v1`, 16 little-endian bytes), bounded draws by rejection. `len` counts at most
/// `u32::MAX` images. Cost: 4 bytes per image.
#[must_use]
pub fn epoch_order(seed: u64, epoch: u64, len: usize) -> Vec<u32> {
    let mut material = [0_u8; 16];
    material[..8].copy_from_slice(&seed.to_le_bytes());
    material[8..].copy_from_slice(&epoch.to_le_bytes());
    let mut rng = ChaCha8Rng::from_seed(blake3::derive_key("pgkit epoch order v1", &material));
    let mut order: Vec<u32> = (0..u32::try_from(len).unwrap_or(u32::MAX)).collect();
    for last in (1..order.len()).rev() {
        let chosen = below(&mut rng, last as u32 + 1);
        order.swap(last, chosen as usize);
    }
    order
}

/// A uniform number below `bound` (not 0): draws above the largest multiple of it are thrown away.
fn below(rng: &mut ChaCha8Rng, bound: u32) -> u32 {
    let whole = u32::MAX - u32::MAX % bound;
    loop {
        let draw = rng.next_u32();
        if draw < whole {
            return draw % bound;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_image_comes_exactly_once(seed: u64, epoch: u64, len in 0_usize..2000) {
            let mut order = epoch_order(seed, epoch, len);
            order.sort_unstable();
            prop_assert!(order.iter().enumerate().all(|(i, &v)| i == v as usize));
            prop_assert_eq!(order.len(), len);
        }
    }

    #[test]
    fn epochs_and_seeds_differ_and_repeat_exactly() {
        assert_eq!(epoch_order(1, 2, 50), epoch_order(1, 2, 50));
        assert_ne!(epoch_order(1, 2, 50), epoch_order(1, 3, 50));
        assert_ne!(epoch_order(1, 2, 50), epoch_order(2, 1, 50));
    }

    #[test]
    fn every_place_is_equally_likely() {
        // 6 permutations of 3, 6000 epochs: expected 1000 each, standard deviation 29; bound 5 of them.
        let mut counts = std::collections::BTreeMap::new();
        for epoch in 0..6000 {
            *counts.entry(epoch_order(7, epoch, 3)).or_insert(0_i32) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|c| (c - 1000).abs() < 145), "{counts:?}");
    }

    #[test]
    fn the_order_is_pinned_for_all_time() {
        assert_eq!(epoch_order(0, 0, 10), PINNED);
    }

    /// Computed once with this function; a change breaks resumed training runs.
    const PINNED: [u32; 10] = [2, 3, 6, 7, 1, 9, 8, 0, 4, 5];
}
