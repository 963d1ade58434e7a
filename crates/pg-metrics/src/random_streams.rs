//! Random numbers as arguments: one `ChaCha8` stream per purpose, all from one seed.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;

/// What random numbers are for. The numbers are part of the results: never reuse or change one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Patch centres of the real images.
    RealPatches = 1,
    /// Patch centres of the fake images.
    FakePatches = 2,
    /// Directions of projection.
    Directions = 3,
    /// Image pairs of the diversity score.
    ImagePairs = 4,
    // 5 and 6 drew bootstrap samples of features in results of earlier versions.
    /// Bootstrap samples of the Inception score.
    BootstrapScore = 7,
    /// Subsets of the real images for the kernel distance.
    KernelReal = 8,
    /// Subsets of the fake images for the kernel distance.
    KernelFake = 9,
    /// Real images of the points that are extrapolated from.
    ExtrapolateReal = 10,
    /// Fake images of the points that are extrapolated from.
    ExtrapolateFake = 11,
    /// Ends of paths through latents, and places on them.
    PathLatents = 12,
    /// Latents whose attributes are to be told from them.
    SeparabilityLatents = 13,
    /// Noise of a generator's layers.
    LayerNoise = 14,
}

/// The stream of `purpose` at the level of side `level_px` (0 where there are no levels).
pub(crate) fn stream(seed: u64, purpose: Purpose, level_px: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(((purpose as u64) << 32) | level_px as u64);
    rng
}

/// Moves `rng` to block `index`: each index owns 2^32 words of the stream, so that what one image
/// draws never depends on how much another drew.
pub(crate) fn seek(rng: &mut ChaCha8Rng, index: usize) {
    rng.set_word_pos((index as u128) << 32);
}

/// Moves `rng` to the block of `key`: each of 2^51 blocks has 2^17 words, two for each of 65536 positions.
pub(crate) fn seek_key(rng: &mut ChaCha8Rng, key: u64) {
    rng.set_word_pos(u128::from(key >> 13) << 17);
}

/// A number in `0..bound` out of 32 random bits, by multiplication; the probabilities of two numbers
/// differ by at most 2^-32. `bound` must fit in 32 bits.
pub(crate) fn below(random_bits: u32, bound: usize) -> usize {
    ((u64::from(random_bits) * bound as u64) >> 32) as usize
}

/// `count` different numbers of `0..bound` in rising order, every choice as likely: block `index` of the stream of
/// `purpose`.
pub(crate) fn choose(seed: u64, purpose: Purpose, index: usize, count: usize, bound: usize) -> Vec<usize> {
    let mut rng = stream(seed, purpose, 0);
    seek(&mut rng, index);
    let count = count.min(bound);
    let mut numbers: Vec<usize> = (0..bound).collect();
    for i in 0..count {
        numbers.swap(i, i + below(rng.next_u32(), bound - i));
    }
    numbers.truncate(count);
    numbers.sort_unstable();
    numbers
}

/// Standard normal values, for tests.
#[cfg(test)]
pub(crate) fn gaussian_noise(seed: u64, count: usize) -> Vec<f32> {
    use rand_distr::{Distribution as _, StandardNormal};

    let mut rng = stream(seed, Purpose::ImagePairs, 0);
    (0..count).map(|_| StandardNormal.sample(&mut rng)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_levels_and_indices_have_streams_of_their_own() {
        let first = |purpose, level, index| {
            let mut rng = stream(7, purpose, level);
            seek(&mut rng, index);
            rng.next_u64()
        };
        let drawn = [
            first(Purpose::RealPatches, 64, 0),
            first(Purpose::FakePatches, 64, 0),
            first(Purpose::RealPatches, 32, 0),
            first(Purpose::RealPatches, 64, 1),
        ];
        for (i, a) in drawn.iter().enumerate() {
            assert!(drawn[i + 1..].iter().all(|b| b != a));
        }
        assert_eq!(drawn[3], first(Purpose::RealPatches, 64, 1));
        let of_key = |key| {
            let mut rng = stream(7, Purpose::RealPatches, 64);
            seek_key(&mut rng, key);
            rng.next_u64()
        };
        assert_eq!(of_key(0), drawn[0]);
        assert_ne!(of_key(u64::MAX), of_key(u64::MAX - (1 << 13)));
    }

    #[test]
    fn a_choice_has_different_numbers_each_as_likely() {
        let mut seen = [0; 10];
        for index in 0..1000 {
            let chosen = choose(3, Purpose::KernelReal, index, 4, 10);
            assert!(chosen.len() == 4 && chosen.windows(2).all(|n| n[0] < n[1]));
            for n in chosen {
                seen[n] += 1;
            }
        }
        // 400 expected, standard deviation 15.5.
        assert!(seen.iter().all(|n| (340..=460).contains(n)), "{seen:?}");
        assert_eq!(choose(3, Purpose::KernelReal, 0, 12, 10), (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn numbers_stay_below_their_bound() {
        assert_eq!(below(u32::MAX, 10), 9);
        assert_eq!(below(0, 10), 0);
        assert_eq!(below(1 << 31, 10), 5);
    }
}
