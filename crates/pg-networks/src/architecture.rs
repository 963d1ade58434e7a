//! What fixes both networks' shapes.

use crate::weight::WeightStyle;

/// Normalisation after the generator's convolutions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GeneratorNorm {
    /// Every pixel's features to unit length (arXiv:1710.10196, section 4.2).
    Pixel,
    /// Batch normalisation, before the rectifier.
    Batch,
    /// None.
    None,
}

/// Normalisation in the discriminator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiscriminatorNorm {
    /// None, as in the paper.
    None,
    /// Layer normalisation of every image's features, before the rectifier (arXiv:1704.00028).
    Layer,
    /// Every layer's weights by their largest singular value (arXiv:1802.05957).
    Spectral,
}

/// Shape of generator and discriminator.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Architecture {
    /// Full resolution in pixels, a power of two of at least 4.
    pub resolution_px: u32,
    /// Colour channels of the images: 1 or 3.
    pub image_channels: u32,
    /// Components of the latent.
    pub latent_size: u32,
    /// Components of a label, which the generator takes behind the latent and the discriminator gives beside
    /// the score; 0 for networks without labels.
    pub label_size: u32,
    /// Feature maps before the cap: `fmap_base / 2^stage`.
    pub fmap_base: u32,
    /// Most feature maps of any layer.
    pub fmap_max: u32,
    /// Weights drawn from N(0, 1) and scaled at run time (section 4.1), or drawn with He's deviation.
    pub equalized_lr: bool,
    /// Normalisation in the generator.
    pub generator_norm: GeneratorNorm,
    /// Normalisation in the discriminator.
    pub discriminator_norm: DiscriminatorNorm,
    /// Images per group of the minibatch standard deviation; 0 leaves the layer out.
    pub minibatch_stddev_group: u32,
    /// Kernels of minibatch discrimination; 0 leaves the layer out.
    pub minibatch_discrimination: u32,
    /// A low pass of [1 2 1] behind the generator's doublings and before the discriminator's halvings
    /// (arXiv:1812.04948, section 2: bilinear sampling).
    pub filtered_resampling: bool,
    /// What makes the generator style-based; `generator_norm` has no part in it then.
    pub style: Option<StyleArchitecture>,
}

/// Parts of the style-based generator (arXiv:1812.04948, section 2; table 1, from (c) on).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StyleArchitecture {
    /// Dense layers of the mapping network, from z to w; each has as many outputs as the latent components.
    pub mapping_layers: u32,
    /// Factor of the learning rate of the mapping network, put into its weights.
    pub mapping_lr_multiplier: f64,
    /// The 4x4 features are learned (from (d) on), not computed from w.
    pub constant_input: bool,
    /// Every layer adds noise of its own (from (e) on).
    pub noise_inputs: bool,
    /// Decay of the running mean of w, per pass in training.
    pub w_average_decay: f64,
}

impl StyleArchitecture {
    /// The paper's: eight layers, a hundredth of the learning rate, learned constant and noise.
    #[must_use]
    pub fn paper() -> Self {
        Self {
            mapping_layers: 8,
            mapping_lr_multiplier: 0.01,
            constant_input: true,
            noise_inputs: true,
            w_average_decay: 0.995,
        }
    }
}

impl Architecture {
    /// The paper's networks: equalised learning rate, pixel norm, minibatch standard deviation over four.
    #[must_use]
    pub fn paper(resolution_px: u32, latent_size: u32, fmap_base: u32, fmap_max: u32) -> Self {
        Self {
            resolution_px,
            image_channels: 3,
            latent_size,
            label_size: 0,
            fmap_base,
            fmap_max,
            equalized_lr: true,
            generator_norm: GeneratorNorm::Pixel,
            discriminator_norm: DiscriminatorNorm::None,
            minibatch_stddev_group: 4,
            minibatch_discrimination: 0,
            filtered_resampling: false,
            style: None,
        }
    }

    /// The style-based generator with its discriminator (arXiv:1812.04948, configuration F).
    #[must_use]
    pub fn style_based(resolution_px: u32, latent_size: u32, fmap_base: u32, fmap_max: u32) -> Self {
        Self {
            generator_norm: GeneratorNorm::None,
            filtered_resampling: true,
            style: Some(StyleArchitecture::paper()),
            ..Self::paper(resolution_px, latent_size, fmap_base, fmap_max)
        }
    }

    /// Feature maps at `stage` = log2(resolution) - 1: min(fmap_base / 2^stage, fmap_max)
    /// (arXiv:1710.10196, table 2).
    #[must_use]
    pub fn feature_maps(&self, stage: u32) -> i64 {
        i64::from((self.fmap_base >> stage).min(self.fmap_max))
    }

    /// The resolutions of all levels in pixels, 4 first.
    pub fn resolutions_px(&self) -> impl Iterator<Item = u32> + use<> {
        (2..=self.resolution_px.ilog2()).map(|log2| 1 << log2)
    }

    pub(crate) fn generator_weights(&self) -> WeightStyle {
        WeightStyle { equalized: self.equalized_lr, spectral: false, lr_multiplier: 1.0 }
    }

    pub(crate) fn discriminator_weights(&self) -> WeightStyle {
        let spectral = self.discriminator_norm == DiscriminatorNorm::Spectral;
        WeightStyle { equalized: self.equalized_lr, spectral, lr_multiplier: 1.0 }
    }
}
