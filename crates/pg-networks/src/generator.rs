//! The generator (arXiv:1710.10196, section 2, appendix A and table 2).

mod steps;

use tch::{Device, Kind, Tensor};

pub use self::steps::{GeneratorOperation, GeneratorStep};
use crate::batch_norm::{BatchNorm, Phase};
use crate::conv::{Conv, ConvLayer, Resample};
use crate::dense::{Dense, DenseLayer};
use crate::parameters::{NormalSource, ParameterBuilder, Parameters};
use crate::precision::{narrowed, widened};
use crate::resampling::upscale_nearest;
use crate::weight::{GAIN_LINEAR, GAIN_RELU};
use crate::{Architecture, GeneratorNorm, GrowthState, NetworkError, leaky_relu, pixel_norm};

/// Latents to images. All levels' weights exist from the start; [`Self::forward`] uses those of the
/// level in force.
#[derive(Debug)]
pub struct Generator {
    architecture: Architecture,
    parameters: Parameters,
    activations: Kind,
    dense: DenseLayer,
    dense_norm: Option<BatchNorm>,
    first_conv: NormalisedLayer,
    /// Two convolutions for each resolution from 8 px.
    blocks: Vec<[NormalisedLayer; 2]>,
    /// One 1x1 convolution to colours for each resolution from 4 px.
    to_rgb: Vec<ConvLayer>,
}

/// A convolution and, in the baseline, its batch norm.
#[derive(Debug)]
struct NormalisedLayer {
    conv: ConvLayer,
    norm: Option<BatchNorm>,
}

impl NormalisedLayer {
    fn new(
        builder: &mut ParameterBuilder<'_>,
        architecture: &Architecture,
        name: &str,
        shape: (i64, i64),
        resample: Resample,
    ) -> Self {
        let style = architecture.generator_weights();
        let conv = ConvLayer::new(builder, name, shape, 3, GAIN_RELU, resample, style);
        let norm = batch_norm(builder, architecture, name, shape.1);
        Self { conv, norm }
    }

    fn scaled(&self) -> (Conv, Option<BatchNorm>) {
        (self.conv.scaled(), self.norm.as_ref().map(BatchNorm::share))
    }
}

fn batch_norm(
    builder: &mut ParameterBuilder<'_>,
    architecture: &Architecture,
    name: &str,
    maps: i64,
) -> Option<BatchNorm> {
    (architecture.generator_norm == GeneratorNorm::Batch).then(|| BatchNorm::new(builder, name, maps))
}

impl Generator {
    /// A generator with weights from `draw`, on `device`.
    pub fn new(architecture: &Architecture, device: Device, draw: NormalSource<'_>) -> Self {
        let maps = |stage| architecture.feature_maps(stage);
        let latent = i64::from(architecture.latent_size + architecture.label_size);
        let colours = i64::from(architecture.image_channels);
        let mut builder = ParameterBuilder::new(device, draw);
        let b = &mut builder;

        // The gain of a quarter makes up for the latent's unit length per component.
        let (shape, style) = ((latent, maps(1) * 16), architecture.generator_weights());
        let dense = DenseLayer::new(b, "r0004.dense", shape, GAIN_RELU / 4.0, maps(1), style);
        let dense_norm = batch_norm(b, architecture, "r0004.dense", maps(1));
        let mut layer =
            |name: &str, shape, resample| NormalisedLayer::new(b, architecture, name, shape, resample);
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
                ConvLayer::new(b, &name, shape, 1, GAIN_LINEAR, Resample::Keep, style)
            })
            .collect();
        Self {
            architecture: *architecture,
            parameters: builder.finish(),
            activations: Kind::Float,
            dense,
            dense_norm,
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

    /// The network at the level of `state`, its weights scaled once for any number of forward passes
    /// until the optimiser changes them.
    ///
    /// # Errors
    /// [`NetworkError::Resolution`] for a level that the network does not have.
    pub fn at(&self, state: GrowthState, phase: Phase) -> Result<GeneratorAt, NetworkError> {
        state.check(&self.architecture)?;
        let level = (state.resolution_px.ilog2() - 2) as usize; // 0 at 4 px
        let blocks = self.blocks.iter().take(level);
        Ok(GeneratorAt {
            state,
            phase,
            norm: self.architecture.generator_norm,
            activations: self.activations,
            dense: (self.dense.scaled(), self.dense_norm.as_ref().map(BatchNorm::share)),
            first_conv: self.first_conv.scaled(),
            blocks: blocks.map(|block| block.each_ref().map(NormalisedLayer::scaled)).collect(),
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

/// A [`Generator`] at one level.
#[derive(Debug)]
pub struct GeneratorAt {
    state: GrowthState,
    phase: Phase,
    norm: GeneratorNorm,
    activations: Kind,
    dense: (Dense, Option<BatchNorm>),
    first_conv: (Conv, Option<BatchNorm>),
    blocks: Vec<[(Conv, Option<BatchNorm>); 2]>,
    to_rgb_below: Option<Conv>,
    to_rgb: Conv,
}

impl GeneratorAt {
    /// Latents `[N,latent_size + label_size]` of any length, the label behind the latent, to images
    /// `[N,C,R,R]`, f32, nominally in [-1, 1] (linear output, not clamped).
    ///
    /// While a level fades in, the image is the mix of its colours and the doubled colours of the
    /// level below (figure 2).
    ///
    /// # Errors
    /// libtorch's, for latents of another size.
    pub fn forward(&self, latents: &Tensor) -> Result<Tensor, NetworkError> {
        let z = pixel_norm(latents);
        let x = narrowed(&self.dense.0.forward_to_4x4(&z), self.activations);
        let mut x = match (self.norm, &self.dense.1) {
            (_, Some(norm)) => leaky_relu(&norm.forward(&x, self.phase)?),
            (GeneratorNorm::Pixel, None) => pixel_norm(&leaky_relu(&x)),
            (_, None) => leaky_relu(&x),
        };
        x = self.layer(&x, &self.first_conv)?;
        let mut below = None;
        for (index, [up, keep]) in self.blocks.iter().enumerate() {
            if index + 1 == self.blocks.len() {
                below = self.to_rgb_below.as_ref().map(|to_rgb| widened(&to_rgb.forward(&x)));
            }
            x = self.layer(&x, up)?;
            x = self.layer(&x, keep)?;
        }
        let image = widened(&self.to_rgb.forward(&x));
        Ok(match below {
            Some(below) => upscale_nearest(&below).lerp(&image, self.state.fade_in),
            None => image,
        })
    }

    /// Convolution, rectifier and pixel norm; batch norm comes before the rectifier.
    fn layer(&self, x: &Tensor, (conv, norm): &(Conv, Option<BatchNorm>)) -> Result<Tensor, NetworkError> {
        Ok(match (self.norm, norm) {
            (_, Some(norm)) => leaky_relu(&norm.forward(&conv.forward(x), self.phase)?),
            (GeneratorNorm::Pixel, None) => pixel_norm(&conv.forward_rectified(x)),
            (_, None) => conv.forward_rectified(x),
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
