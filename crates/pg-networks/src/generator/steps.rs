//! What a generator computes, as a list of plain steps: for writing it down in formats of other programs.

use tch::{Device, Kind, Tensor};

use super::GeneratorAt;
use crate::batch_norm::BatchNorm;
use crate::conv::Conv;
use crate::{GeneratorNorm, activation, pixel_norm};

/// One operation of a generator.
#[derive(Debug)]
pub struct GeneratorStep {
    /// Unique in its list, e.g. `r0008.conv1` or `r0008.conv1.norm`.
    pub name: String,
    /// What it works on: 0 for the latents, k for the value of the k-th step (the first is 1).
    pub inputs: Vec<usize>,
    /// What it does.
    pub operation: GeneratorOperation,
}

/// Operations of generators. Tensors are f32, contiguous, on the CPU, and outside of any autograd graph;
/// weights are those in effect, with the equalised learning rate's factor.
#[derive(Debug)]
pub enum GeneratorOperation {
    /// x / sqrt(mean over axis 1 of x^2 + epsilon).
    PixelNorm {
        /// Keeps the root from zero.
        epsilon: f64,
    },
    /// `[N,I]` to `[N,O]`: x W' + b, as images of `side_px` x `side_px` pixels.
    Dense {
        /// `[O,I]`.
        weight: Tensor,
        /// `[O]`.
        bias: Tensor,
        /// Side of the images.
        side_px: i64,
    },
    /// Convolution of stride 1 with zero padding: `[N,I,H,W]` to `[N,O,H,W]`.
    Convolution {
        /// `[O,I,K,K]`.
        weight: Tensor,
        /// `[O]`.
        bias: Tensor,
        /// Zeros on each side.
        padding_px: i64,
    },
    /// Nearest-neighbour doubling and a 3x3 convolution in one: transposed convolution of stride 2 with a padding
    /// of 1, `[N,I,H,W]` to `[N,O,2H,2W]`.
    DoublingConvolution {
        /// `[I,O,4,4]`.
        weight: Tensor,
        /// `[O]`.
        bias: Tensor,
    },
    /// (x - mean) / sqrt(variance + epsilon) weight + bias, by channel.
    BatchNorm {
        /// `[C]`.
        weight: Tensor,
        /// `[C]`.
        bias: Tensor,
        /// Running mean, `[C]`.
        mean: Tensor,
        /// Running variance, `[C]`.
        variance: Tensor,
        /// Keeps the root from zero.
        epsilon: f64,
    },
    /// x for x > 0, else `slope` x.
    LeakyRelu {
        /// Slope below zero.
        slope: f64,
    },
    /// Nearest-neighbour doubling: `[N,C,H,W]` to `[N,C,2H,2W]`.
    Doubling,
    /// a + share (b - a) of two inputs a and b.
    Mix {
        /// Share of b.
        share: f64,
    },
}

/// A list in the making.
#[derive(Default)]
struct StepList(Vec<GeneratorStep>);

impl StepList {
    fn push(&mut self, name: String, inputs: &[usize], operation: GeneratorOperation) -> usize {
        self.0.push(GeneratorStep { name, inputs: inputs.to_vec(), operation });
        self.0.len()
    }

    /// What follows the layer called `layer`, whose value is `x`.
    fn activate(&mut self, layer: &str, x: usize, norm: GeneratorNorm, batch: Option<&BatchNorm>) -> usize {
        let relu = GeneratorOperation::LeakyRelu { slope: activation::NEGATIVE_SLOPE };
        let (norm_name, relu_name) = (format!("{layer}.norm"), format!("{layer}.relu"));
        if let Some(batch) = batch {
            let x = self.push(norm_name, &[x], batch_norm(batch));
            return self.push(relu_name, &[x], relu);
        }
        let x = self.push(relu_name, &[x], relu);
        if norm == GeneratorNorm::Pixel { self.push(norm_name, &[x], pixel()) } else { x }
    }
}

impl GeneratorAt {
    /// What [`Self::forward`] computes with running statistics and f32 activations. The last step's value is
    /// the images.
    #[must_use]
    pub fn steps(&self) -> Vec<GeneratorStep> {
        tch::no_grad(|| self.list())
    }

    fn list(&self) -> Vec<GeneratorStep> {
        let mut list = StepList::default();
        let mut x = list.push("latents.norm".to_owned(), &[0], pixel());
        let (dense, norm) = &self.dense;
        let (weight, bias) = dense.weights_for_4x4();
        let operation = GeneratorOperation::Dense { weight: plain(&weight), bias: plain(&bias), side_px: 4 };
        x = list.push("r0004.dense".to_owned(), &[x], operation);
        x = list.activate("r0004.dense", x, self.norm, norm.as_ref());
        let layer = |list: &mut StepList, x, name: String, (conv, norm): &(Conv, Option<BatchNorm>)| {
            let y = list.push(name.clone(), &[x], convolution(conv));
            list.activate(&name, y, self.norm, norm.as_ref())
        };
        x = layer(&mut list, x, "r0004.conv".to_owned(), &self.first_conv);
        let mut below = None;
        let last_px = self.state.resolution_px;
        for (index, [up, keep]) in self.blocks.iter().enumerate() {
            let px = 8_u32 << index;
            if px == last_px {
                below = self
                    .to_rgb_below
                    .as_ref()
                    .map(|to_rgb| list.push(format!("r{:04}.to_rgb", px / 2), &[x], convolution(to_rgb)));
            }
            x = layer(&mut list, x, format!("r{px:04}.conv0_up"), up);
            x = layer(&mut list, x, format!("r{px:04}.conv1"), keep);
        }
        let image = list.push(format!("r{last_px:04}.to_rgb"), &[x], convolution(&self.to_rgb));
        if let Some(below) = below {
            let doubled = list.push("fade.doubled".to_owned(), &[below], GeneratorOperation::Doubling);
            let share = self.state.fade_in;
            list.push("fade.mix".to_owned(), &[doubled, image], GeneratorOperation::Mix { share });
        }
        list.0
    }
}

fn plain(tensor: &Tensor) -> Tensor {
    tensor.detach().to_device(Device::Cpu).to_kind(Kind::Float).contiguous()
}

fn pixel() -> GeneratorOperation {
    GeneratorOperation::PixelNorm { epsilon: pixel_norm::EPSILON }
}

fn convolution(conv: &Conv) -> GeneratorOperation {
    let (weight, bias) = (plain(conv.kernel()), plain(conv.bias()));
    if conv.is_doubling() {
        GeneratorOperation::DoublingConvolution { weight, bias }
    } else {
        GeneratorOperation::Convolution { weight, bias, padding_px: conv.padding_px() }
    }
}

fn batch_norm(norm: &BatchNorm) -> GeneratorOperation {
    let [weight, bias, mean, variance] = norm.numbers().map(plain);
    GeneratorOperation::BatchNorm { weight, bias, mean, variance, epsilon: crate::batch_norm::EPSILON }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::{Architecture, Generator, GeneratorNorm, GrowthState, Phase};
    use tch::Device;

    #[test]
    fn steps_have_names_of_their_own_and_take_only_values_before_them() {
        for generator_norm in [GeneratorNorm::Pixel, GeneratorNorm::Batch, GeneratorNorm::None] {
            let architecture = Architecture { generator_norm, ..Architecture::paper(16, 4, 32, 8) };
            let generator = Generator::new(&architecture, Device::Cpu, &mut |count| vec![0.0; count]);
            for (px, fade_in) in [(4, 1.0), (8, 0.5), (16, 1.0), (16, 0.25)] {
                let state = GrowthState { resolution_px: px, fade_in };
                let steps = generator.at(state, Phase::Sampling).unwrap().steps();
                let names: BTreeSet<&str> = steps.iter().map(|step| step.name.as_str()).collect();
                assert_eq!(names.len(), steps.len(), "{names:?}");
                assert!(steps.iter().enumerate().all(|(k, step)| step.inputs.iter().all(|&i| i <= k)));
                assert_eq!(names.contains("fade.mix"), state.is_fading());
            }
        }
    }
}
