//! Latents that wander smoothly and come back to where they began, as in the video of arXiv:1710.10196.

use crate::random_streams::{Stream, normal_numbers};

/// Standard deviations beyond which the smoothing weights are left out.
const REACH: f64 = 4.0;

/// A closed path through the latents for each cell of a picture.
///
/// Noise from N(0, 1), one latent per frame, is smoothed over time by a Gaussian that wraps around from the last frame
/// to the first, and each latent is scaled to a mean square of 1.
#[derive(Debug)]
pub struct LatentLoop {
    frames: usize,
    latent_size: usize,
    /// Per cell `[frames, latent_size]`.
    noise: Vec<Vec<f32>>,
    /// Of the frame `i` later, wrapped around; they sum to 1.
    weights: Vec<(usize, f64)>,
}

impl LatentLoop {
    /// `frames` (1 or more) latents of `latent_size` numbers for each of `cells`; a cell's path depends on the seed and
    /// its number, not on how many there are. `smoothing_frames` is the Gaussian's standard deviation.
    ///
    /// Memory: 4 bytes for each number of noise.
    #[must_use]
    pub fn new(seed: u64, frames: usize, cells: usize, latent_size: usize, smoothing_frames: f64) -> Self {
        let frames = frames.max(1);
        let path = |cell| normal_numbers(seed, Stream::LoopNoise, cell, frames * latent_size);
        let noise = (0..cells as u64).map(path).collect();
        Self { frames, latent_size, noise, weights: wrapped_gaussian(frames, smoothing_frames) }
    }

    /// The latents of all cells in `frame`, counted from 0; frames past the last begin anew.
    #[must_use]
    pub fn frame(&self, frame: usize) -> Vec<Vec<f32>> {
        self.noise.iter().map(|noise| self.smoothed(noise, frame)).collect()
    }

    fn smoothed(&self, noise: &[f32], frame: usize) -> Vec<f32> {
        let mut sums = vec![0.0_f64; self.latent_size];
        for &(later, weight) in &self.weights {
            let from = (frame + later) % self.frames * self.latent_size;
            for (sum, &value) in sums.iter_mut().zip(&noise[from..from + self.latent_size]) {
                *sum += weight * f64::from(value);
            }
        }
        let mean_square = sums.iter().map(|v| v * v).sum::<f64>() / self.latent_size.max(1) as f64;
        let scale = 1.0 / mean_square.sqrt().max(f64::MIN_POSITIVE);
        sums.iter().map(|v| (v * scale) as f32).collect()
    }
}

/// Weights of the frames around a frame, those that wrap around to the same one added up.
fn wrapped_gaussian(frames: usize, sigma: f64) -> Vec<(usize, f64)> {
    if !(sigma.is_finite() && sigma > 0.0) {
        return vec![(0, 1.0)];
    }
    let reach = (REACH * sigma).ceil() as i64;
    let mut weights = vec![0.0; frames];
    for offset in -reach..=reach {
        let place = offset.rem_euclid(frames as i64) as usize;
        weights[place] += (-0.5 * (offset as f64 / sigma).powi(2)).exp();
    }
    let sum: f64 = weights.iter().sum();
    weights.into_iter().enumerate().filter(|(_, w)| *w > 0.0).map(|(i, w)| (i, w / sum)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
    }

    #[test]
    fn the_path_is_smooth_and_closed() {
        let path = LatentLoop::new(3, 60, 1, 128, 6.0);
        let frames: Vec<_> = (0..60).map(|k| path.frame(k).remove(0)).collect();
        let steps: Vec<f64> = (0..60).map(|k| distance(&frames[k], &frames[(k + 1) % 60])).collect();
        let mean = steps.iter().sum::<f64>() / 60.0;
        // The step over the seam is like the others, and far smaller than between unrelated latents.
        assert!(steps.iter().all(|step| (0.5 * mean..2.0 * mean).contains(step)), "{steps:?}");
        assert!(mean < 0.3 * distance(&frames[0], &frames[30]), "{mean}");
        assert_eq!(path.frame(60).remove(0), frames[0]);
    }

    #[test]
    fn latents_have_a_mean_square_of_1() {
        for sigma in [0.0, 0.5, 4.0, 300.0] {
            for latent in LatentLoop::new(1, 20, 3, 64, sigma).frame(7) {
                let mean = latent.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / 64.0;
                assert!((mean - 1.0).abs() < 1e-5, "{mean} at {sigma}");
            }
        }
    }

    #[test]
    fn a_cells_path_does_not_depend_on_the_number_of_cells() {
        let (few, many) = (LatentLoop::new(5, 12, 2, 16, 2.0), LatentLoop::new(5, 12, 9, 16, 2.0));
        assert_eq!(few.frame(4), many.frame(4)[..2]);
        assert_ne!(few.frame(4)[0], few.frame(4)[1]);
    }

    #[test]
    fn the_weights_are_those_of_a_gaussian_and_sum_to_1() {
        let weights = wrapped_gaussian(100, 3.0);
        assert!((weights.iter().map(|(_, w)| w).sum::<f64>() - 1.0).abs() < 1e-12);
        let at = |place| weights.iter().find(|(p, _)| *p == place).map_or(0.0, |(_, w)| *w);
        assert!((at(3) / at(0) - (-0.5_f64).exp()).abs() < 1e-12);
        assert_eq!(at(97), at(3));
        assert_eq!(at(50), 0.0);
    }
}
