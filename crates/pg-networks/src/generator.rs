//! The generators: ProGAN's (arXiv:1710.10196, section 2, appendix A and table 2) and the style-based one
//! (arXiv:1812.04948, section 2), which share their growth, convolutions and colours.

mod layer;
mod mapping;
mod steps;

use tch::{Device, Kind, Tensor};

use self::layer::{Epilogue, EpilogueAt, Layer, LayerAt};
use self::mapping::{Mapping, MappingAt};
pub use self::steps::{GeneratorInput, GeneratorOperation, GeneratorPart, GeneratorProgram, GeneratorStep};
use crate::batch_norm::Phase;
use crate::conv::{Conv, ConvLayer, Resample};
use crate::dense::{Dense, DenseLayer};
use crate::parameters::{NormalSource, ParameterBuilder, Parameters};
use crate::precision::{narrowed, widened};
use crate::resampling::upscale_nearest;
use crate::weight::{GAIN_LINEAR, GAIN_RELU};
use crate::{Architecture, GrowthState, NetworkError, pixel_norm};

/// Latents to images. All levels' weights exist from the start; [`Self::forward`] uses those of the
/// level in force.
#[derive(Debug)]
pub struct Generator {
    architecture: Architecture,
    parameters: Parameters,
    activations: Kind,
    mapping: Option<Mapping>,
    start: (Start, Epilogue),
    first_conv: Layer,
    /// Two convolutions for each resolution from 8 px.
    blocks: Vec<[Layer; 2]>,
    /// One 1x1 convolution to colours for each resolution from 4 px.
    to_rgb: Vec<ConvLayer>,
}

/// Where the features at 4x4 come from.
#[derive(Debug)]
enum Start {
    /// A dense layer of the latent, or of w.
    Dense(DenseLayer),
    /// Learned, `[1,C,4,4]`, with a bias.
    Constant { value: Tensor, bias: Tensor },
}

/// A [`Start`] ready to run.
#[derive(Debug)]
enum StartAt {
    Dense(Dense),
    Constant { value: Tensor, bias: Tensor },
}

impl Generator {
    /// A generator with weights from `draw`, on `device`.
    pub fn new(architecture: &Architecture, device: Device, draw: NormalSource<'_>) -> Self {
        let maps = |stage| architecture.feature_maps(stage);
        let colours = i64::from(architecture.image_channels);
        let mut builder = ParameterBuilder::new(device, draw);
        let b = &mut builder;
        let weights = architecture.generator_weights();

        let mapping = architecture.style.as_ref().map(|style| Mapping::new(b, architecture, style));
        let constant = architecture.style.is_some_and(|style| style.constant_input);
        let start = if constant {
            let value = b.constant("r0004.const.value".to_owned(), &[1, maps(1), 4, 4], 1.0);
            let bias = b.zeros("r0004.const.bias".to_owned(), &[maps(1)]);
            let epilogue = Epilogue::new(b, architecture, "r0004.const", maps(1));
            (Start::Constant { value, bias }, epilogue)
        } else {
            // The labels are in w already. The gain of a quarter makes up for a unit mean square by component.
            let labels = if mapping.is_some() { 0 } else { architecture.label_size };
            let shape = (i64::from(architecture.latent_size + labels), maps(1) * 16);
            let dense = DenseLayer::new(b, "r0004.dense", shape, GAIN_RELU / 4.0, maps(1), weights);
            (Start::Dense(dense), Epilogue::new(b, architecture, "r0004.dense", maps(1)))
        };
        let mut layer = |name: &str, shape, resample| Layer::new(b, architecture, name, shape, resample);
        let first_conv = layer("r0004.conv", (maps(1), maps(1)), Resample::Keep);
        let mut blocks = Vec::new();
        for px in architecture.resolutions_px().skip(1) {
            let stage = px.ilog2() - 1;
            let (below, here) = (maps(stage - 1), maps(stage));
            blocks.push([
                layer(&format!("r{px:04}.conv0_up"), (below, here), Resample::Up),
                layer(&format!("r{px:04}.conv1"), (here, here), Resample::Keep),
            ]);
        }
        let to_rgb = architecture
            .resolutions_px()
            .map(|px| {
                let (name, shape) = (format!("r{px:04}.to_rgb"), (maps(px.ilog2() - 1), colours));
                ConvLayer::new(b, &name, shape, 1, GAIN_LINEAR, Resample::Keep, weights)
            })
            .collect();
        Self {
            architecture: *architecture,
            parameters: builder.finish(),
            activations: Kind::Float,
            mapping,
            start,
            first_conv,
            blocks,
            to_rgb,
        }
    }

    /// The same network computing with activations of `kind`: f32, or bf16 with weights, normalisation and
    /// images still in f32.
    #[must_use]
    pub fn with_activations(mut self, kind: Kind) -> Self {
        self.activations = kind;
        self
    }

    /// The weights.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The shape this network was built with.
    #[must_use]
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The trained weights that [`Self::forward`] uses in `state`, in the order of [`Self::parameters`].
    #[must_use]
    pub fn active(&self, state: GrowthState) -> Vec<(&str, &Tensor)> {
        self.parameters.trained().filter(|(name, _)| is_active(name, ".to_rgb.", state)).collect()
    }

    /// Indices of [`Self::active`] in about the order in which a backward pass completes their gradients: dense layers,
    /// scaled once before everything else, come last.
    #[must_use]
    pub fn backward_order(&self, state: GrowthState) -> Vec<usize> {
        let active = self.active(state);
        let mut order: Vec<usize> = (0..active.len()).rev().collect();
        order.sort_by_key(|&index| is_dense(active[index].1));
        order
    }

    /// The network at the level of `state`, its weights scaled once for any number of forward passes
    /// until the optimiser changes them.
    ///
    /// # Errors
    /// [`NetworkError::Resolution`] for a level that the network does not have.
    pub fn at(&self, state: GrowthState, phase: Phase) -> Result<GeneratorAt, NetworkError> {
        state.check(&self.architecture)?;
        let level = (state.resolution_px.ilog2() - 2) as usize; // 0 at 4 px
        let blocks = self.blocks.iter().take(level);
        let start = match &self.start.0 {
            Start::Dense(dense) => StartAt::Dense(dense.scaled()),
            Start::Constant { value, bias } => {
                StartAt::Constant { value: value.shallow_clone(), bias: bias.shallow_clone() }
            }
        };
        Ok(GeneratorAt {
            state,
            phase,
            activations: self.activations,
            mapping: self.mapping.as_ref().map(Mapping::scaled),
            start: (start, self.start.1.scaled()),
            first_conv: self.first_conv.scaled(),
            blocks: blocks.map(|block| block.each_ref().map(Layer::scaled)).collect(),
            to_rgb_below: state.is_fading().then(|| self.to_rgb[level - 1].scaled()),
            to_rgb: self.to_rgb[level].scaled(),
        })
    }

    /// [`GeneratorAt::forward`] for a single pass with running statistics, where there are some.
    ///
    /// # Errors
    /// [`NetworkError::Resolution`] for a level that the network does not have.
    pub fn forward(&self, latents: &Tensor, state: GrowthState) -> Result<Tensor, NetworkError> {
        self.at(state, Phase::Sampling)?.forward(latents)
    }
}

/// What a style-based generator draws images from, beside its weights.
#[derive(Debug, Clone, Copy)]
pub struct GeneratorInputs<'a> {
    /// `[N,latent_size + label_size]` of any length, the label behind the latent.
    pub latents: &'a Tensor,
    /// Other latents, and the first layer that takes its style from them (arXiv:1812.04948, section 3.1). ProGAN's
    /// generator takes no notice.
    pub mixed: Option<(&'a Tensor, usize)>,
    /// A picture of noise for each of [`GeneratorAt::noise_sides_px`], `[N,1,S,S]` or `[1,1,S,S]`; none for none.
    pub noise: &'a [Tensor],
}

/// A [`Generator`] at one level.
#[derive(Debug)]
pub struct GeneratorAt {
    state: GrowthState,
    phase: Phase,
    activations: Kind,
    mapping: Option<MappingAt>,
    start: (StartAt, EpilogueAt),
    first_conv: LayerAt,
    blocks: Vec<[LayerAt; 2]>,
    to_rgb_below: Option<Conv>,
    to_rgb: Conv,
}

/// What a layer takes beside the features.
#[derive(Clone, Copy)]
struct LayerInputs<'a> {
    phase: Phase,
    layer: usize,
    /// `[N,layers,latent_size]`.
    styles: Option<&'a Tensor>,
    noise: Option<&'a Tensor>,
}

impl GeneratorAt {
    /// Layers that take a style and noise: two for each resolution from 4 px on.
    #[must_use]
    pub fn layers(&self) -> usize {
        2 * (self.blocks.len() + 1)
    }

    /// Sides of the pictures of noise that the layers take, in their order; none without noise.
    #[must_use]
    pub fn noise_sides_px(&self) -> Vec<i64> {
        let noisy = matches!(&self.start.1, EpilogueAt::Style(style) if style.noise.is_some());
        let layers = if noisy { self.layers() } else { 0 };
        (0..layers).map(|layer| 4 << (layer / 2)).collect()
    }

    /// Latents `[N,latent_size + label_size]` of any length, the label behind the latent, to images
    /// `[N,C,R,R]`, f32, nominally in [-1, 1] (linear output, not clamped); without noise.
    ///
    /// While a level fades in, the image is the mix of its colours and the doubled colours of the
    /// level below (figure 2).
    ///
    /// # Errors
    /// libtorch's, for latents of another size.
    pub fn forward(&self, latents: &Tensor) -> Result<Tensor, NetworkError> {
        self.draw(&GeneratorInputs { latents, mixed: None, noise: &[] })
    }

    /// [`Self::forward`] with all that a style-based generator can take. In training its running mean of w follows.
    ///
    /// # Errors
    /// [`NetworkError::Noise`] for noise of other layers; libtorch's, for latents or noise of another size.
    pub fn draw(&self, inputs: &GeneratorInputs<'_>) -> Result<Tensor, NetworkError> {
        let Some(mapping) = &self.mapping else {
            return self.synthesise_from(&pixel_norm(inputs.latents), None, &[]);
        };
        let w = mapping.forward(inputs.latents);
        if self.phase == Phase::Training {
            mapping.observe(&w)?;
        }
        let (layers, size) = (self.layers() as i64, w.size()[1]);
        let repeated = |w: &Tensor, layers| w.unsqueeze(1).expand([-1, layers, size], false);
        let styles = match inputs.mixed {
            Some((others, first)) if (first as i64) < layers => {
                let first = first as i64;
                let others = mapping.forward(others);
                Tensor::cat(&[repeated(&w, first), repeated(&others, layers - first)], 1)
            }
            _ => repeated(&w, layers),
        };
        self.synthesise(&styles, inputs.noise)
    }

    /// Latents as for [`Self::forward`] to w, `[N,latent_size]`.
    ///
    /// # Errors
    /// [`NetworkError::NoStyles`] without a mapping network; libtorch's, for latents of another size.
    pub fn map(&self, latents: &Tensor) -> Result<Tensor, NetworkError> {
        Ok(self.mapping.as_ref().ok_or(NetworkError::NoStyles)?.forward(latents))
    }

    /// The running mean of w, `[latent_size]`.
    ///
    /// # Errors
    /// [`NetworkError::NoStyles`] without a mapping network.
    pub fn mean_style(&self) -> Result<&Tensor, NetworkError> {
        Ok(self.mapping.as_ref().ok_or(NetworkError::NoStyles)?.average())
    }

    /// A w for each image and layer `[N,layers,latent_size]`, and noise as in [`GeneratorInputs`], to images.
    ///
    /// # Errors
    /// [`NetworkError::NoStyles`] without a mapping network; [`NetworkError::Noise`]; libtorch's.
    pub fn synthesise(&self, styles: &Tensor, noise: &[Tensor]) -> Result<Tensor, NetworkError> {
        if self.mapping.is_none() {
            return Err(NetworkError::NoStyles);
        }
        let sides = self.noise_sides_px();
        let found: Vec<i64> = noise.iter().map(|noise| *noise.size().last().unwrap_or(&0)).collect();
        if !noise.is_empty() && found != sides {
            return Err(NetworkError::Noise { expected: sides, found });
        }
        self.synthesise_from(&styles.select(1, 0), Some(styles), noise)
    }

    fn synthesise_from(
        &self,
        first: &Tensor,
        styles: Option<&Tensor>,
        noise: &[Tensor],
    ) -> Result<Tensor, NetworkError> {
        let inputs = |layer: usize| LayerInputs { phase: self.phase, layer, styles, noise: noise.get(layer) };
        let (x, bias) = match &self.start.0 {
            StartAt::Dense(dense) => (dense.forward_to_4x4(first), dense.bias()),
            StartAt::Constant { value, bias } => (value.expand([first.size()[0], -1, -1, -1], false), bias),
        };
        let mut x = self.start.1.forward(&narrowed(&x, self.activations), bias, &inputs(0))?;
        x = self.first_conv.forward(&x, &inputs(1))?;
        let mut below = None;
        for (index, [up, keep]) in self.blocks.iter().enumerate() {
            if index + 1 == self.blocks.len() {
                below = self.to_rgb_below.as_ref().map(|to_rgb| widened(&to_rgb.forward(&x)));
            }
            x = up.forward(&x, &inputs(2 * index + 2))?;
            x = keep.forward(&x, &inputs(2 * index + 3))?;
        }
        let image = widened(&self.to_rgb.forward(&x));
        Ok(match below {
            Some(below) => upscale_nearest(&below).lerp(&image, self.state.fade_in),
            None => image,
        })
    }
}

/// Whether a parameter called `r<px>.<layer>` takes part: blocks up to the resolution in force, the
/// colour layer (its marker is `colour`) of that resolution, and of the one below while it fades out.
pub(crate) fn is_active(name: &str, colour: &str, state: GrowthState) -> bool {
    let px: u32 = name.get(1..5).and_then(|digits| digits.parse().ok()).unwrap_or(0);
    if name.contains(colour) {
        px == state.resolution_px || (state.is_fading() && px * 2 == state.resolution_px)
    } else {
        px <= state.resolution_px
    }
}

/// Whether a weight is a matrix: only dense layers have such.
pub(crate) fn is_dense(weight: &Tensor) -> bool {
    weight.dim() == 2
}
