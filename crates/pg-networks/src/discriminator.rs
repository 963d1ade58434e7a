//! The discriminator (arXiv:1710.10196, section 2, appendix A and table 2).

use tch::{Device, Kind, Tensor};

use crate::conv::{Conv, ConvLayer, Resample};
use crate::dense::{Dense, DenseLayer};
use crate::generator::{is_active, is_dense};
use crate::layer_norm::LayerNorm;
use crate::minibatch_discrimination::MinibatchDiscrimination;
use crate::multiplicative_noise::{MultiplicativeNoise, noisy};
use crate::parameters::{NormalSource, ParameterBuilder, Parameters};
use crate::precision::{narrowed, widened};
use crate::resampling::downscale_box;
use crate::weight::{GAIN_LINEAR, GAIN_RELU};
use crate::{Architecture, DiscriminatorNorm, GrowthState, NetworkError, blur, leaky_relu, minibatch_stddev};

/// Images to one score each, and to a label where the network has labels. All levels' weights exist from
/// the start; [`Self::forward`] uses those of the level in force.
#[derive(Debug)]
pub struct Discriminator {
    architecture: Architecture,
    parameters: Parameters,
    activations: Kind,
    /// One 1x1 convolution from colours for each resolution from 4 px.
    from_rgb: Vec<ConvLayer>,
    /// Two convolutions for each resolution from 8 px.
    blocks: Vec<[NormalisedLayer; 2]>,
    last_conv: NormalisedLayer,
    discrimination: Option<MinibatchDiscrimination>,
    dense: (DenseLayer, Option<LayerNorm>),
    score: DenseLayer,
}

/// A convolution and, in the baseline, its layer norm.
#[derive(Debug)]
struct NormalisedLayer {
    conv: ConvLayer,
    norm: Option<LayerNorm>,
}

impl NormalisedLayer {
    fn new(
        builder: &mut ParameterBuilder<'_>,
        architecture: &Architecture,
        name: &str,
        shape: (i64, i64),
        resample: Resample,
    ) -> Self {
        let style = architecture.discriminator_weights();
        let conv = ConvLayer::new(builder, name, shape, 3, GAIN_RELU, resample, style);
        Self { conv, norm: layer_norm(builder, architecture, name, shape.1) }
    }

    fn scaled(&self) -> (Conv, Option<LayerNorm>) {
        (self.conv.scaled(), self.norm.as_ref().map(LayerNorm::share))
    }
}

fn layer_norm(
    builder: &mut ParameterBuilder<'_>,
    architecture: &Architecture,
    name: &str,
    maps: i64,
) -> Option<LayerNorm> {
    (architecture.discriminator_norm == DiscriminatorNorm::Layer).then(|| LayerNorm::new(builder, name, maps))
}

impl Discriminator {
    /// A discriminator with weights from `draw`, on `device`.
    pub fn new(architecture: &Architecture, device: Device, draw: NormalSource<'_>) -> Self {
        let maps = |stage| architecture.feature_maps(stage);
        let colours = i64::from(architecture.image_channels);
        let extra = i64::from(architecture.minibatch_stddev_group > 0);
        let style = architecture.discriminator_weights();
        let mut builder = ParameterBuilder::new(device, draw);
        let b = &mut builder;
        let shape = (maps(1) + extra, maps(1));
        let last_conv = NormalisedLayer::new(b, architecture, "r0004.conv", shape, Resample::Keep);
        let mut from_rgb = Vec::new();
        let mut blocks = Vec::new();
        for px in architecture.resolutions_px() {
            let stage = px.ilog2() - 1;
            let (name, shape) = (format!("r{px:04}.from_rgb"), (colours, maps(stage)));
            from_rgb.push(ConvLayer::new(b, &name, shape, 1, GAIN_RELU, Resample::Keep, style));
            if px > 4 {
                let mut layer = |name: &str, outputs, resample| {
                    let name = format!("r{px:04}.{name}");
                    NormalisedLayer::new(b, architecture, &name, (maps(stage), outputs), resample)
                };
                blocks.push([
                    layer("conv0", maps(stage), Resample::Keep),
                    layer("conv1_down", maps(stage - 1), Resample::Down),
                ]);
            }
        }
        let features = maps(1) * 16;
        let kernels = i64::from(architecture.minibatch_discrimination);
        let discrimination =
            (kernels > 0).then(|| MinibatchDiscrimination::new(b, "r0004.discrimination", features, kernels));
        let shape = (features + kernels, maps(0));
        let dense = DenseLayer::new(b, "r0004.dense", shape, GAIN_RELU, maps(0), style);
        let dense_norm = layer_norm(b, architecture, "r0004.dense", maps(0));
        let outputs = 1 + i64::from(architecture.label_size);
        let score = DenseLayer::new(b, "r0004.score", (maps(0), outputs), GAIN_LINEAR, outputs, style);
        Self {
            architecture: *architecture,
            parameters: builder.finish(),
            activations: Kind::Float,
            from_rgb,
            blocks,
            last_conv,
            discrimination,
            dense: (dense, dense_norm),
            score,
        }
    }

    /// The same network computing with activations of `kind`: f32, or bf16 with weights, normalisation, the
    /// dense layers and scores still in f32.
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

    /// The trained weights that [`Self::forward`] uses in `state`, in the order of [`Self::parameters`].
    #[must_use]
    pub fn active(&self, state: GrowthState) -> Vec<(&str, &Tensor)> {
        self.parameters.trained().filter(|(name, _)| is_active(name, ".from_rgb.", state)).collect()
    }

    /// Indices of [`Self::active`] in about the order in which a backward pass completes their gradients: dense layers,
    /// scaled once before everything else, come last.
    #[must_use]
    pub fn backward_order(&self, state: GrowthState) -> Vec<usize> {
        let active = self.active(state);
        let mut order: Vec<usize> = (0..active.len()).collect();
        // From coarse to fine, within a resolution from the last layer to the first.
        order.sort_by_key(|&index| {
            let (name, weight) = active[index];
            (
                is_dense(weight),
                name.contains(".from_rgb."),
                name.get(..5).unwrap_or(name),
                std::cmp::Reverse(index),
            )
        });
        order
    }

    /// Clips the weights of all levels, as they act after scaling, to [-bound, bound], in place.
    ///
    /// # Errors
    /// libtorch's.
    pub fn clip_weights(&self, bound: f64) -> Result<(), NetworkError> {
        for conv in self.convs() {
            conv.clip(bound)?;
        }
        for dense in [&self.dense.0, &self.score] {
            dense.clip(bound)?;
        }
        Ok(())
    }

    /// Takes the spectral norms of all layers one iteration further, in place; once for every step of this
    /// network. Does nothing without spectral normalisation.
    ///
    /// # Errors
    /// libtorch's.
    pub fn refresh_norms(&self) -> Result<(), NetworkError> {
        for conv in self.convs() {
            conv.refresh()?;
        }
        for dense in [&self.dense.0, &self.score] {
            dense.refresh()?;
        }
        Ok(())
    }

    fn convs(&self) -> impl Iterator<Item = &ConvLayer> {
        let blocks = self.blocks.iter().flatten().chain([&self.last_conv]);
        self.from_rgb.iter().chain(blocks.map(|layer| &layer.conv))
    }

    /// The network at the level of `state`, its weights scaled once for any number of forward passes
    /// until the optimiser changes them.
    ///
    /// # Errors
    /// [`NetworkError::Resolution`] for a level that the network does not have.
    pub fn at(&self, state: GrowthState) -> Result<DiscriminatorAt, NetworkError> {
        state.check(&self.architecture)?;
        let level = (state.resolution_px.ilog2() - 2) as usize; // 0 at 4 px
        let blocks = self.blocks[..level].iter().rev();
        Ok(DiscriminatorAt {
            state,
            activations: self.activations,
            stddev_group: self.architecture.minibatch_stddev_group,
            filtered: self.architecture.filtered_resampling,
            from_rgb: self.from_rgb[level].scaled(),
            from_rgb_below: state.is_fading().then(|| self.from_rgb[level - 1].scaled()),
            blocks: blocks.map(|block| block.each_ref().map(NormalisedLayer::scaled)).collect(),
            last_conv: self.last_conv.scaled(),
            discrimination: self.discrimination.as_ref().map(MinibatchDiscrimination::share),
            dense: (self.dense.0.scaled(), self.dense.1.as_ref().map(LayerNorm::share)),
            score: self.score.scaled(),
        })
    }

    /// [`DiscriminatorAt::forward`] for a single pass.
    ///
    /// # Errors
    /// [`NetworkError::Resolution`] for a level that the network does not have.
    pub fn forward(&self, images: &Tensor, state: GrowthState) -> Result<Tensor, NetworkError> {
        Ok(self.at(state)?.forward(images))
    }
}

/// What the discriminator says of some images.
#[derive(Debug)]
pub struct Judgement {
    /// One score each, `[N]`.
    pub scores: Tensor,
    /// The label's logits, `[N,label_size]`.
    pub label_logits: Tensor,
}

impl Judgement {
    /// Of the last layer's `[N,1 + label_size]`.
    fn of(outputs: &Tensor) -> Self {
        let labels = outputs.size()[1] - 1;
        Self { scores: outputs.select(1, 0), label_logits: outputs.narrow(1, 1, labels) }
    }
}

/// A [`Discriminator`] at one level.
#[derive(Debug)]
pub struct DiscriminatorAt {
    state: GrowthState,
    activations: Kind,
    stddev_group: u32,
    filtered: bool,
    from_rgb: Conv,
    from_rgb_below: Option<Conv>,
    /// Of the highest resolution first.
    blocks: Vec<[(Conv, Option<LayerNorm>); 2]>,
    last_conv: (Conv, Option<LayerNorm>),
    discrimination: Option<MinibatchDiscrimination>,
    dense: (Dense, Option<LayerNorm>),
    score: Dense,
}

impl DiscriminatorAt {
    /// Images `[N,C,R,R]` to scores `[N]`; R is the resolution of the level.
    ///
    /// While a level fades in, its features are mixed with those of the halved image (figure 2).
    pub fn forward(&self, images: &Tensor) -> Tensor {
        self.judge(images, None).scores
    }

    /// Scores and labels, with noise on the inputs of the 3x3 convolutions and of the dense layer over
    /// 4x4 where there is some (arXiv:1710.10196, appendix B).
    pub fn judge(&self, images: &Tensor, mut noise: Option<MultiplicativeNoise<'_>>) -> Judgement {
        Judgement::of(&self.outputs(images, self.group_of(images), &mut noise))
    }

    /// Two minibatches `[N,C,R,R]` in one pass: the same as [`Self::judge`] of each, with half the calls
    /// into libtorch, and with other noise on each.
    pub fn judge_both(
        &self,
        first: &Tensor,
        second: &Tensor,
        mut noise: Option<MultiplicativeNoise<'_>>,
    ) -> (Judgement, Judgement) {
        let n = first.size()[0];
        let group = self.group_of(first);
        let whole_groups = group > 0 && second.size() == first.size() && n % group == 0;
        if !whole_groups || self.discrimination.is_some() {
            let first = self.outputs(first, group, &mut noise);
            let second = self.outputs(second, self.group_of(second), &mut noise);
            return (Judgement::of(&first), Judgement::of(&second));
        }
        // Images a whole number of `2N / group` apart share a group of the minibatch standard deviation:
        // rows of N / group images of each minibatch in turn keep every group as it was.
        let rows = |x: &Tensor| x.unflatten(0, [group, n / group]); // [G,N/G,C,R,R]
        let both = Tensor::cat(&[rows(first), rows(second)], 1).flatten(0, 1); // [2N,C,R,R]
        let outputs = self.outputs(&both, group, &mut noise).view([group, 2, n / group, -1]);
        let of = |index| Judgement::of(&outputs.select(1, index).flatten(0, 1));
        (of(0), of(1))
    }

    fn group_of(&self, images: &Tensor) -> i64 {
        i64::from(self.stddev_group).min(images.size()[0])
    }

    /// `[N,1 + label_size]` with a minibatch standard deviation over `group` images, none for 0.
    fn outputs(&self, images: &Tensor, group: i64, noise: &mut Option<MultiplicativeNoise<'_>>) -> Tensor {
        let images = narrowed(images, self.activations);
        let mut x = self.from_rgb.forward_rectified(&images);
        for (index, [keep, down]) in self.blocks.iter().enumerate() {
            x = layer(&noisy(&x, noise), keep);
            x = noisy(&x, noise);
            x = layer(&if self.filtered { blur(&x) } else { x }, down);
            if let (0, Some(from_rgb)) = (index, &self.from_rgb_below) {
                let below = from_rgb.forward_rectified(&downscale_box(&images));
                x = below.lerp(&x, self.state.fade_in);
            }
        }
        x = widened(&x);
        if group > 0 {
            x = minibatch_stddev(&x, group);
        }
        x = layer(&noisy(&x, noise), &self.last_conv);
        x = noisy(&x, noise).flatten(1, -1);
        if let Some(discrimination) = &self.discrimination {
            x = discrimination.forward(&x);
        }
        x = self.dense.0.forward(&x);
        x = leaky_relu(&normalised(&x, self.dense.1.as_ref()));
        self.score.forward(&x)
    }
}

fn layer(x: &Tensor, (conv, norm): &(Conv, Option<LayerNorm>)) -> Tensor {
    match norm {
        Some(norm) => leaky_relu(&norm.forward(&conv.forward(x))),
        None => conv.forward_rectified(x),
    }
}

fn normalised(x: &Tensor, norm: Option<&LayerNorm>) -> Tensor {
    norm.map_or_else(|| x.shallow_clone(), |norm| norm.forward(x))
}
