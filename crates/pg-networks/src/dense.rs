//! Dense layers.

use tch::{TchError, Tensor};

use crate::parameters::ParameterBuilder;
use crate::weight::{Weight, WeightStyle, clip_bias};

/// A dense layer.
#[derive(Debug)]
pub(crate) struct DenseLayer {
    weight: Weight,
    bias: Tensor,
    lr_multiplier: f64,
}

impl DenseLayer {
    /// From `inputs` to `outputs` values; the bias may be shared over `outputs / bias_size` positions.
    pub(crate) fn new(
        builder: &mut ParameterBuilder<'_>,
        name: &str,
        (inputs, outputs): (i64, i64),
        gain: f64,
        bias_size: i64,
        style: WeightStyle,
    ) -> Self {
        Self {
            weight: Weight::new(builder, name, &[outputs, inputs], gain, style),
            bias: builder.zeros(format!("{name}.bias"), &[bias_size]),
            lr_multiplier: style.lr_multiplier,
        }
    }

    /// See [`Weight::clip`].
    pub(crate) fn clip(&self, bound: f64) -> Result<(), TchError> {
        self.weight.clip(bound)?;
        clip_bias(&self.bias, bound)
    }

    /// See [`Weight::refresh`].
    pub(crate) fn refresh(&self) -> Result<(), TchError> {
        self.weight.refresh()
    }

    /// The layer with its weights scaled, once however often a step uses it.
    pub(crate) fn scaled(&self) -> Dense {
        let (weight, scale) = self.weight.effective();
        let bias = self.bias.shallow_clone();
        let bias = if self.lr_multiplier == 1.0 { bias } else { bias * self.lr_multiplier };
        Dense { weight: weight * scale, bias }
    }
}

/// A [`DenseLayer`] ready to run; the graph reaches its weights.
#[derive(Debug)]
pub(crate) struct Dense {
    weight: Tensor,
    bias: Tensor,
}

impl Dense {
    /// `[N,inputs]` to `[N,outputs]`, bias added.
    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        x.linear(&self.weight, Some(&self.bias))
    }

    /// `[N,inputs]` to `[N,maps,4,4]`, without the bias, of which there is one per map.
    pub(crate) fn forward_to_4x4(&self, x: &Tensor) -> Tensor {
        x.linear::<&Tensor>(&self.weight, None).view([-1, self.bias.size()[0], 4, 4])
    }

    pub(crate) fn bias(&self) -> &Tensor {
        &self.bias
    }

    /// `[outputs,inputs]`.
    pub(crate) fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// Weights and biases of [`Self::forward_to_4x4`], a bias for each of its outputs.
    pub(crate) fn weights_for_4x4(&self) -> (Tensor, Tensor) {
        (self.weight.shallow_clone(), self.bias.repeat_interleave_self_int(16, None, None))
    }
}
