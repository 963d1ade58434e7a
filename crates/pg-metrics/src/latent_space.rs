//! What generators take: latents, classes, noise. Drawn by seed and index, so that no number depends on a batch.

use ndarray::{Array, ArrayD};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};

use crate::random_streams::{Purpose, below, seek, stream};

/// Images in succession that get the same noise: the minibatch of the authors' programs.
pub const IMAGES_OF_ONE_NOISE: usize = 16;

/// What a generator takes for an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LatentSpace {
    /// Numbers of a latent.
    pub size: usize,
    /// Classes to choose from; 0 without labels.
    pub classes: usize,
}

/// A point of it.
#[derive(Debug, Clone, PartialEq)]
pub struct DrawnLatent {
    /// From N(0, 1).
    pub normal: Vec<f32>,
    /// One of the classes, each as likely.
    pub class: Option<usize>,
}

impl LatentSpace {
    /// Latent `index` of `seed`, for linear separability.
    #[must_use]
    pub fn latent(self, seed: u64, index: usize) -> DrawnLatent {
        let mut rng = stream(seed, Purpose::SeparabilityLatents, 0);
        seek(&mut rng, index);
        self.draw(&mut rng)
    }

    /// The next latent of `rng`.
    pub(crate) fn draw(self, rng: &mut ChaCha8Rng) -> DrawnLatent {
        let bits = rng.next_u32();
        let class = (self.classes > 0).then(|| below(bits, self.classes));
        DrawnLatent { normal: (0..self.size).map(|_| StandardNormal.sample(rng)).collect(), class }
    }

    /// The latents, each with its class as 1 among as many numbers as there are classes: `[N, size + classes]`.
    #[must_use]
    pub fn rows(self, latents: &[DrawnLatent]) -> ndarray::Array2<f32> {
        let mut rows = Array::zeros((latents.len(), self.size + self.classes));
        for (mut row, latent) in rows.outer_iter_mut().zip(latents) {
            for (number, &drawn) in row.iter_mut().zip(&latent.normal) {
                *number = drawn;
            }
            if let Some(number) = latent.class.and_then(|class| row.get_mut(self.size + class)) {
                *number = 1.0;
            }
        }
        rows
    }
}

/// Pictures of noise from N(0, 1), `[1,1,S,S]` for each of `sides_px`: the same for [`IMAGES_OF_ONE_NOISE`] images in
/// succession, of which `index` is one.
#[must_use]
pub fn draw_layer_noise(seed: u64, index: usize, sides_px: &[usize]) -> Vec<ArrayD<f32>> {
    let picture = |(layer, &side): (usize, &usize)| {
        let mut rng = stream(seed, Purpose::LayerNoise, layer);
        seek(&mut rng, index / IMAGES_OF_ONE_NOISE);
        Array::from_shape_simple_fn(vec![1, 1, side, side], || StandardNormal.sample(&mut rng))
    };
    sides_px.iter().enumerate().map(picture).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_hold_latents_and_their_classes() {
        let space = LatentSpace { size: 4, classes: 3 };
        let latents: Vec<_> = (0..50).map(|index| space.latent(9, index)).collect();
        let rows = space.rows(&latents);
        assert_eq!(rows.dim(), (50, 7));
        let mut seen = [0; 3];
        for (row, latent) in rows.outer_iter().zip(&latents) {
            assert_eq!(row.as_slice().unwrap()[..4], latent.normal);
            let class = latent.class.unwrap();
            seen[class] += 1;
            for (place, &number) in row.iter().skip(4).enumerate() {
                assert_eq!(number, if place == class { 1.0 } else { 0.0 });
            }
        }
        assert!(seen.iter().all(|count| *count > 5), "{seen:?}");
        assert_eq!(LatentSpace { size: 4, classes: 0 }.latent(9, 0).class, None);
        // The class is drawn either way.
        assert_eq!(LatentSpace { size: 4, classes: 0 }.latent(9, 7).normal, latents[7].normal);
    }

    #[test]
    fn noise_is_the_same_within_a_minibatch_and_differs_by_layer() {
        let noise = |index| draw_layer_noise(2, index, &[4, 4, 8]);
        assert_eq!(noise(0), noise(15));
        assert_ne!(noise(0), noise(16));
        let pictures = noise(3);
        assert_ne!(pictures[0], pictures[1]);
        assert_eq!(pictures[2].shape(), [1, 1, 8, 8]);
    }
}
