//! The generator (arXiv:1710.10196, section 2, appendix A and table 2).

use tch::{Device, Tensor};

use crate::equalized_layers::{
    Conv, Dense, EqualizedConv, EqualizedDense, GAIN_LINEAR, GAIN_RELU, Resample, leaky_relu,
};
use crate::parameters::{NormalSource, ParameterBuilder, Parameters};
use crate::resampling::upscale_nearest;
use crate::{Architecture, GrowthState, NetworkError, pixel_norm};

/// Latents to images. All levels' weights exist from the start; [`Self::forward`] uses those of the
/// level in force.
#[derive(Debug)]
pub struct Generator {
    architecture: Architecture,
    parameters: Parameters,
    dense: EqualizedDense,
    first_conv: EqualizedConv,
    /// Two convolutions for each resolution from 8 px.
    blocks: Vec<(EqualizedConv, EqualizedConv)>,
    /// One 1x1 convolution to colours for each resolution from 4 px.
    to_rgb: Vec<EqualizedConv>,
}

impl Generator {
    /// A generator with weights from `draw`, on `device`.
    pub fn new(architecture: &Architecture, device: Device, draw: NormalSource<'_>) -> Self {
        let maps = |stage| architecture.feature_maps(stage);
        let latent = i64::from(architecture.latent_size);
        let colours = i64::from(architecture.image_channels);
        let mut builder = ParameterBuilder::new(device, draw);
        let b = &mut builder;

        // The gain of a quarter makes up for the latent's unit length per component.
        let shape = (latent, maps(1) * 16);
        let dense = EqualizedDense::new(b, "r0004.dense", shape, GAIN_RELU / 4.0, maps(1));
        let mut conv = |name: String, shape, kernel_px, gain, resample| {
            EqualizedConv::new(b, &name, shape, kernel_px, gain, resample)
        };
        let first_conv = conv("r0004.conv".to_owned(), (maps(1), maps(1)), 3, GAIN_RELU, Resample::Keep);
        let mut blocks = Vec::new();
        let mut to_rgb = Vec::new();
        for px in architecture.resolutions_px() {
            let stage = px.ilog2() - 1;
            if px > 4 {
                let up = (maps(stage - 1), maps(stage));
                let keep = (maps(stage), maps(stage));
                blocks.push((
                    conv(format!("r{px:04}.conv0_up"), up, 3, GAIN_RELU, Resample::Up),
                    conv(format!("r{px:04}.conv1"), keep, 3, GAIN_RELU, Resample::Keep),
                ));
            }
            let shape = (maps(stage), colours);
            to_rgb.push(conv(format!("r{px:04}.to_rgb"), shape, 1, GAIN_LINEAR, Resample::Keep));
        }
        Self { architecture: *architecture, parameters: builder.finish(), dense, first_conv, blocks, to_rgb }
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

    /// The weights that [`Self::forward`] uses in `state`, in the order of [`Self::parameters`].
    #[must_use]
    pub fn active(&self, state: GrowthState) -> Vec<(&str, &Tensor)> {
        self.parameters.iter().filter(|(name, _)| is_active(name, ".to_rgb.", state)).collect()
    }

    /// The network at the level of `state`, its weights scaled once for any number of forward passes
    /// until the optimiser changes them.
    ///
    /// # Errors
    /// [`NetworkError::Resolution`] for a level that the network does not have.
    pub fn at(&self, state: GrowthState) -> Result<GeneratorAt, NetworkError> {
        state.check(&self.architecture)?;
        let level = (state.resolution_px.ilog2() - 2) as usize; // 0 at 4 px
        let blocks = self.blocks.iter().take(level);
        Ok(GeneratorAt {
            state,
            dense: self.dense.scaled(),
            first_conv: self.first_conv.scaled(),
            blocks: blocks.map(|(up, keep)| (up.scaled(), keep.scaled())).collect(),
            to_rgb_below: state.is_fading().then(|| self.to_rgb[level - 1].scaled()),
            to_rgb: self.to_rgb[level].scaled(),
        })
    }

    /// [`GeneratorAt::forward`] for a single pass.
    ///
    /// # Errors
    /// [`NetworkError::Resolution`] for a level that the network does not have.
    pub fn forward(&self, latents: &Tensor, state: GrowthState) -> Result<Tensor, NetworkError> {
        Ok(self.at(state)?.forward(latents))
    }
}

/// A [`Generator`] at one level.
#[derive(Debug)]
pub struct GeneratorAt {
    state: GrowthState,
    dense: Dense,
    first_conv: Conv,
    blocks: Vec<(Conv, Conv)>,
    to_rgb_below: Option<Conv>,
    to_rgb: Conv,
}

impl GeneratorAt {
    /// Latents `[N,latent_size]` of any length to images `[N,C,R,R]`, nominally in [-1, 1]
    /// (linear output, not clamped).
    ///
    /// While a level fades in, the image is the mix of its colours and the doubled colours of the
    /// level below (figure 2).
    pub fn forward(&self, latents: &Tensor) -> Tensor {
        let z = pixel_norm(latents);
        let mut x = pixel_norm(&leaky_relu(&self.dense.forward_to_4x4(&z)));
        x = pixel_norm(&leaky_relu(&self.first_conv.forward(&x)));
        let mut below = None;
        for (index, (up, keep)) in self.blocks.iter().enumerate() {
            if index + 1 == self.blocks.len() {
                below = self.to_rgb_below.as_ref().map(|to_rgb| to_rgb.forward(&x));
            }
            x = pixel_norm(&leaky_relu(&up.forward(&x)));
            x = pixel_norm(&leaky_relu(&keep.forward(&x)));
        }
        let image = self.to_rgb.forward(&x);
        match below {
            Some(below) => upscale_nearest(&below).lerp(&image, self.state.fade_in),
            None => image,
        }
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
