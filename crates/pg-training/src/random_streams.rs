//! Random numbers by counter: every draw is a pure function of (seed, purpose, counter).
//!
//! Nothing has to be saved to resume a run, and image k of a sample is the same in any batch.
//! Generator: ChaCha with 8 rounds, keyed by the triple; normal numbers by rand_distr's ziggurat.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};

/// What a random number is for; each purpose has a stream of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Initial weights of the generator; counter: 0.
    GeneratorWeights,
    /// Initial weights of the discriminator; counter: 0.
    DiscriminatorWeights,
    /// Latents of a discriminator step; counter: real images shown before it.
    DiscriminatorLatents,
    /// Latents of a generator step; counter: real images shown before it.
    GeneratorLatents,
    /// Mix between real and fake in the gradient penalty; counter: real images shown before the step.
    PenaltyMix,
    /// Which reals are mirrored; counter: position of the image in the run.
    Mirror,
    /// Latents of sampled images; counter: the image's seed.
    SampleLatents,
    /// Latents of the run's own sample sheet; counter: position in the sheet.
    SheetLatents,
    /// Noise in the discriminator in its own step; counter: real images shown before it.
    DiscriminatorNoise,
    /// Noise in the discriminator in a generator step; counter: real images shown before it.
    GeneratorNoise,
    /// Distance of a toy dataset's points from their centres; counter: the minibatch.
    ToyData,
    /// Which centres a toy dataset's points have; counter: the minibatch.
    ToyChoice,
    /// Noise that becomes the latents of an interpolation; counter: the picture's cell.
    LoopNoise,
    /// Classes of sampled images; counter: the image's seed.
    SampleClasses,
    /// Noise of a style-based generator's layers in a discriminator step; counter: real images shown before it.
    DiscriminatorLayerNoise,
    /// The same in a generator step.
    GeneratorLayerNoise,
    /// Whether styles are mixed in a discriminator step, and from which layer; counter: real images shown before it.
    DiscriminatorMixing,
    /// The same in a generator step.
    GeneratorMixing,
    /// The other latents of mixed styles in a discriminator step; counter: real images shown before it.
    DiscriminatorMixedLatents,
    /// The same in a generator step.
    GeneratorMixedLatents,
    /// Noise of the layers in sampled images; counter: the image's seed.
    SampleLayerNoise,
    /// Noise of the layers in the run's own sample sheet; counter: position in the sheet.
    SheetLayerNoise,
    /// Noise of the layers that an exported generator carries; counter: 0.
    ExportLayerNoise,
}

fn generator(seed: u64, stream: Stream, counter: u64) -> ChaCha8Rng {
    let mut key = [0_u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&(stream as u64 + 1).to_le_bytes());
    key[16..24].copy_from_slice(&counter.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// `count` numbers from N(0, 1).
#[must_use]
pub fn normal_numbers(seed: u64, stream: Stream, counter: u64, count: usize) -> Vec<f32> {
    let generator = generator(seed, stream, counter);
    StandardNormal.sample_iter(generator).take(count).collect()
}

/// The numbers of [`normal_numbers`] piece by piece: each call gives the next ones.
pub fn normal_source(seed: u64, stream: Stream, counter: u64) -> impl FnMut(usize) -> Vec<f32> {
    let mut generator = generator(seed, stream, counter);
    move |count| StandardNormal.sample_iter(&mut generator).take(count).collect()
}

/// `count` numbers uniform over [0, 1).
#[must_use]
pub fn uniform_numbers(seed: u64, stream: Stream, counter: u64, count: usize) -> Vec<f32> {
    let mut generator = generator(seed, stream, counter);
    // The upper 24 bits fill an f32's fraction exactly.
    (0..count).map(|_| (generator.next_u32() >> 8) as f32 / (1_u32 << 24) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_and_counters_are_independent_and_repeatable() {
        let draw = |seed, stream, counter| normal_numbers(seed, stream, counter, 4);
        let first = draw(1, Stream::SampleLatents, 7);
        assert_eq!(first, draw(1, Stream::SampleLatents, 7));
        for other in [
            draw(2, Stream::SampleLatents, 7),
            draw(1, Stream::SheetLatents, 7),
            draw(1, Stream::SampleLatents, 8),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn numbers_drawn_piece_by_piece_are_those_drawn_at_once() {
        let mut source = normal_source(3, Stream::DiscriminatorNoise, 9);
        let pieces = [source(2), source(0), source(5)].concat();
        assert_eq!(pieces, normal_numbers(3, Stream::DiscriminatorNoise, 9, 7));
    }

    #[test]
    fn normal_numbers_have_the_moments_of_the_standard_normal() {
        let n = 200_000;
        let x = normal_numbers(5, Stream::GeneratorWeights, 0, n);
        let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / n as f64;
        let variance = x.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / n as f64;
        // Five standard errors.
        assert!(mean.abs() < 5.0 / (n as f64).sqrt(), "{mean}");
        assert!((variance - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt(), "{variance}");
    }

    #[test]
    fn the_numbers_are_the_same_on_every_machine() {
        // Fixed values: a change here changes every run that is resumed.
        let uniform = uniform_numbers(1000, Stream::PenaltyMix, 0, 3);
        assert_eq!(uniform, PENALTY_MIX_1000);
    }

    const PENALTY_MIX_1000: [f32; 3] = [0.895_556_45, 0.043_369_293, 0.049_064_755];
}
