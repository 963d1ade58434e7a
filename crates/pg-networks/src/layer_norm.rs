//! Layer normalisation (arXiv:1607.06450) of critics, as WGAN-GP's authors have it in place of batch
//! normalisation, which the gradient penalty does not allow (arXiv:1704.00028, section 4).

use tch::{Kind, Tensor};

use crate::parameters::ParameterBuilder;
use crate::precision::widened;

const EPSILON: f64 = 1e-5;

/// Per image: normalised over channels and positions, then scaled and shifted per channel.
#[derive(Debug)]
pub(crate) struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
}

impl LayerNorm {
    pub(crate) fn new(builder: &mut ParameterBuilder<'_>, name: &str, maps: i64) -> Self {
        Self {
            weight: builder.constant(format!("{name}.norm.weight"), &[maps], 1.0),
            bias: builder.zeros(format!("{name}.norm.bias"), &[maps]),
        }
    }

    /// A handle for one pass.
    pub(crate) fn share(&self) -> Self {
        Self { weight: self.weight.shallow_clone(), bias: self.bias.shallow_clone() }
    }

    /// `[N,C,H,W]` or `[N,C]` to the same shape: (x - mean) / sqrt(variance + 1e-5) weight + bias. Made of
    /// operations that may be differentiated twice.
    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        let whole = widened(x);
        let dims: Vec<i64> = (1..whole.dim() as i64).collect();
        let centred = &whole - whole.mean_dim(dims.as_slice(), true, None::<Kind>);
        let variance = (&centred * &centred).mean_dim(dims.as_slice(), true, None::<Kind>);
        let mut shape = vec![1; whole.dim()];
        shape[1] = -1;
        let y = centred * (variance + EPSILON).rsqrt() * self.weight.view(shape.as_slice())
            + self.bias.view(shape.as_slice());
        y.to_kind(x.kind())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn every_image_has_mean_zero_and_variance_one_afterwards() {
        tch::manual_seed(5);
        let mut draw = |n: usize| vec![0.0; n];
        let norm = LayerNorm::new(&mut ParameterBuilder::new(Device::Cpu, &mut draw), "x", 6);
        for x in
            [Tensor::randn([3, 6, 4, 4], tch::kind::FLOAT_CPU), Tensor::randn([3, 6], tch::kind::FLOAT_CPU)]
        {
            let y = norm.forward(&(x * 5.0 + 2.0)).flatten(1, -1);
            let mean = y.mean_dim(1, false, Kind::Float).abs().max().double_value(&[]);
            let variance = y.var_dim(1, false, false);
            assert!(mean < 1e-5 && (variance - 1.0).abs().max().double_value(&[]) < 1e-4);
        }
    }
}
