//! Spectral normalisation (arXiv:1802.05957): the largest singular value of a layer's weights, by power
//! iteration.

use tch::{TchError, Tensor};

use crate::parameters::ParameterBuilder;

const EPSILON: f64 = 1e-12;

/// The estimate of the left singular vector, `[outputs]`, kept from step to step.
#[derive(Debug)]
pub(crate) struct SpectralNorm {
    left: Tensor,
}

impl SpectralNorm {
    pub(crate) fn new(builder: &mut ParameterBuilder<'_>, name: &str, outputs: i64) -> Self {
        Self { left: builder.buffer_normal(format!("{name}.singular"), &[outputs]) }
    }

    /// One iteration: v = W' u / |W' u|, u = W v / |W v|, in place (algorithm 1).
    pub(crate) fn iterate(&self, weight: &Tensor) -> Result<(), TchError> {
        tch::no_grad(|| {
            let matrix = weight.flatten(1, -1); // [outputs,fan_in]
            let right = unit(&matrix.transpose(0, 1).f_mv(&self.left)?);
            let left = unit(&matrix.f_mv(&right)?);
            self.left.shallow_clone().f_copy_(&left)?;
            Ok(())
        })
    }
}

/// u' W v, `[]`: the derivative towards W is that of the singular value, u and v being constants of it.
pub(crate) fn spectral_norm_of(weight: &Tensor, norm: &SpectralNorm) -> Tensor {
    let matrix = weight.flatten(1, -1);
    let right = tch::no_grad(|| unit(&matrix.transpose(0, 1).mv(&norm.left)));
    matrix.mv(&right).dot(&norm.left) / norm.left.norm().clamp_min(EPSILON)
}

fn unit(x: &Tensor) -> Tensor {
    x / x.norm().clamp_min(EPSILON)
}
