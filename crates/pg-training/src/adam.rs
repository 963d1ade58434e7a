//! Adam in tensor operations, with moments that can be saved (arXiv:1412.6980).

use tch::Tensor;

use crate::TrainingError;
use crate::optimizer::saved;

/// Adam's constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamSettings {
    /// Decay of the first moment; 0 in ProGAN.
    pub beta1: f64,
    /// Decay of the second moment; 0.99 in ProGAN.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
}

/// The optimiser of one network: moments by parameter name, and the steps since they were reset.
#[derive(Debug)]
pub struct Adam {
    settings: AdamSettings,
    steps: u64,
    moments: Vec<Moments>,
}

#[derive(Debug)]
struct Moments {
    name: String,
    /// `None` at beta1 = 0, where it is the gradient.
    first: Option<Tensor>,
    second: Tensor,
}

impl Adam {
    /// No moments yet.
    #[must_use]
    pub fn new(settings: AdamSettings) -> Self {
        Self { settings, steps: 0, moments: Vec::new() }
    }

    /// Forgets moments and step count, as both optimisers do when a level starts or ends to fade
    /// (arXiv:1710.10196, appendix A).
    pub fn reset(&mut self) {
        self.steps = 0;
        self.moments.clear();
    }

    /// Steps since the last reset.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// One step: w -= rate sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + epsilon), in place.
    ///
    /// The bias correction is folded into the rate and epsilon stays outside it, as in the authors'
    /// framework. `weights` are the active parameters, in the same order at every step between two
    /// resets; `gradients` belong to them one by one.
    ///
    /// # Errors
    /// libtorch's, for gradients of another shape.
    pub fn step(
        &mut self,
        weights: &[(&str, &Tensor)],
        gradients: &[Tensor],
        learning_rate: f64,
    ) -> Result<(), TrainingError> {
        let AdamSettings { beta1, beta2, epsilon } = self.settings;
        if self.moments.is_empty() {
            self.moments = weights
                .iter()
                .map(|(name, weight)| Moments {
                    name: (*name).to_owned(),
                    first: (beta1 > 0.0).then(|| weight.detach().zeros_like()),
                    second: weight.detach().zeros_like(),
                })
                .collect();
        }
        self.steps += 1;
        let t = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let rate = learning_rate * (1.0 - beta2.powi(t)).sqrt() / (1.0 - beta1.powi(t));
        tch::no_grad(|| {
            for (((_, weight), gradient), moments) in weights.iter().zip(gradients).zip(&mut self.moments) {
                let _ = moments.second.f_lerp_(&gradient.f_square()?, 1.0 - beta2)?;
                let mut root = moments.second.f_sqrt()?;
                let _ = root.f_add_scalar_(epsilon)?;
                let mut step = match &mut moments.first {
                    Some(first) => first.f_lerp_(gradient, 1.0 - beta1)?.f_div(&root)?,
                    None => gradient.f_div(&root)?,
                };
                let _ = step.f_mul_scalar_(-rate)?;
                let _ = weight.shallow_clone().f_add_(&step)?;
            }
            Ok(())
        })
    }

    /// The moments, named `<prefix>.<parameter>.m` and `.v`, for a snapshot; no `.m` at beta1 = 0.
    #[must_use]
    pub fn state(&self, prefix: &str) -> Vec<(String, Tensor)> {
        let named = |m: &Moments| {
            let first =
                m.first.as_ref().map(|first| (format!("{prefix}.{}.m", m.name), first.shallow_clone()));
            let second = (format!("{prefix}.{}.v", m.name), m.second.shallow_clone());
            first.into_iter().chain([second]).collect::<Vec<_>>()
        };
        self.moments.iter().flat_map(named).collect()
    }

    /// Restores what [`Self::state`] gave; `weights` are the active parameters.
    ///
    /// # Errors
    /// The name of the first moment that is missing or has another shape.
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
            let first = (self.settings.beta1 > 0.0)
                .then(|| saved(state, format!("{prefix}.{name}.m"), weight))
                .transpose()?;
            let second = saved(state, format!("{prefix}.{name}.v"), weight)?;
            self.moments.push(Moments { name: (*name).to_owned(), first, second });
        }
        self.steps = steps;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGAN: AdamSettings = AdamSettings { beta1: 0.0, beta2: 0.99, epsilon: 1e-8 };

    #[test]
    fn steps_follow_the_formula() {
        let settings = AdamSettings { beta1: 0.5, beta2: 0.9, epsilon: 1e-3 };
        let mut adam = Adam::new(settings);
        let weight = Tensor::from_slice(&[1.0_f32]);
        let (mut w, mut m, mut v) = (1.0_f64, 0.0_f64, 0.0_f64);
        for (t, g) in [0.3, -0.8, 2.0, 0.1].into_iter().enumerate() {
            adam.step(&[("w", &weight)], &[Tensor::from_slice(&[g as f32])], 0.01).unwrap();
            m = 0.5 * m + 0.5 * g;
            v = 0.9 * v + 0.1 * g * g;
            let t = t as i32 + 1;
            w -= 0.01 * (1.0 - 0.9_f64.powi(t)).sqrt() / (1.0 - 0.5_f64.powi(t)) * m / (v.sqrt() + 1e-3);
        }
        assert!((weight.double_value(&[0]) - w).abs() < 1e-6, "{weight:?} against {w}");
    }

    #[test]
    fn the_first_step_after_a_reset_has_the_size_of_the_rate() {
        let mut adam = Adam::new(PROGAN);
        let weight = Tensor::from_slice(&[0.0_f32, 0.0]);
        let gradient = || [Tensor::from_slice(&[5.0_f32, -0.01])];
        for _ in 0..3 {
            adam.step(&[("w", &weight)], &gradient(), 0.001).unwrap();
        }
        adam.reset();
        let before = weight.copy();
        adam.step(&[("w", &weight)], &gradient(), 0.001).unwrap();
        let moved = Vec::<f32>::try_from(&weight - before).unwrap();
        assert!((moved[0] + 0.001).abs() < 1e-7 && (moved[1] - 0.001).abs() < 1e-7, "{moved:?}");
    }

    #[test]
    fn a_restored_optimiser_goes_on_bit_for_bit() {
        let gradient = |k: f32| [Tensor::from_slice(&[k, -k * 0.3])];
        let weights = [Tensor::from_slice(&[1.0_f32, 2.0]), Tensor::from_slice(&[1.0_f32, 2.0])];
        let mut one = Adam::new(PROGAN);
        for k in [1.0, 2.0, 0.5] {
            one.step(&[("w", &weights[0])], &gradient(k), 0.01).unwrap();
            one.step(&[("w", &weights[0])], &gradient(k * 0.1), 0.01).unwrap();
        }
        let mut two = Adam::new(PROGAN);
        for (index, k) in [1.0, 2.0, 0.5].into_iter().enumerate() {
            if index == 1 {
                let state = two.state("generator");
                let steps = two.steps();
                two = Adam::new(PROGAN);
                two.restore("generator", &[("w", &weights[1])], steps, &state).unwrap();
            }
            two.step(&[("w", &weights[1])], &gradient(k), 0.01).unwrap();
            two.step(&[("w", &weights[1])], &gradient(k * 0.1), 0.01).unwrap();
        }
        assert_eq!(weights[0], weights[1]);
        assert_eq!(two.restore("generator", &[("x", &weights[1])], 1, &[]), Err("generator.x.v".to_owned()));
    }

    #[test]
    fn without_a_first_moment_none_is_kept_and_the_steps_are_the_same() {
        // A beta1 so small that 1 - beta1 rounds to 1 takes the general way.
        let general = AdamSettings { beta1: 1e-20, ..PROGAN };
        let weights = [Tensor::from_slice(&[1.0_f32, 2.0]), Tensor::from_slice(&[1.0_f32, 2.0])];
        let (mut plain, mut with_moment) = (Adam::new(PROGAN), Adam::new(general));
        for k in [0.7_f32, -1.3, 1e-6] {
            let gradient = [Tensor::from_slice(&[k, 3.0 * k])];
            plain.step(&[("w", &weights[0])], &gradient, 0.01).unwrap();
            with_moment.step(&[("w", &weights[1])], &gradient, 0.01).unwrap();
        }
        assert_eq!(weights[0], weights[1]);
        let names = |adam: &Adam| adam.state("d").into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(&plain), ["d.w.v"]);
        assert_eq!(names(&with_moment), ["d.w.m", "d.w.v"]);
        // A state with first moments, as older versions saved it, restores as well.
        plain.restore("d", &[("w", &weights[0])], 3, &with_moment.state("d")).unwrap();
        assert_eq!(names(&plain), ["d.w.v"]);
    }
}
