//! Convolutions and dense layers with equalised learning rate (arXiv:1710.10196, section 4.1).
//!
//! Weights are drawn from N(0, 1) and scaled at run time by gain / sqrt(fan_in), the constant of He's
//! initialiser, so that every weight sees the same effective learning rate under Adam. Biases are
//! neither scaled nor drawn: they start at 0.

use std::cell::OnceCell;

use tch::{Device, Kind, TchError, Tensor};

use crate::parameters::ParameterBuilder;
use crate::resampling::dims4;
use crate::winograd::{self, Sampling};

/// sqrt(2): He's gain before a rectifier.
pub(crate) const GAIN_RELU: f64 = std::f64::consts::SQRT_2;
/// Gain of linear outputs.
pub(crate) const GAIN_LINEAR: f64 = 1.0;

const NEGATIVE_SLOPE: f64 = 0.2;

/// Leaky rectifier with slope 0.2: x for x > 0, else 0.2 x.
pub fn leaky_relu(x: &Tensor) -> Tensor {
    // The binding's forward function has the slope fixed at 0.01. The backward kernel computes
    // (input > 0 ? g : 0.2 g): with g = input that is the rectifier itself in one pass, and its
    // derivatives of every order are those of the rectifier.
    x.detach().leaky_relu_backward(x, NEGATIVE_SLOPE, false)
}

/// How a 3x3 convolution changes the resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resample {
    /// Same size.
    Keep,
    /// Nearest-neighbour doubling, then the convolution.
    Up,
    /// The convolution, then the mean of each 2x2 block.
    Down,
}

/// A convolution with equalised learning rate and 'same' zero padding.
#[derive(Debug)]
pub(crate) struct EqualizedConv {
    weight: Tensor,
    bias: Tensor,
    scale: f64,
    kernel_px: i64,
    resample: Resample,
}

impl EqualizedConv {
    /// A `kernel_px` x `kernel_px` convolution from `inputs` to `outputs` maps; resampling ones are 3x3.
    pub(crate) fn new(
        builder: &mut ParameterBuilder<'_>,
        name: &str,
        (inputs, outputs): (i64, i64),
        kernel_px: i64,
        gain: f64,
        resample: Resample,
    ) -> Self {
        let shape = [outputs, inputs, kernel_px, kernel_px];
        Self {
            weight: builder.normal(format!("{name}.weight"), &shape),
            bias: builder.zeros(format!("{name}.bias"), &[outputs]),
            scale: gain / ((inputs * kernel_px * kernel_px) as f64).sqrt(),
            kernel_px,
            resample,
        }
    }

    /// The convolution with its weights scaled and laid out for the kernel that runs: done once however
    /// often a step uses it.
    pub(crate) fn scaled(&self) -> Conv {
        Conv {
            weight: self.weight.shallow_clone(),
            scale: self.scale,
            folded: OnceCell::new(),
            bias: self.bias.shallow_clone(),
            padding_px: self.kernel_px / 2,
            resample: self.resample,
        }
    }

    /// See [`clip_scaled`].
    pub(crate) fn clip(&self, bound: f64) -> Result<(), TchError> {
        clip_scaled(&self.weight, self.scale, &self.bias, bound)
    }

    /// [`Conv::forward`] for a single use.
    #[cfg(test)]
    fn forward(&self, x: &Tensor) -> Tensor {
        self.scaled().forward(x)
    }
}

/// An [`EqualizedConv`] ready to run; the graph reaches its weights.
#[derive(Debug)]
pub(crate) struct Conv {
    weight: Tensor,
    scale: f64,
    /// The scaled kernel as libtorch's convolution wants it, where that is what runs.
    folded: OnceCell<Tensor>,
    bias: Tensor,
    padding_px: i64,
    resample: Resample,
}

impl Conv {
    /// `[N,inputs,H,W]` to `[N,outputs,H',W']`, bias added.
    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        if let Some(y) = self.forward_by_tiles(x) {
            return y + self.bias.view([1, -1, 1, 1]);
        }
        let bias = Some(&self.bias);
        let kernel = self.folded.get_or_init(|| {
            let weight = &self.weight * self.scale;
            match self.resample {
                Resample::Keep => weight,
                // [outputs,inputs,3,3] -> [inputs,outputs,4,4], flipped as transposed convolution wants it.
                Resample::Up => four_shifts(&weight, 1).flip([2, 3]).transpose(0, 1),
                Resample::Down => four_shifts(&weight, 4),
            }
        });
        match self.resample {
            Resample::Keep => x.conv2d(kernel, bias, 1, self.padding_px, 1, 1),
            Resample::Up => x.conv_transpose2d(kernel, bias, 2, 1, 0, 1, 1),
            Resample::Down => x.conv2d(kernel, bias, 2, 1, 1, 1),
        }
    }

    /// The convolution without bias by [`winograd`], where it can and pays.
    fn forward_by_tiles(&self, x: &Tensor) -> Option<Tensor> {
        let (_, _, h, w) = dims4(x);
        let zoom = if self.resample == Resample::Up { 2 } else { 1 };
        let plain = x.device() == Device::Cpu && x.kind() == Kind::Float;
        if !plain || self.padding_px != 1 || !winograd::fits(h * zoom, w * zoom) || h * zoom < 8 {
            return None;
        }
        let sampling = match self.resample {
            Resample::Keep => Sampling::Keep,
            Resample::Up => Sampling::Double,
            Resample::Down => Sampling::Halve,
        };
        let x = x.permute([0, 2, 3, 1]).contiguous(); // [N,H,W,C]
        let kernel = self.weight.permute([0, 2, 3, 1]).contiguous();
        let y = winograd::convolution(&x, &kernel, sampling, self.scale).ok()?;
        Some(y.permute([0, 3, 1, 2]))
    }
}

/// The 3x3 kernel summed over its shifts by 0 and 1 in both axes, over `divisor`: a 4x4 kernel. Stride 2
/// with it does the work of a convolution on (or before) a 2x2 block of equal pixels, without the block.
fn four_shifts(weight: &Tensor, divisor: i64) -> Tensor {
    // Padded by one, each 2x2 window of the kernel holds what its four shifts put on one tap.
    weight.avg_pool2d([2, 2], [1, 1], [1, 1], false, true, divisor)
}

/// Clips a layer, in place, so that its scaled weights and its biases lie in [-bound, bound]
/// (arXiv:1701.07875, algorithm 1): what is bounded there are the weights of the function itself.
fn clip_scaled(weight: &Tensor, scale: f64, bias: &Tensor, bound: f64) -> Result<(), TchError> {
    tch::no_grad(|| {
        let _ = weight.shallow_clone().f_clamp_(-bound / scale, bound / scale)?;
        let _ = bias.shallow_clone().f_clamp_(-bound, bound)?;
        Ok(())
    })
}

/// A dense layer with equalised learning rate.
#[derive(Debug)]
pub(crate) struct EqualizedDense {
    weight: Tensor,
    bias: Tensor,
    scale: f64,
}

impl EqualizedDense {
    /// From `inputs` to `outputs` values; the bias may be shared over `outputs / bias_size` positions.
    pub(crate) fn new(
        builder: &mut ParameterBuilder<'_>,
        name: &str,
        (inputs, outputs): (i64, i64),
        gain: f64,
        bias_size: i64,
    ) -> Self {
        Self {
            weight: builder.normal(format!("{name}.weight"), &[outputs, inputs]),
            bias: builder.zeros(format!("{name}.bias"), &[bias_size]),
            scale: gain / (inputs as f64).sqrt(),
        }
    }

    /// See [`clip_scaled`].
    pub(crate) fn clip(&self, bound: f64) -> Result<(), TchError> {
        clip_scaled(&self.weight, self.scale, &self.bias, bound)
    }

    /// The layer with its weights scaled, once however often a step uses it.
    pub(crate) fn scaled(&self) -> Dense {
        Dense { weight: &self.weight * self.scale, bias: self.bias.shallow_clone() }
    }
}

/// An [`EqualizedDense`] ready to run; the graph reaches its weights.
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

    /// `[N,inputs]` to `[N,maps,4,4]`, one bias per map.
    pub(crate) fn forward_to_4x4(&self, x: &Tensor) -> Tensor {
        let maps = self.bias.size()[0];
        let y = x.linear::<&Tensor>(&self.weight, None);
        y.view([-1, maps, 4, 4]) + self.bias.view([1, maps, 1, 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resampling::{downscale_box, upscale_nearest};
    fn layer(resample: Resample) -> (EqualizedConv, Tensor) {
        tch::manual_seed(1);
        let mut draw =
            |n: usize| Vec::<f32>::try_from(Tensor::randn([n as i64], tch::kind::FLOAT_CPU)).unwrap();
        let mut builder = ParameterBuilder::new(Device::Cpu, &mut draw);
        let layer = EqualizedConv::new(&mut builder, "c", (5, 7), 3, GAIN_RELU, resample);
        (layer, Tensor::randn([2, 5, 6, 6], tch::kind::FLOAT_CPU))
    }

    fn plain(layer: &EqualizedConv, x: &Tensor) -> Tensor {
        x.conv2d(&(&layer.weight * layer.scale), Some(&layer.bias), 1, 1, 1, 1)
    }

    fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
        assert_eq!(a.size(), b.size());
        (a - b).abs().max().double_value(&[])
    }

    #[test]
    fn the_fused_upscale_equals_doubling_then_convolving() {
        let (layer, x) = layer(Resample::Up);
        assert!(largest_difference(&layer.forward(&x), &plain(&layer, &upscale_nearest(&x))) < 1e-4);
    }

    #[test]
    fn the_fused_downscale_equals_convolving_then_averaging() {
        let (layer, x) = layer(Resample::Down);
        assert!(largest_difference(&layer.forward(&x), &downscale_box(&plain(&layer, &x))) < 1e-4);
    }

    #[test]
    fn weights_are_scaled_by_the_constant_of_he() {
        let (layer, _) = layer(Resample::Keep);
        assert!((layer.scale - (2.0_f64 / 45.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn the_leaky_rectifier_and_its_derivative_have_slope_one_fifth_below_zero() {
        let x = Tensor::from_slice(&[-2.0_f32, -0.5, 0.5, 3.0]).set_requires_grad(true);
        let y = leaky_relu(&x);
        let values = Vec::<f32>::try_from(&y).unwrap();
        assert_eq!(values, [-0.4, -0.1, 0.5, 3.0]);
        let gradient = Tensor::run_backward(&[y.sum(Kind::Float)], &[&x], false, false);
        assert_eq!(Vec::<f32>::try_from(&gradient[0]).unwrap(), [0.2, 0.2, 1.0, 1.0]);
    }
}
