//! What a generator computes, as a list of plain steps: for writing it down in formats of other programs.

use tch::{Device, Kind, Tensor};

use super::layer::{EpilogueAt, LayerAt};
use super::mapping::MappingAt;
use super::{GeneratorAt, StartAt};
use crate::batch_norm::BatchNorm;
use crate::conv::Conv;
use crate::dense::Dense;
use crate::{NetworkError, activation, blur, pixel_norm, style};

/// A generator, or a part of one, as steps.
#[derive(Debug)]
pub struct GeneratorProgram {
    /// Tensors that are given.
    pub inputs: Vec<GeneratorInput>,
    /// What is done with them, in order; the last one's value is the result.
    pub steps: Vec<GeneratorStep>,
}

/// A tensor that a program is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratorInput {
    /// E.g. `latents`.
    pub name: String,
    /// Sizes; `None` for the number of images, for which noise may have 1.
    pub shape: Vec<Option<i64>>,
}

/// Which part of a generator.
#[derive(Debug, Clone, Copy)]
pub enum GeneratorPart<'a> {
    /// From `latents` to images, with this noise where the network takes some (none for none).
    Whole {
        /// As in [`super::GeneratorInputs`].
        noise: &'a [Tensor],
    },
    /// From `latents` to w `[N,latent_size]`.
    Mapping,
    /// From `styles`, a w for each layer `[N,layers,latent_size]`, and `noise0`, `noise1`, … to images.
    Synthesis,
}

/// One operation of a generator.
#[derive(Debug)]
pub struct GeneratorStep {
    /// Unique in its list, e.g. `r0008.conv1` or `r0008.conv1.norm`.
    pub name: String,
    /// What it works on: the inputs of the program come first, then the values of the steps in their order.
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
    /// `[N,I]` to `[N,O]`: x W' + b.
    Linear {
        /// `[O,I]`.
        weight: Tensor,
        /// `[O]`.
        bias: Tensor,
    },
    /// Latents with labels behind, `[N,latent_size + L]`, to `[N,2 latent_size]`: the label becomes as many numbers as
    /// the latent has.
    EmbeddedLabels {
        /// `[L,latent_size]`.
        weight: Tensor,
    },
    /// Layer `layer` of `[N,layers,I]`, `[N,I]`.
    Layer {
        /// From 0.
        layer: i64,
    },
    /// The same for every image: `value` `[1,C,H,W]` as often as the first axis of the input is long.
    Constant {
        /// `[1,C,H,W]`.
        value: Tensor,
    },
    /// Each pixel with its neighbours, weighted 1 2 1 in both axes, over 16; zeros beyond the edges.
    Blur {
        /// The weights for each channel, `[C,1,3,3]`.
        kernel: Tensor,
    },
    /// x + noise strength: of features and noise `[N,1,H,W]` (N or 1), or of features alone, with noise of its own.
    Noise {
        /// `[1,C,1,1]`.
        strength: Tensor,
        /// `[1,1,H,W]`, where it is no input.
        values: Option<Tensor>,
    },
    /// x + bias, by channel.
    Bias {
        /// `[1,C,1,1]`.
        bias: Tensor,
    },
    /// (x - mean) / sqrt(variance + epsilon), of each image and channel.
    InstanceNorm {
        /// C.
        channels: i64,
        /// Keeps the root from zero.
        epsilon: f64,
    },
    /// x (scale + 1) + shift, of features and a style `[N,2C]`, scales before shifts.
    Modulation {
        /// C.
        channels: i64,
    },
    /// Convolution of stride 1 with zero padding: `[N,I,H,W]` to `[N,O,H,W]`.
    Convolution {
        /// `[O,I,K,K]`.
        weight: Tensor,
        /// `[O]`; `None` where something comes before the bias.
        bias: Option<Tensor>,
        /// Zeros on each side.
        padding_px: i64,
    },
    /// Nearest-neighbour doubling and a 3x3 convolution in one: transposed convolution of stride 2 with a padding
    /// of 1, `[N,I,H,W]` to `[N,O,2H,2W]`.
    DoublingConvolution {
        /// `[I,O,4,4]`.
        weight: Tensor,
        /// `[O]`; `None` where something comes before the bias.
        bias: Option<Tensor>,
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
struct StepList {
    inputs: Vec<GeneratorInput>,
    steps: Vec<GeneratorStep>,
    /// What gives each layer its w: one value for all, or one of its own.
    styles: Styles,
    /// Fixed noise, by layer.
    noise: Vec<Tensor>,
    /// Inputs with noise, by layer.
    noise_inputs: Vec<usize>,
}

#[derive(Clone, Copy)]
enum Styles {
    None,
    Common(usize),
    ByLayer(usize),
}

impl StepList {
    fn new(inputs: Vec<GeneratorInput>) -> Self {
        Self { inputs, steps: Vec::new(), styles: Styles::None, noise: Vec::new(), noise_inputs: Vec::new() }
    }

    fn push(&mut self, name: String, inputs: &[usize], operation: GeneratorOperation) -> usize {
        self.steps.push(GeneratorStep { name, inputs: inputs.to_vec(), operation });
        self.inputs.len() + self.steps.len() - 1
    }

    fn rectify(&mut self, layer: &str, x: usize) -> usize {
        let relu = GeneratorOperation::LeakyRelu { slope: activation::NEGATIVE_SLOPE };
        self.push(format!("{layer}.relu"), &[x], relu)
    }

    /// What follows the layer called `name`, whose value `x` has its bias already or gets `bias`.
    fn finish(
        &mut self,
        name: &str,
        layer: usize,
        x: usize,
        bias: Option<&Tensor>,
        epilogue: &EpilogueAt,
    ) -> usize {
        let biased = |list: &mut Self, x| match bias {
            Some(bias) => {
                let bias = plain(&bias.view([1, -1, 1, 1]));
                list.push(format!("{name}.biased"), &[x], GeneratorOperation::Bias { bias })
            }
            None => x,
        };
        let normed = format!("{name}.norm");
        match epilogue {
            EpilogueAt::Plain => {
                let x = biased(self, x);
                self.rectify(name, x)
            }
            EpilogueAt::Pixel => {
                let x = biased(self, x);
                let x = self.rectify(name, x);
                self.push(normed, &[x], pixel())
            }
            EpilogueAt::Batch(norm) => {
                let x = biased(self, x);
                let x = self.push(normed, &[x], batch_norm(norm));
                self.rectify(name, x)
            }
            EpilogueAt::Style(parts) => {
                let channels = parts.style.bias().size()[0] / 2;
                let w = match self.styles {
                    Styles::None => 0,
                    Styles::Common(w) => w,
                    Styles::ByLayer(styles) => {
                        let operation = GeneratorOperation::Layer { layer: layer as i64 };
                        self.push(format!("{name}.w"), &[styles], operation)
                    }
                };
                let style = self.push(format!("{name}.style"), &[w], linear(&parts.style));
                let mut x = x;
                if let Some(strength) = &parts.noise {
                    let strength = plain(&strength.view([1, -1, 1, 1]));
                    let values = self.noise.get(layer).map(plain);
                    let from = self.noise_inputs.get(layer).copied();
                    if values.is_some() || from.is_some() {
                        let inputs: Vec<usize> = [x].into_iter().chain(from).collect();
                        let operation = GeneratorOperation::Noise { strength, values };
                        x = self.push(format!("{name}.noise"), &inputs, operation);
                    }
                }
                x = biased(self, x);
                x = self.rectify(name, x);
                let operation = GeneratorOperation::InstanceNorm { channels, epsilon: style::EPSILON };
                x = self.push(normed, &[x], operation);
                let operation = GeneratorOperation::Modulation { channels };
                self.push(format!("{name}.styled"), &[x, style], operation)
            }
        }
    }

    fn layer(&mut self, name: &str, layer: usize, x: usize, parts: &LayerAt) -> usize {
        let bias_later = parts.filtered || matches!(parts.epilogue, EpilogueAt::Style(_));
        let mut y = self.push(name.to_owned(), &[x], convolution(&parts.conv, !bias_later));
        if parts.filtered {
            let channels = parts.conv.bias().size()[0];
            y = self.push(
                format!("{name}.blur"),
                &[y],
                GeneratorOperation::Blur { kernel: blur::kernel_of(channels) },
            );
        }
        self.finish(name, layer, y, bias_later.then(|| parts.conv.bias()), &parts.epilogue)
    }

    fn mapping(&mut self, mapping: &MappingAt) -> usize {
        let mut x = 0;
        if let Some(labels) = &mapping.labels {
            let operation = GeneratorOperation::EmbeddedLabels { weight: plain(labels) };
            x = self.push("mapping.labels".to_owned(), &[x], operation);
        }
        x = self.push("mapping.norm".to_owned(), &[x], pixel());
        for (k, layer) in mapping.layers.iter().enumerate() {
            let name = format!("mapping.dense{k}");
            x = self.push(name.clone(), &[x], linear(layer));
            x = self.rectify(&name, x);
        }
        x
    }
}

impl GeneratorAt {
    /// What `part` of this generator computes with running statistics and f32 activations.
    ///
    /// # Errors
    /// [`NetworkError::NoStyles`] for the mapping or synthesis of a generator without; [`NetworkError::Noise`].
    pub fn program(&self, part: GeneratorPart<'_>) -> Result<GeneratorProgram, NetworkError> {
        tch::no_grad(|| self.list(part))
            .map(|list| GeneratorProgram { inputs: list.inputs, steps: list.steps })
    }

    fn list(&self, part: GeneratorPart<'_>) -> Result<StepList, NetworkError> {
        let input = |name: &str, shape: Vec<Option<i64>>| GeneratorInput { name: name.to_owned(), shape };
        let latents = || StepList::new(vec![input("latents", vec![None, Some(self.input_size())])]);
        let mut list = match part {
            GeneratorPart::Whole { noise } => {
                let mut list = latents();
                list.noise = noise.iter().map(Tensor::shallow_clone).collect();
                let (sides, found) = (self.noise_sides_px(), noise.len());
                if found > 0 && found != sides.len() {
                    return Err(NetworkError::Noise { expected: sides, found: vec![found as i64] });
                }
                if let Some(mapping) = &self.mapping {
                    list.styles = Styles::Common(list.mapping(mapping));
                }
                list
            }
            GeneratorPart::Mapping => {
                let mut list = latents();
                list.mapping(self.mapping.as_ref().ok_or(NetworkError::NoStyles)?);
                return Ok(list);
            }
            GeneratorPart::Synthesis => {
                let size = self.mean_style()?.size()[0];
                let mut inputs = vec![input("styles", vec![None, Some(self.layers() as i64), Some(size)])];
                for (layer, side) in self.noise_sides_px().into_iter().enumerate() {
                    inputs.push(input(&format!("noise{layer}"), vec![None, Some(1), Some(side), Some(side)]));
                }
                let mut list = StepList::new(inputs);
                list.noise_inputs = (1..list.inputs.len()).collect();
                list.styles = Styles::ByLayer(0);
                list
            }
        };
        self.list_synthesis(&mut list);
        Ok(list)
    }

    /// Numbers of a latent and its label.
    fn input_size(&self) -> i64 {
        match (&self.mapping, &self.start.0) {
            (Some(mapping), _) => mapping.input_size(),
            (None, StartAt::Dense(dense)) => dense.weight().size()[1],
            (None, StartAt::Constant { .. }) => 0,
        }
    }

    fn list_synthesis(&self, list: &mut StepList) {
        let mut x = match &self.start.0 {
            StartAt::Dense(dense) => {
                let from = match list.styles {
                    Styles::None => list.push("latents.norm".to_owned(), &[0], pixel()),
                    Styles::Common(w) => w,
                    Styles::ByLayer(styles) => {
                        let operation = GeneratorOperation::Layer { layer: 0 };
                        list.push("r0004.dense.input".to_owned(), &[styles], operation)
                    }
                };
                let bias_later = matches!(self.start.1, EpilogueAt::Style(_));
                let (weight, bias) = dense.weights_for_4x4();
                let bias = if bias_later { bias.zeros_like() } else { bias };
                let operation =
                    GeneratorOperation::Dense { weight: plain(&weight), bias: plain(&bias), side_px: 4 };
                let x = list.push("r0004.dense".to_owned(), &[from], operation);
                list.finish("r0004.dense", 0, x, bias_later.then(|| dense.bias()), &self.start.1)
            }
            StartAt::Constant { value, bias } => {
                let operation = GeneratorOperation::Constant { value: plain(value) };
                let x = list.push("r0004.const".to_owned(), &[0], operation);
                list.finish("r0004.const", 0, x, Some(bias), &self.start.1)
            }
        };
        x = list.layer("r0004.conv", 1, x, &self.first_conv);
        let mut below = None;
        let last_px = self.state.resolution_px;
        for (index, [up, keep]) in self.blocks.iter().enumerate() {
            let px = 8_u32 << index;
            if px == last_px {
                below = self.to_rgb_below.as_ref().map(|to_rgb| {
                    list.push(format!("r{:04}.to_rgb", px / 2), &[x], convolution(to_rgb, true))
                });
            }
            x = list.layer(&format!("r{px:04}.conv0_up"), 2 * index + 2, x, up);
            x = list.layer(&format!("r{px:04}.conv1"), 2 * index + 3, x, keep);
        }
        let image = list.push(format!("r{last_px:04}.to_rgb"), &[x], convolution(&self.to_rgb, true));
        if let Some(below) = below {
            let doubled = list.push("fade.doubled".to_owned(), &[below], GeneratorOperation::Doubling);
            let share = self.state.fade_in;
            list.push("fade.mix".to_owned(), &[doubled, image], GeneratorOperation::Mix { share });
        }
    }
}

fn plain(tensor: &Tensor) -> Tensor {
    tensor.detach().to_device(Device::Cpu).to_kind(Kind::Float).contiguous()
}

fn pixel() -> GeneratorOperation {
    GeneratorOperation::PixelNorm { epsilon: pixel_norm::EPSILON }
}

fn linear(dense: &Dense) -> GeneratorOperation {
    GeneratorOperation::Linear { weight: plain(dense.weight()), bias: plain(dense.bias()) }
}

fn convolution(conv: &Conv, with_bias: bool) -> GeneratorOperation {
    let (weight, bias) = (plain(conv.kernel()), with_bias.then(|| plain(conv.bias())));
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

    use super::GeneratorPart;
    use crate::{Architecture, Generator, GeneratorNorm, GrowthState, Phase, StyleArchitecture};
    use tch::Device;

    #[test]
    fn steps_have_names_of_their_own_and_take_only_values_before_them() {
        let norms = [GeneratorNorm::Pixel, GeneratorNorm::Batch, GeneratorNorm::None];
        let mut architectures = norms
            .map(|generator_norm| Architecture { generator_norm, ..Architecture::paper(16, 4, 32, 8) })
            .to_vec();
        let style = Architecture { label_size: 3, ..Architecture::style_based(16, 4, 32, 8) };
        let without =
            StyleArchitecture { constant_input: false, noise_inputs: false, ..StyleArchitecture::paper() };
        architectures.extend([style, Architecture { style: Some(without), ..style }]);
        for architecture in architectures {
            let generator = Generator::new(&architecture, Device::Cpu, &mut |count| vec![0.0; count]);
            for (px, fade_in) in [(4, 1.0), (8, 0.5), (16, 1.0), (16, 0.25)] {
                let state = GrowthState { resolution_px: px, fade_in };
                let at = generator.at(state, Phase::Sampling).unwrap();
                let parts =
                    [GeneratorPart::Whole { noise: &[] }, GeneratorPart::Mapping, GeneratorPart::Synthesis];
                for part in parts.into_iter().take(if architecture.style.is_some() { 3 } else { 1 }) {
                    let program = at.program(part).unwrap();
                    let names: BTreeSet<&str> = program.steps.iter().map(|step| step.name.as_str()).collect();
                    assert_eq!(names.len(), program.steps.len(), "{names:?}");
                    let given = program.inputs.len();
                    let mut steps = program.steps.iter().enumerate();
                    assert!(steps.all(|(k, step)| step.inputs.iter().all(|&i| i < k + given)));
                    let fades = state.is_fading() && !matches!(part, GeneratorPart::Mapping);
                    assert_eq!(names.contains("fade.mix"), fades);
                }
            }
        }
    }
}
