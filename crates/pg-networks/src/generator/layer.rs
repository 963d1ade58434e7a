//! A layer of the generator: a convolution and what follows it.

use tch::Tensor;

use super::LayerInputs;
use crate::batch_norm::BatchNorm;
use crate::conv::{Conv, ConvLayer, Resample};
use crate::dense::{Dense, DenseLayer};
use crate::parameters::ParameterBuilder;
use crate::style::{Noise, styled};
use crate::weight::{GAIN_LINEAR, GAIN_RELU};
use crate::{Architecture, GeneratorNorm, NetworkError, blur, leaky_relu, pixel_norm};

/// A 3x3 convolution and its [`Epilogue`].
#[derive(Debug)]
pub(super) struct Layer {
    conv: ConvLayer,
    filtered: bool,
    epilogue: Epilogue,
}

impl Layer {
    pub(super) fn new(
        builder: &mut ParameterBuilder<'_>,
        architecture: &Architecture,
        name: &str,
        shape: (i64, i64),
        resample: Resample,
    ) -> Self {
        let style = architecture.generator_weights();
        Self {
            conv: ConvLayer::new(builder, name, shape, 3, GAIN_RELU, resample, style),
            filtered: architecture.filtered_resampling && resample == Resample::Up,
            epilogue: Epilogue::new(builder, architecture, name, shape.1),
        }
    }

    pub(super) fn scaled(&self) -> LayerAt {
        LayerAt { conv: self.conv.scaled(), filtered: self.filtered, epilogue: self.epilogue.scaled() }
    }
}

/// A [`Layer`] ready to run.
#[derive(Debug)]
pub(super) struct LayerAt {
    pub(super) conv: Conv,
    pub(super) filtered: bool,
    pub(super) epilogue: EpilogueAt,
}

impl LayerAt {
    pub(super) fn forward(&self, x: &Tensor, inputs: &LayerInputs<'_>) -> Result<Tensor, NetworkError> {
        let plain = !matches!(self.epilogue, EpilogueAt::Style(_));
        if plain && !self.filtered {
            // Bias and rectifier in the convolution's own passes.
            return match &self.epilogue {
                EpilogueAt::Batch(norm) => {
                    Ok(leaky_relu(&norm.forward(&self.conv.forward(x), inputs.phase)?))
                }
                EpilogueAt::Pixel => Ok(pixel_norm(&self.conv.forward_rectified(x))),
                _ => Ok(self.conv.forward_rectified(x)),
            };
        }
        let mut y = self.conv.forward_unbiased(x);
        if self.filtered {
            y = blur(&y);
        }
        self.epilogue.forward(&y, self.conv.bias(), inputs)
    }
}

/// Bias, rectifier and normalisation: batch norm before the rectifier, pixel norm behind it; in a style-based
/// network noise, bias, rectifier, instance norm and style.
#[derive(Debug)]
pub(super) enum Epilogue {
    Plain,
    Pixel,
    Batch(BatchNorm),
    Style { noise: Option<Tensor>, style: DenseLayer },
}

impl Epilogue {
    pub(super) fn new(
        builder: &mut ParameterBuilder<'_>,
        architecture: &Architecture,
        name: &str,
        maps: i64,
    ) -> Self {
        if let Some(parts) = &architecture.style {
            let shape = (i64::from(architecture.latent_size), 2 * maps);
            let noise = parts.noise_inputs.then(|| builder.zeros(format!("{name}.noise"), &[maps]));
            let (name, weights) = (format!("{name}.style"), architecture.generator_weights());
            let style = DenseLayer::new(builder, &name, shape, GAIN_LINEAR, shape.1, weights);
            return Self::Style { noise, style };
        }
        match architecture.generator_norm {
            GeneratorNorm::Pixel => Self::Pixel,
            GeneratorNorm::Batch => Self::Batch(BatchNorm::new(builder, name, maps)),
            GeneratorNorm::None => Self::Plain,
        }
    }

    pub(super) fn scaled(&self) -> EpilogueAt {
        match self {
            Self::Plain => EpilogueAt::Plain,
            Self::Pixel => EpilogueAt::Pixel,
            Self::Batch(norm) => EpilogueAt::Batch(norm.share()),
            Self::Style { noise, style } => EpilogueAt::Style(StyleAt {
                noise: noise.as_ref().map(Tensor::shallow_clone),
                style: style.scaled(),
            }),
        }
    }
}

/// An [`Epilogue`] ready to run.
#[derive(Debug)]
pub(super) enum EpilogueAt {
    Plain,
    Pixel,
    Batch(BatchNorm),
    Style(StyleAt),
}

/// Strengths of the noise by channel, and the affine map from w to scale and shift by channel.
#[derive(Debug)]
pub(super) struct StyleAt {
    pub(super) noise: Option<Tensor>,
    pub(super) style: Dense,
}

impl EpilogueAt {
    /// Of features `[N,C,H,W]` without a bias yet.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        bias: &Tensor,
        inputs: &LayerInputs<'_>,
    ) -> Result<Tensor, NetworkError> {
        let biased = || x + bias.view([1, -1, 1, 1]).to_kind(x.kind());
        Ok(match self {
            Self::Plain => leaky_relu(&biased()),
            Self::Pixel => pixel_norm(&leaky_relu(&biased())),
            Self::Batch(norm) => leaky_relu(&norm.forward(&biased(), inputs.phase)?),
            Self::Style(parts) => {
                let style = parts.style.forward(&inputs.style()?);
                let noise = match (&parts.noise, inputs.noise) {
                    (Some(strength), Some(values)) => Some(Noise { values, strength }),
                    _ => None,
                };
                styled(x, noise.as_ref(), bias, &style)
            }
        })
    }
}

impl LayerInputs<'_> {
    /// w of this layer, `[N,latent_size]`.
    fn style(&self) -> Result<Tensor, NetworkError> {
        let styles = self.styles.ok_or(NetworkError::NoStyles)?;
        Ok(styles.select(1, self.layer as i64))
    }
}
