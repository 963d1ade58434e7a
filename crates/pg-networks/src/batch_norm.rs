//! Batch normalisation (arXiv:1502.03167), for the baseline of the paper's ablation.

use tch::{TchError, Tensor};

use crate::parameters::ParameterBuilder;
use crate::precision::widened;

pub(crate) const EPSILON: f64 = 1e-5;
/// Share of a minibatch in the running mean and variance.
const MOMENTUM: f64 = 0.1;

/// Which statistics a batch norm takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The minibatch's own; the running ones follow.
    Training,
    /// The running ones: an image does not depend on the others of its batch.
    Sampling,
}

/// Per channel: normalised over images and positions, then scaled and shifted by trained numbers.
#[derive(Debug)]
pub(crate) struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    variance: Tensor,
}

impl BatchNorm {
    pub(crate) fn new(builder: &mut ParameterBuilder<'_>, name: &str, maps: i64) -> Self {
        Self {
            weight: builder.constant(format!("{name}.norm.weight"), &[maps], 1.0),
            bias: builder.zeros(format!("{name}.norm.bias"), &[maps]),
            mean: builder.buffer(format!("{name}.norm.mean"), &[maps], 0.0),
            variance: builder.buffer(format!("{name}.norm.variance"), &[maps], 1.0),
        }
    }

    /// A handle for one pass.
    pub(crate) fn share(&self) -> Self {
        Self {
            weight: self.weight.shallow_clone(),
            bias: self.bias.shallow_clone(),
            mean: self.mean.shallow_clone(),
            variance: self.variance.shallow_clone(),
        }
    }

    /// Weight, bias, running mean and running variance.
    pub(crate) fn numbers(&self) -> [&Tensor; 4] {
        [&self.weight, &self.bias, &self.mean, &self.variance]
    }

    /// `[N,C,H,W]` to the same shape: (x - mean) / sqrt(variance + 1e-5) weight + bias.
    pub(crate) fn forward(&self, x: &Tensor, phase: Phase) -> Result<Tensor, TchError> {
        let training = phase == Phase::Training;
        let whole = widened(x);
        let y = whole.f_batch_norm(
            Some(&self.weight),
            Some(&self.bias),
            Some(&self.mean),
            Some(&self.variance),
            training,
            MOMENTUM,
            EPSILON,
            false,
        )?;
        Ok(y.to_kind(x.kind()))
    }
}
