//! Multiplicative Gaussian noise on the inputs of the discriminator's convolutions
//! (arXiv:1710.10196, appendix B).

use std::fmt;

use tch::Tensor;

use crate::RowShare;
use crate::parameters::NormalSource;

/// Factors from N(1, strength^2), one for each feature map of each image.
///
/// The appendix says which layers (3x3 and 4x4 convolutions) and how strong, not whether the pixels of
/// a map share their factor; here they do.
pub struct MultiplicativeNoise<'a> {
    strength: f64,
    draw: NormalSource<'a>,
    share: RowShare,
}

impl<'a> MultiplicativeNoise<'a> {
    /// Noise of standard deviation `strength` (0 or more), with numbers from `draw`, layer by layer in
    /// the order of the network.
    pub fn new(strength: f64, draw: NormalSource<'a>) -> Self {
        Self { strength, draw, share: RowShare::WHOLE }
    }

    /// The same for a part of a minibatch: the numbers drawn are those of the whole.
    #[must_use]
    pub fn of_share(self, share: RowShare) -> Self {
        Self { share, ..self }
    }

    /// `x` `[N,C,H,W]` times 1 + strength e, e `[N,C,1,1]` from N(0, 1); `x` itself at strength 0.
    pub fn apply(&mut self, x: &Tensor) -> Tensor {
        let &[n, maps, ..] = x.size().as_slice() else { return x.shallow_clone() };
        if self.strength == 0.0 {
            return x.shallow_clone();
        }
        let whole = (self.draw)((n * maps) as usize * self.share.ranks());
        let numbers = Tensor::from_slice(&self.share.take(whole, maps as usize));
        let factors = numbers.view([n, maps, 1, 1]).to_device(x.device()).to_kind(x.kind());
        x * (factors * self.strength + 1.0)
    }
}

impl fmt::Debug for MultiplicativeNoise<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MultiplicativeNoise").field("strength", &self.strength).finish_non_exhaustive()
    }
}

/// `x` with `noise` where there is some.
pub(crate) fn noisy(x: &Tensor, noise: &mut Option<MultiplicativeNoise<'_>>) -> Tensor {
    noise.as_mut().map_or_else(|| x.shallow_clone(), |noise| noise.apply(x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_map_of_each_image_has_its_own_factor() {
        let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]).view([2, 2, 1, 2]);
        let mut draw = |count: usize| [0.0, 1.0, -2.0, 4.0][..count].to_vec();
        let y = MultiplicativeNoise::new(0.5, &mut draw).apply(&x);
        let values = Vec::<f32>::try_from(y.flatten(0, -1)).unwrap();
        assert_eq!(values, [1.0, 2.0, 4.5, 6.0, 0.0, 0.0, 21.0, 24.0]);
    }

    #[test]
    fn strength_zero_is_the_identity_and_draws_nothing() {
        let x = Tensor::from_slice(&[1.5_f32, -0.0]).view([1, 1, 1, 2]);
        let mut drawn = 0;
        let mut draw = |count| {
            drawn += count;
            vec![1.0; count]
        };
        let y = MultiplicativeNoise::new(0.0, &mut draw).apply(&x);
        assert_eq!(y, x);
        assert_eq!(drawn, 0);
    }
}
