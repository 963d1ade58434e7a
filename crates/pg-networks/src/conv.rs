//! Convolutions, with the doubling or halving that growing networks have beside them.

use std::cell::OnceCell;
use std::sync::LazyLock;

use tch::{Kind, TchError, Tensor};

use crate::compute_path::is_ours;
use crate::leaky_relu;
use crate::parameters::ParameterBuilder;
use crate::resampling::dims4;
use crate::torch_bridge::multiplies_tiles;
use crate::weight::{Weight, WeightStyle, clip_bias};
use crate::winograd::{self, Convolution, Sampling};

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

/// A convolution with 'same' zero padding.
#[derive(Debug)]
pub(crate) struct ConvLayer {
    weight: Weight,
    bias: Tensor,
    kernel_px: i64,
    resample: Resample,
}

impl ConvLayer {
    /// A `kernel_px` x `kernel_px` convolution from `inputs` to `outputs` maps; resampling ones are 3x3.
    pub(crate) fn new(
        builder: &mut ParameterBuilder<'_>,
        name: &str,
        (inputs, outputs): (i64, i64),
        kernel_px: i64,
        gain: f64,
        resample: Resample,
        style: WeightStyle,
    ) -> Self {
        let shape = [outputs, inputs, kernel_px, kernel_px];
        Self {
            weight: Weight::new(builder, name, &shape, gain, style),
            bias: builder.zeros(format!("{name}.bias"), &[outputs]),
            kernel_px,
            resample,
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

    /// The convolution ready to run, once however often a step uses it.
    pub(crate) fn scaled(&self) -> Conv {
        let (weight, scale) = self.weight.effective();
        Conv {
            weight,
            scale,
            folded: OnceCell::new(),
            bias: self.bias.shallow_clone(),
            padding_px: self.kernel_px / 2,
            resample: self.resample,
        }
    }

    /// [`Conv::forward`] for a single use.
    #[cfg(test)]
    fn forward(&self, x: &Tensor) -> Tensor {
        self.scaled().forward(x)
    }
}

/// A [`ConvLayer`] ready to run; the graph reaches its weights.
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
        let bias = Some(&self.bias);
        self.forward_by_tiles(x, bias, false).unwrap_or_else(|| self.forward_by_library(x, bias))
    }

    /// [`Self::forward`] without the bias, for what comes between the two.
    pub(crate) fn forward_unbiased(&self, x: &Tensor) -> Tensor {
        self.forward_by_tiles(x, None, false).unwrap_or_else(|| self.forward_by_library(x, None))
    }

    /// [`Self::forward`] and the leaky rectifier behind it.
    pub(crate) fn forward_rectified(&self, x: &Tensor) -> Tensor {
        let bias = Some(&self.bias);
        self.forward_by_tiles(x, bias, true).unwrap_or_else(|| leaky_relu(&self.forward_by_library(x, bias)))
    }

    fn forward_by_library(&self, x: &Tensor, bias: Option<&Tensor>) -> Tensor {
        let (kernel, bias) = (self.kernel().to_kind(x.kind()), bias.map(|bias| bias.to_kind(x.kind())));
        let bias = bias.as_ref();
        match self.resample {
            Resample::Keep => x.conv2d(&kernel, bias, 1, self.padding_px, 1, 1),
            Resample::Up => x.conv_transpose2d(&kernel, bias, 2, 1, 0, 1, 1),
            Resample::Down => x.conv2d(&kernel, bias, 2, 1, 1, 1),
        }
    }

    /// The scaled kernel as libtorch's convolution wants it.
    pub(crate) fn kernel(&self) -> &Tensor {
        self.folded.get_or_init(|| {
            let weight = &self.weight * self.scale;
            match self.resample {
                Resample::Keep => weight,
                // [outputs,inputs,3,3] -> [inputs,outputs,4,4], flipped as transposed convolution wants it.
                Resample::Up => four_shifts(&weight, 1).flip([2, 3]).transpose(0, 1),
                Resample::Down => four_shifts(&weight, 4),
            }
        })
    }

    pub(crate) fn bias(&self) -> &Tensor {
        &self.bias
    }

    pub(crate) fn padding_px(&self) -> i64 {
        self.padding_px
    }

    /// Whether its output has twice the side, by a transposed convolution of stride 2.
    pub(crate) fn is_doubling(&self) -> bool {
        self.resample == Resample::Up
    }

    /// By [`winograd`], where it can and pays.
    fn forward_by_tiles(&self, x: &Tensor, bias: Option<&Tensor>, rectified: bool) -> Option<Tensor> {
        let (_, _, h, w) = dims4(x);
        let zoom = if self.resample == Resample::Up { 2 } else { 1 };
        let taken = is_ours(x) && (x.kind() == Kind::Float || is_half_by_tiles(x.kind()));
        if !taken || self.padding_px != 1 || !winograd::fits(h * zoom, w * zoom) || h * zoom < 8 {
            return None;
        }
        let sampling = match self.resample {
            Resample::Keep => Sampling::Keep,
            Resample::Up => Sampling::Double,
            Resample::Down => Sampling::Halve,
        };
        let x = x.permute([0, 2, 3, 1]).contiguous(); // [N,H,W,C]
        let kernel = self.weight.permute([0, 2, 3, 1]).contiguous();
        let convolution = Convolution { sampling, scale: self.scale, rectified };
        let y = convolution.run(&x, &kernel, bias).ok()?;
        Some(y.permute([0, 3, 1, 2]))
    }
}

/// Whether bf16 is taken, too. A processor that multiplies matrices of bf16 (AMX) is faster with plain convolutions;
/// one that has only vectors of it is not: they do two products in the time of one, tiles need a quarter of them.
fn is_half_by_tiles(kind: Kind) -> bool {
    static TILED: LazyLock<bool> = LazyLock::new(|| !multiplies_tiles());
    kind == Kind::BFloat16 && *TILED
}

/// The 3x3 kernel summed over its shifts by 0 and 1 in both axes, over `divisor`: a 4x4 kernel. Stride 2
/// with it does the work of a convolution on (or before) a 2x2 block of equal pixels, without the block.
fn four_shifts(weight: &Tensor, divisor: i64) -> Tensor {
    // Padded by one, each 2x2 window of the kernel holds what its four shifts put on one tap.
    weight.avg_pool2d([2, 2], [1, 1], [1, 1], false, true, divisor)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::resampling::{downscale_box, upscale_nearest};
    use crate::weight::GAIN_RELU;

    const STYLE: WeightStyle = WeightStyle { equalized: true, spectral: false, lr_multiplier: 1.0 };

    fn layer(resample: Resample, side: i64) -> (ConvLayer, Tensor) {
        tch::manual_seed(1);
        let mut draw =
            |n: usize| Vec::<f32>::try_from(Tensor::randn([n as i64], tch::kind::FLOAT_CPU)).unwrap();
        let mut builder = ParameterBuilder::new(Device::Cpu, &mut draw);
        let layer = ConvLayer::new(&mut builder, "c", (5, 7), 3, GAIN_RELU, resample, STYLE);
        (layer, Tensor::randn([2, 5, side, side], tch::kind::FLOAT_CPU))
    }

    fn plain(layer: &ConvLayer, x: &Tensor) -> Tensor {
        let (weight, scale) = layer.weight.effective();
        x.conv2d(&(weight * scale), Some(&layer.bias), 1, 1, 1, 1)
    }

    fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
        assert_eq!(a.size(), b.size());
        (a - b).abs().max().double_value(&[])
    }

    // By libtorch's convolutions at 6 px, by tiles at 8 px.
    const SIDES: [i64; 2] = [6, 8];

    #[test]
    fn the_fused_upscale_equals_doubling_then_convolving() {
        for side in SIDES {
            let (layer, x) = layer(Resample::Up, side);
            assert!(largest_difference(&layer.forward(&x), &plain(&layer, &upscale_nearest(&x))) < 3e-5);
        }
    }

    #[test]
    fn the_fused_downscale_equals_convolving_then_averaging() {
        for side in SIDES {
            let (layer, x) = layer(Resample::Down, side);
            assert!(largest_difference(&layer.forward(&x), &downscale_box(&plain(&layer, &x))) < 3e-5);
        }
    }
}
