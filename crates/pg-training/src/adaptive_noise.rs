//! How strong the noise in the discriminator is (arXiv:1710.10196, appendix B).

/// Share of the past in the running mean of D(real).
const PAST: f64 = 0.9;
/// Running mean up to which there is no noise.
const FREE: f64 = 0.5;

/// The running mean d_t = 0.9 d_(t-1) + 0.1 d of the discriminator's output, d the minibatch's mean
/// D(real) in [0, 1], and the strength factor max(0, d_t - 0.5)^2 that follows from it.
///
/// The appendix speaks of the discriminator's output; taken here is D(real), held to [0, 1], which tells
/// how sure the discriminator of a least-squares GAN is of the reals. d_0 = 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdaptiveNoise {
    factor: f64,
    average: f64,
}

impl AdaptiveNoise {
    /// No output seen yet; `factor` is 0.2 in the paper, 0 for no noise ever.
    #[must_use]
    pub fn new(factor: f64) -> Self {
        Self { factor, average: 0.0 }
    }

    /// Standard deviation of the noise of the next minibatch.
    #[must_use]
    pub fn strength(&self) -> f64 {
        self.factor * (self.average - FREE).max(0.0).powi(2)
    }

    /// False when no minibatch can ever bring noise, and the mean need not be kept.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.factor > 0.0
    }

    /// Takes in a minibatch's mean D(real).
    pub fn observe(&mut self, real_score: f64) {
        self.average = PAST * self.average + (1.0 - PAST) * real_score.clamp(0.0, 1.0);
    }

    /// The running mean d_t, in [0, 1].
    #[must_use]
    pub fn average(&self) -> f64 {
        self.average
    }

    /// Puts back what [`Self::average`] gave.
    pub fn restore(&mut self, average: f64) {
        self.average = average;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strength_follows_the_formula() {
        let mut noise = AdaptiveNoise::new(0.2);
        let mut mean = 0.0_f64;
        for (real_score, taken) in [(0.9, 0.9), (3.0, 1.0), (-2.0, 0.0), (1.0, 1.0)].repeat(6) {
            noise.observe(real_score);
            mean = 0.9 * mean + 0.1 * taken;
            assert!((noise.average() - mean).abs() < 1e-15);
            assert!((noise.strength() - 0.2 * (mean - 0.5).max(0.0).powi(2)).abs() < 1e-15);
        }
        for _ in 0..400 {
            noise.observe(1.0);
        }
        assert!((noise.strength() - 0.05).abs() < 1e-9, "0.2 (1 - 0.5)^2");
    }

    #[test]
    fn below_one_half_there_is_no_noise_and_without_a_factor_never() {
        let (mut noise, mut off) = (AdaptiveNoise::new(0.2), AdaptiveNoise::new(0.0));
        for _ in 0..5 {
            noise.observe(1.0);
        }
        assert!(noise.average() > 0.4 && noise.strength() == 0.0);
        for _ in 0..100 {
            off.observe(1.0);
        }
        assert!(off.strength() == 0.0 && !off.is_on());
    }
}
