//! Bootstrap samples of a set of images (Efron 1979).

use rand::Rng as _;

use crate::random_streams::{Purpose, below, seek, stream};

/// Samples drawn for a standard error: it has 19 degrees of freedom, as that of half-samples.
pub(crate) const BOOTSTRAP_REPLICATES: usize = 20;

/// How often each of `images` images is in bootstrap sample `replicate`: as many draws as images, with replacement.
pub(crate) fn draw_weights(seed: u64, purpose: Purpose, replicate: usize, images: usize) -> Vec<u32> {
    let mut rng = stream(seed, purpose, 0);
    seek(&mut rng, replicate);
    let mut weights = vec![0; images];
    for _ in 0..images {
        weights[below(rng.next_u32(), images)] += 1;
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_as_many_images_and_samples_differ() {
        let draw = |replicate| draw_weights(1, Purpose::BootstrapScore, replicate, 1000);
        let (first, second) = (draw(0), draw(1));
        assert_eq!(first.iter().sum::<u32>(), 1000);
        assert_ne!(first, second);
        assert_eq!(first, draw(0));
        // 1/e of the images are left out.
        let left_out = first.iter().filter(|&&weight| weight == 0).count();
        assert!((320..=420).contains(&left_out), "{left_out}");
    }
}
