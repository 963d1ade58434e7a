//! The discriminator (arXiv:1710.10196, section 2, appendix A and table 2).

use tch::{Device, Tensor};

use crate::equalized_layers::{
    Conv, Dense, EqualizedConv, EqualizedDense, GAIN_LINEAR, GAIN_RELU, Resample, leaky_relu,
};
use crate::generator::is_active;
use crate::multiplicative_noise::{MultiplicativeNoise, noisy};
use crate::parameters::{NormalSource, ParameterBuilder, Parameters};
use crate::resampling::downscale_box;
use crate::{Architecture, GrowthState, NetworkError, minibatch_stddev};

/// Images to one score each. All levels' weights exist from the start; [`Self::forward`] uses those
/// of the level in force.
#[derive(Debug)]
pub struct Discriminator {
    architecture: Architecture,
    parameters: Parameters,
    /// One 1x1 convolution from colours for each resolution from 4 px.
    from_rgb: Vec<EqualizedConv>,
    /// Two convolutions for each resolution from 8 px.
    blocks: Vec<(EqualizedConv, EqualizedConv)>,
    last_conv: EqualizedConv,
    dense: EqualizedDense,
    score: EqualizedDense,
}

impl Discriminator {
    /// A discriminator with weights from `draw`, on `device`.
    pub fn new(architecture: &Architecture, device: Device, draw: NormalSource<'_>) -> Self {
        let maps = |stage| architecture.feature_maps(stage);
        let colours = i64::from(architecture.image_channels);
        let extra = i64::from(architecture.minibatch_stddev_group > 0);
        let mut builder = ParameterBuilder::new(device, draw);
        let b = &mut builder;
        let mut conv = |name: String, shape, kernel_px, resample| {
            EqualizedConv::new(b, &name, shape, kernel_px, GAIN_RELU, resample)
        };
        let last_conv = conv("r0004.conv".to_owned(), (maps(1) + extra, maps(1)), 3, Resample::Keep);
        let mut from_rgb = Vec::new();
        let mut blocks = Vec::new();
        for px in architecture.resolutions_px() {
            let stage = px.ilog2() - 1;
            from_rgb.push(conv(format!("r{px:04}.from_rgb"), (colours, maps(stage)), 1, Resample::Keep));
            if px > 4 {
                let keep = (maps(stage), maps(stage));
                let down = (maps(stage), maps(stage - 1));
                blocks.push((
                    conv(format!("r{px:04}.conv0"), keep, 3, Resample::Keep),
                    conv(format!("r{px:04}.conv1_down"), down, 3, Resample::Down),
                ));
            }
        }
        let shape = (maps(1) * 16, maps(0));
        let dense = EqualizedDense::new(b, "r0004.dense", shape, GAIN_RELU, maps(0));
        let score = EqualizedDense::new(b, "r0004.score", (maps(0), 1), GAIN_LINEAR, 1);
        Self {
            architecture: *architecture,
            parameters: builder.finish(),
            from_rgb,
            blocks,
            last_conv,
            dense,
            score,
        }
    }

    /// The weights.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The weights that [`Self::forward`] uses in `state`, in the order of [`Self::parameters`].
    #[must_use]
    pub fn active(&self, state: GrowthState) -> Vec<(&str, &Tensor)> {
        self.parameters.iter().filter(|(name, _)| is_active(name, ".from_rgb.", state)).collect()
    }

    /// Clips the weights of all levels, as they act after scaling, to [-bound, bound], in place.
    ///
    /// # Errors
    /// libtorch's.
    pub fn clip_weights(&self, bound: f64) -> Result<(), NetworkError> {
        let blocks = self.blocks.iter().flat_map(|(keep, down)| [keep, down]);
        for conv in self.from_rgb.iter().chain(blocks).chain([&self.last_conv]) {
            conv.clip(bound)?;
        }
        for dense in [&self.dense, &self.score] {
            dense.clip(bound)?;
        }
        Ok(())
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
            stddev_group: self.architecture.minibatch_stddev_group,
            from_rgb: self.from_rgb[level].scaled(),
            from_rgb_below: state.is_fading().then(|| self.from_rgb[level - 1].scaled()),
            blocks: blocks.map(|(keep, down)| (keep.scaled(), down.scaled())).collect(),
            last_conv: self.last_conv.scaled(),
            dense: self.dense.scaled(),
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

/// A [`Discriminator`] at one level.
#[derive(Debug)]
pub struct DiscriminatorAt {
    state: GrowthState,
    stddev_group: u32,
    from_rgb: Conv,
    from_rgb_below: Option<Conv>,
    /// Of the highest resolution first.
    blocks: Vec<(Conv, Conv)>,
    last_conv: Conv,
    dense: Dense,
    score: Dense,
}

impl DiscriminatorAt {
    /// Images `[N,C,R,R]` to scores `[N]`; R is the resolution of the level.
    ///
    /// While a level fades in, its features are mixed with those of the halved image (figure 2).
    pub fn forward(&self, images: &Tensor) -> Tensor {
        self.forward_noisy(images, None)
    }

    /// [`Self::forward`] with noise on the inputs of the 3x3 convolutions and of the dense layer over
    /// 4x4 (arXiv:1710.10196, appendix B).
    pub fn forward_noisy(&self, images: &Tensor, mut noise: Option<MultiplicativeNoise<'_>>) -> Tensor {
        self.scores(images, i64::from(self.stddev_group).min(images.size()[0]), &mut noise)
    }

    /// Scores of two minibatches `[N,C,R,R]` in one pass: the same as [`Self::forward`] of each, with
    /// half the calls into libtorch.
    pub fn forward_both(&self, first: &Tensor, second: &Tensor) -> (Tensor, Tensor) {
        self.forward_both_noisy(first, second, None)
    }

    /// [`Self::forward_both`] with the noise of [`Self::forward_noisy`], other noise on each minibatch.
    pub fn forward_both_noisy(
        &self,
        first: &Tensor,
        second: &Tensor,
        mut noise: Option<MultiplicativeNoise<'_>>,
    ) -> (Tensor, Tensor) {
        let n = first.size()[0];
        let group = i64::from(self.stddev_group).min(n);
        if group == 0 || second.size() != first.size() || n % group != 0 {
            let first = self.scores(first, group, &mut noise);
            return (
                first,
                self.scores(second, i64::from(self.stddev_group).min(second.size()[0]), &mut noise),
            );
        }
        // Images a whole number of `2N / group` apart share a group of the minibatch standard deviation:
        // rows of N / group images of each minibatch in turn keep every group as it was.
        let rows = |x: &Tensor| x.unflatten(0, [group, n / group]); // [G,N/G,C,R,R]
        let both = Tensor::cat(&[rows(first), rows(second)], 1).flatten(0, 1); // [2N,C,R,R]
        let scores = self.scores(&both, group, &mut noise).view([group, 2, n / group]);
        (scores.select(1, 0).flatten(0, -1), scores.select(1, 1).flatten(0, -1))
    }

    /// Scores with a minibatch standard deviation over `group` images, none for 0.
    fn scores(&self, images: &Tensor, group: i64, noise: &mut Option<MultiplicativeNoise<'_>>) -> Tensor {
        let mut x = leaky_relu(&self.from_rgb.forward(images));
        for (index, (keep, down)) in self.blocks.iter().enumerate() {
            x = leaky_relu(&keep.forward(&noisy(&x, noise)));
            x = leaky_relu(&down.forward(&noisy(&x, noise)));
            if let (0, Some(from_rgb)) = (index, &self.from_rgb_below) {
                let below = leaky_relu(&from_rgb.forward(&downscale_box(images)));
                x = below.lerp(&x, self.state.fade_in);
            }
        }
        if group > 0 {
            x = minibatch_stddev(&x, group);
        }
        x = leaky_relu(&self.last_conv.forward(&noisy(&x, noise)));
        x = leaky_relu(&self.dense.forward(&noisy(&x, noise).flatten(1, -1)));
        self.score.forward(&x).flatten(0, -1)
    }
}
