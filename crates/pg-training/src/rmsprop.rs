//! RMSProp in tensor operations, with a state that can be saved (Tieleman, Hinton, 2012, lecture 6.5).

use tch::Tensor;

use crate::TrainingError;
use crate::optimizer::saved;

/// RMSProp's constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RmsPropSettings {
    /// Decay of the mean squared gradient.
    pub decay: f64,
    /// Added to its root.
    pub epsilon: f64,
}

/// The optimiser of one network, without momentum, as WGAN uses it (arXiv:1701.07875, algorithm 1):
/// mean squared gradients by parameter name, and the steps since they were reset.
#[derive(Debug)]
pub struct RmsProp {
    settings: RmsPropSettings,
    steps: u64,
    squares: Vec<(String, Tensor)>,
}

impl RmsProp {
    /// No squares yet.
    #[must_use]
    pub fn new(settings: RmsPropSettings) -> Self {
        Self { settings, steps: 0, squares: Vec::new() }
    }

    /// Forgets squares and step count.
    pub fn reset(&mut self) {
        self.steps = 0;
        self.squares.clear();
    }

    /// Steps since the last reset.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// One step, in place: v = decay v + (1 - decay) g^2, then w -= rate g / (sqrt(v) + epsilon); v
    /// starts at 0 and is not corrected for it.
    ///
    /// `weights` are the active parameters, in the same order at every step between two resets;
    /// `gradients` belong to them one by one.
    ///
    /// # Errors
    /// libtorch's, for gradients of another shape.
    pub fn step(
        &mut self,
        weights: &[(&str, &Tensor)],
        gradients: &[Tensor],
        learning_rate: f64,
    ) -> Result<(), TrainingError> {
        if self.squares.is_empty() {
            let zeros = |(name, weight): &(&str, &Tensor)| ((*name).to_owned(), weight.detach().zeros_like());
            self.squares = weights.iter().map(zeros).collect();
        }
        self.steps += 1;
        let RmsPropSettings { decay, epsilon } = self.settings;
        tch::no_grad(|| {
            for (((_, weight), gradient), (_, square)) in weights.iter().zip(gradients).zip(&mut self.squares)
            {
                let _ = square.f_lerp_(&gradient.f_square()?, 1.0 - decay)?;
                let mut root = square.f_sqrt()?;
                let _ = root.f_add_scalar_(epsilon)?;
                let mut step = gradient.f_div(&root)?;
                let _ = step.f_mul_scalar_(-learning_rate)?;
                let _ = weight.shallow_clone().f_add_(&step)?;
            }
            Ok(())
        })
    }

    /// The mean squares, named `<prefix>.<parameter>.v`, for a snapshot.
    #[must_use]
    pub fn state(&self, prefix: &str) -> Vec<(String, Tensor)> {
        self.squares.iter().map(|(name, v)| (format!("{prefix}.{name}.v"), v.shallow_clone())).collect()
    }

    /// Restores what [`Self::state`] gave; `weights` are the active parameters.
    ///
    /// # Errors
    /// The name of the first mean square that is missing or has another shape.
    pub fn restore(
        &mut self,
        prefix: &str,
        weights: &[(&str, &Tensor)],
        steps: u64,
        state: &[(String, Tensor)],
    ) -> Result<(), String> {
        self.reset();
        if steps == 0 {
            return Ok(());
        }
        for (name, weight) in weights {
            self.squares.push(((*name).to_owned(), saved(state, format!("{prefix}.{name}.v"), weight)?));
        }
        self.steps = steps;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: RmsPropSettings = RmsPropSettings { decay: 0.9, epsilon: 1e-3 };

    #[test]
    fn steps_follow_the_formula() {
        let mut optimizer = RmsProp::new(SETTINGS);
        let weight = Tensor::from_slice(&[1.0_f64]);
        let (mut w, mut v) = (1.0_f64, 0.0_f64);
        for g in [0.3, -0.8, 2.0, 0.1] {
            optimizer.step(&[("w", &weight)], &[Tensor::from_slice(&[g])], 0.01).unwrap();
            v = 0.9 * v + 0.1 * g * g;
            w -= 0.01 * g / (v.sqrt() + 1e-3);
        }
        assert!((weight.double_value(&[0]) - w).abs() < 1e-13, "{weight:?} against {w}");
    }

    #[test]
    fn a_restored_optimiser_goes_on_bit_for_bit() {
        let gradient = |k: f32| [Tensor::from_slice(&[k, -k * 0.3])];
        let weights = [Tensor::from_slice(&[1.0_f32, 2.0]), Tensor::from_slice(&[1.0_f32, 2.0])];
        let (mut one, mut two) = (RmsProp::new(SETTINGS), RmsProp::new(SETTINGS));
        for k in [1.0, 2.0, 0.5] {
            one.step(&[("w", &weights[0])], &gradient(k), 0.01).unwrap();
            let (state, steps) = (two.state("generator"), two.steps());
            two = RmsProp::new(SETTINGS);
            two.restore("generator", &[("w", &weights[1])], steps, &state).unwrap();
            two.step(&[("w", &weights[1])], &gradient(k), 0.01).unwrap();
        }
        assert_eq!(weights[0], weights[1]);
        assert_eq!(two.restore("generator", &[("x", &weights[1])], 1, &[]), Err("generator.x.v".to_owned()));
    }
}
