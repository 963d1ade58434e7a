//! All settings of a training run, under the names that `settings.toml` and `--set` use.

use serde::{Deserialize, Serialize};

use crate::{ByResolution, GrowthPlan, Loss, OptimizerKind, SettingsError};

/// The number format of activations and weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32-bit floats throughout.
    Fp32,
    /// The same, but that CUDA may round the factors of products to TF32 (10 bits of fraction). No effect on
    /// a CPU.
    Tf32,
    /// Activations of the convolutions in bfloat16; weights, optimiser, normalisation, losses and the last
    /// layers stay in 32-bit floats.
    Bf16,
}

/// Normalisation in the generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GeneratorNorm {
    /// Of every pixel's features, to unit length (arXiv:1710.10196, section 4.2).
    Pixel,
    /// Batch normalisation, as in the baseline of the paper's ablation.
    Batch,
    /// None.
    None,
}

/// Normalisation in the discriminator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiscriminatorNorm {
    /// None, as in the paper.
    None,
    /// Layer normalisation, as in WGAN-GP's critics (arXiv:1704.00028).
    Layer,
    /// Spectral normalisation of the weights (arXiv:1802.05957).
    Spectral,
}

/// Which generator, and discriminator beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// ProGAN's (arXiv:1710.10196).
    Progressive,
    /// The style-based one (arXiv:1812.04948).
    Style,
}

impl Network {
    /// `settings` with this network and what belongs to it: its normalisation and its resampling.
    #[must_use]
    pub fn with_companions(self, settings: &TrainingSettings) -> TrainingSettings {
        let (generator_norm, resampling) = match self {
            Self::Progressive => (GeneratorNorm::Pixel, Resampling::Nearest),
            Self::Style => (GeneratorNorm::None, Resampling::Bilinear),
        };
        TrainingSettings { network: self, generator_norm, resampling, ..settings.clone() }
    }
}

/// How features are doubled and halved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resampling {
    /// Pixels repeated, 2x2 means.
    Nearest,
    /// The same with a low pass [1 2 1] after doubling and before halving (arXiv:1812.04948, section 2).
    Bilinear,
}

/// Where the features at 4x4 of a style-based generator come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StyleInput {
    /// A dense layer of w (arXiv:1812.04948, table 1, configuration C).
    Mapped,
    /// They are learned, the same for all images.
    Constant,
}

/// The noise that layers of a style-based generator add.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerNoise {
    /// None.
    None,
    /// A number for each pixel, with a learned strength for each channel.
    Pixel,
}

/// What the labels of a dataset are used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Labels {
    /// Nothing.
    Ignore,
    /// The generator takes them, and the discriminator tells them from images (AC-GAN, arXiv:1610.09585).
    AcGan,
}

/// By which score snapshots are compared, so that the best one stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeepBest {
    /// None is singled out.
    None,
    /// The sliced Wasserstein distance, lowest first.
    Swd,
}

/// Everything that shapes a run. Defaults are the paper's for CelebA-HQ on one GPU, as in the
/// authors' published configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingSettings {
    /// Full resolution in pixels; 0 stands for the dataset's.
    pub resolution: u32,
    /// Resolution to start growing at, in pixels.
    pub start_resolution: u32,
    /// Thousands of real images to show in all.
    pub total_kimg: f64,
    /// Thousands of images to train a level before the next one fades in.
    pub lod_train_kimg: f64,
    /// Thousands of images over which a new level fades in.
    pub lod_fade_kimg: f64,
    /// Images per minibatch, by resolution.
    pub minibatch: ByResolution<u32>,
    /// Minibatches between two looks at the schedule.
    pub minibatch_repeats: u32,
    /// The optimiser's learning rate, by resolution.
    pub learning_rate: ByResolution<f64>,
    /// The optimiser of both networks.
    pub optimizer: OptimizerKind,
    /// Adam's decay of the first moment.
    pub adam_beta1: f64,
    /// Adam's decay of the second moment.
    pub adam_beta2: f64,
    /// Adam's epsilon.
    pub adam_epsilon: f64,
    /// RMSProp's decay of the mean squared gradient.
    pub rmsprop_decay: f64,
    /// RMSProp's epsilon.
    pub rmsprop_epsilon: f64,
    /// Decay of the generator's running average, per discriminator step.
    pub ema_decay: f64,
    /// Half-life of that average in thousands of images, whatever the minibatch; 0 for `ema_decay`.
    pub ema_half_life_kimg: f64,
    /// The adversarial loss. Where settings change it, they also take the values of
    /// [`Loss::with_companions`], but for those that they name themselves.
    pub loss: Loss,
    /// Weight lambda of the gradient penalty at mixed images, with any loss; 0 leaves it out.
    pub gp_lambda: f64,
    /// Target gamma of the gradient's norm (1; 750 for the paper's CIFAR-10 run).
    pub gp_target: f64,
    /// Weight of the drift term on D(real)^2; 0 leaves it out.
    pub drift_weight: f64,
    /// Weight gamma of the penalty R1, gamma / 2 |grad D(real)|^2 (arXiv:1801.04406, equation 9); 0
    /// leaves it out.
    pub r1_gamma: f64,
    /// Discriminator steps from one with R1 to the next; it weighs as many times more there, so that its
    /// expectation stays.
    pub r1_interval: u32,
    /// Bound of the discriminator's weights, as they act after scaling, after each of its steps; 0 sets
    /// none.
    pub weight_clip: f64,
    /// Factor of the noise on the inputs of the discriminator's convolutions: its strength is
    /// discriminator_noise max(0, d - 0.5)^2, d a running mean of D(real) (arXiv:1710.10196, B); 0
    /// leaves it out.
    pub discriminator_noise: f64,
    /// Discriminator steps, of a minibatch each, for every generator step.
    pub n_critic: u32,
    /// Number format.
    pub precision: Precision,
    /// Which generator. Where settings change it, they also take its `generator_norm` and `resampling`, but for
    /// those that they name themselves.
    pub network: Network,
    /// How features are doubled and halved.
    pub resampling: Resampling,
    /// Dense layers from z to w, each of `latent_size`; as all that follow up to `w_average_decay` for the network
    /// `style` only.
    pub mapping_layers: u32,
    /// Factor of the learning rate of those layers.
    pub mapping_lr_multiplier: f64,
    /// Where the features at 4x4 come from.
    pub style_input: StyleInput,
    /// The noise that layers add.
    pub layer_noise: LayerNoise,
    /// Share of the minibatches whose finer layers take the styles of other latents.
    pub mixing_probability: f64,
    /// Decay of the running mean of w.
    pub w_average_decay: f64,
    /// Feature maps: min(fmap_base / 2^stage, fmap_max) at stage log2(resolution) - 1.
    pub fmap_base: u32,
    /// Most feature maps of any layer.
    pub fmap_max: u32,
    /// Components of the latent.
    pub latent_size: u32,
    /// Grow level by level; else the full resolution is trained from the start.
    pub progressive: bool,
    /// Scale weights at run time (arXiv:1710.10196, section 4.1); else they are drawn at their scale.
    pub equalized_lr: bool,
    /// Normalisation in the generator.
    pub generator_norm: GeneratorNorm,
    /// Normalisation in the discriminator.
    pub discriminator_norm: DiscriminatorNorm,
    /// Images per group of the minibatch standard deviation; 0 leaves the layer out.
    pub minibatch_stddev_group: u32,
    /// Kernels of minibatch discrimination (arXiv:1606.03498) at the discriminator's end; 0 leaves it out.
    pub minibatch_discrimination: u32,
    /// What the dataset's labels are used for.
    pub labels: Labels,
    /// Weight of the label's term in both losses.
    pub label_weight: f64,
    /// Show images mirrored half of the time.
    pub mirror: bool,
    /// Thousands of images between two log lines, sample grids and resumable states, by resolution.
    pub tick_kimg: ByResolution<f64>,
    /// Thousands of images between two snapshots that are kept for good.
    pub snapshot_kimg: f64,
    /// Snapshots of `snapshot_kimg` that stay, the newest ones; 0 keeps all. The first and the last of the run stay
    /// in any case.
    pub keep_last: u32,
    /// The score whose best snapshot stays too.
    pub keep_best: KeepBest,
    /// Thousands of images between two scorings of the averaged generator; 0 for none.
    pub eval_kimg: f64,
    /// Images of each side in a scoring; never more than the dataset has.
    pub eval_images: u32,
    /// Seed of all random choices.
    pub seed: u64,
}

impl TrainingSettings {
    /// The growing plan at full resolution `resolution_px`.
    #[must_use]
    pub fn growth_plan(&self, resolution_px: u32) -> GrowthPlan {
        if !self.progressive {
            return GrowthPlan {
                resolution_px,
                start_resolution_px: resolution_px,
                lod_train_kimg: 0.0,
                lod_fade_kimg: 0.0,
            };
        }
        GrowthPlan {
            resolution_px,
            start_resolution_px: self.start_resolution.min(resolution_px),
            lod_train_kimg: self.lod_train_kimg,
            lod_fade_kimg: self.lod_fade_kimg,
        }
    }

    /// Decay of the generator's running average over a step of `minibatch` images.
    #[must_use]
    pub fn average_decay(&self, minibatch: u32) -> f64 {
        if self.ema_half_life_kimg > 0.0 {
            0.5_f64.powf(f64::from(minibatch) / (self.ema_half_life_kimg * 1000.0))
        } else {
            self.ema_decay
        }
    }

    /// Feature maps of the layers at `resolution_px` (arXiv:1710.10196, table 2): stage
    /// log2(resolution) - 1.
    #[must_use]
    pub fn feature_maps(&self, resolution_px: u32) -> u32 {
        (self.fmap_base >> (resolution_px.ilog2() - 1)).min(self.fmap_max)
    }

    /// Checks the whole schedule before the first step.
    ///
    /// # Errors
    /// [`SettingsError::OutOfRange`] for the first value that cannot work.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let power_of_two = "a power of two from 4 to 4096";
        check("resolution", self.resolution, is_side(self.resolution) || self.resolution == 0, power_of_two)?;
        check("start_resolution", self.start_resolution, is_side(self.start_resolution), power_of_two)?;
        if self.resolution != 0 {
            let expected = format!("at most the resolution, {}", self.resolution);
            let fits = self.start_resolution <= self.resolution;
            check("start_resolution", self.start_resolution, fits, &expected)?;
        }
        for (key, value) in [
            ("total_kimg", self.total_kimg),
            ("lod_train_kimg", self.lod_train_kimg),
            ("lod_fade_kimg", self.lod_fade_kimg),
            ("drift_weight", self.drift_weight),
            ("gp_lambda", self.gp_lambda),
            ("r1_gamma", self.r1_gamma),
            ("weight_clip", self.weight_clip),
            ("discriminator_noise", self.discriminator_noise),
            ("eval_kimg", self.eval_kimg),
            ("label_weight", self.label_weight),
            ("ema_half_life_kimg", self.ema_half_life_kimg),
        ] {
            check(key, value, value.is_finite() && value >= 0.0, "0 or more")?;
        }
        for (key, value) in [
            ("gp_target", self.gp_target),
            ("adam_epsilon", self.adam_epsilon),
            ("rmsprop_epsilon", self.rmsprop_epsilon),
            ("snapshot_kimg", self.snapshot_kimg),
            ("mapping_lr_multiplier", self.mapping_lr_multiplier),
        ] {
            check(key, value, value.is_finite() && value > 0.0, "more than 0")?;
        }
        for (key, value) in [
            ("adam_beta1", self.adam_beta1),
            ("adam_beta2", self.adam_beta2),
            ("rmsprop_decay", self.rmsprop_decay),
            ("ema_decay", self.ema_decay),
            ("w_average_decay", self.w_average_decay),
        ] {
            check(key, value, (0.0..1.0).contains(&value), "at least 0 and below 1")?;
        }
        for value in self.minibatch.values() {
            check("minibatch", value, (1..=65_536).contains(&value), "1 to 65536")?;
            let group = self.minibatch_stddev_group.max(1);
            let expected = format!("a multiple of minibatch_stddev_group, {group}, or less than it");
            check("minibatch", value, value <= group || value % group == 0, &expected)?;
        }
        for value in self.learning_rate.values() {
            check("learning_rate", value, value.is_finite() && value > 0.0, "more than 0")?;
        }
        for value in self.tick_kimg.values() {
            check("tick_kimg", value, value.is_finite() && value > 0.0, "more than 0")?;
        }
        let listed = [
            ("minibatch", self.minibatch.listed().collect::<Vec<_>>()),
            ("learning_rate", self.learning_rate.listed().collect()),
            ("tick_kimg", self.tick_kimg.listed().collect()),
        ];
        for (key, px) in listed.iter().flat_map(|(key, listed)| listed.iter().map(move |px| (*key, *px))) {
            check(key, px, is_side(px), &format!("resolutions that are {power_of_two}"))?;
        }
        let grows = self.progressive && self.lod_train_kimg + self.lod_fade_kimg > 0.0;
        let step_kimg = self
            .minibatch
            .values()
            .max()
            .map_or(0.0, |largest| f64::from(largest) * f64::from(self.minibatch_repeats) / 1000.0);
        if grows {
            // A phase shorter than a round would be jumped over, a whole level with it.
            let expected = format!(
                "with lod_fade_kimg at least {step_kimg}, the largest minibatch times minibatch_repeats in thousands"
            );
            let long_enough = self.lod_train_kimg + self.lod_fade_kimg >= step_kimg;
            check("lod_train_kimg", self.lod_train_kimg, long_enough, &expected)?;
        }
        check("eval_images", self.eval_images, self.eval_images >= 2, "2 or more")?;
        let scored = self.keep_best == KeepBest::None || self.eval_kimg > 0.0;
        check(
            "eval_kimg",
            self.eval_kimg,
            scored,
            "more than 0 with keep_best: snapshots have to be scored",
        )?;
        check("minibatch_repeats", self.minibatch_repeats, self.minibatch_repeats >= 1, "1 or more")?;
        let kernels = self.minibatch_discrimination;
        check("minibatch_discrimination", kernels, kernels <= 4096, "0 to 4096")?;
        let share = self.mixing_probability;
        check("mixing_probability", share, (0.0..=1.0).contains(&share), "0 to 1")?;
        check("mapping_layers", self.mapping_layers, (1..=64).contains(&self.mapping_layers), "1 to 64")?;
        check("r1_interval", self.r1_interval, (1..=1000).contains(&self.r1_interval), "1 to 1000")?;
        let normed = self.network == Network::Style && self.generator_norm != GeneratorNorm::None;
        let norm = format!("{:?}", self.generator_norm).to_lowercase();
        check("generator_norm", norm, !normed, "none with network = \"style\": styles bring instance norm")?;
        check("n_critic", self.n_critic, (1..=1000).contains(&self.n_critic), "1 to 1000")?;
        check("fmap_base", self.fmap_base, (1..=1 << 20).contains(&self.fmap_base), "1 to 1048576")?;
        check("fmap_max", self.fmap_max, (1..=8192).contains(&self.fmap_max), "1 to 8192")?;
        check("latent_size", self.latent_size, (1..=8192).contains(&self.latent_size), "1 to 8192")?;
        Ok(())
    }

    /// The full resolution to train at on data of `dataset_px`: the setting where there is one, else
    /// the dataset's; growth stops at the dataset's resolution.
    ///
    /// # Errors
    /// [`SettingsError::OutOfRange`] when the setting asks for more than the data have (only where
    /// `asked_for` says that the user set it), or the network would have no feature maps there.
    pub fn resolution_on(&self, dataset_px: u32, asked_for: bool) -> Result<u32, SettingsError> {
        if asked_for && self.resolution > dataset_px {
            let expected = format!("at most the dataset's finest level, {dataset_px}");
            return check("resolution", self.resolution, false, &expected).map(|()| 0);
        }
        let resolution_px = if self.resolution == 0 { dataset_px } else { self.resolution.min(dataset_px) };
        let expected = format!("enough for one map at {resolution_px} px");
        check("fmap_base", self.fmap_base, self.feature_maps(resolution_px) >= 1, &expected)?;
        Ok(resolution_px)
    }
}

fn is_side(px: u32) -> bool {
    px.is_power_of_two() && (4..=4096).contains(&px)
}

fn check(
    key: &'static str,
    found: impl std::fmt::Display,
    holds: bool,
    expected: &str,
) -> Result<(), SettingsError> {
    if holds {
        return Ok(());
    }
    Err(SettingsError::OutOfRange { key, found: found.to_string(), expected: expected.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Preset;

    #[test]
    fn feature_maps_are_those_of_table_2() {
        let settings = Preset::PaperCelebahq.settings();
        let maps: Vec<u32> = (2..=10).map(|log2| settings.feature_maps(1 << log2)).collect();
        assert_eq!(maps, [512, 512, 512, 512, 256, 128, 64, 32, 16]);
    }

    #[test]
    fn a_minibatch_that_does_not_fill_its_groups_is_refused() {
        let mut settings = Preset::Tiny.settings();
        settings.minibatch = ByResolution::Everywhere(6);
        let message = settings.validate().unwrap_err().to_string();
        assert!(message.contains("minibatch") && message.contains('6'), "{message}");
    }

    #[test]
    fn values_that_no_loss_or_optimiser_can_use_are_refused() {
        for assignment in [
            "r1_gamma=-1",
            "weight_clip=-0.01",
            "weight_clip=inf",
            "discriminator_noise=-1",
            "n_critic=0",
            "rmsprop_decay=1",
            "rmsprop_epsilon=0",
        ] {
            let settings = Preset::Tiny.settings().with_assignment(assignment).unwrap();
            let message = settings.validate().unwrap_err().to_string();
            assert!(message.contains(assignment.split('=').next().unwrap()), "{message}");
        }
    }

    #[test]
    fn a_schedule_that_would_jump_over_a_level_is_refused() {
        let settings =
            TrainingSettings { lod_train_kimg: 0.01, lod_fade_kimg: 0.01, ..Preset::Tiny.settings() };
        let message = settings.validate().unwrap_err().to_string();
        assert!(message.contains("lod_train_kimg") && message.contains("0.064"), "{message}");
    }

    #[test]
    fn the_best_snapshot_can_only_be_kept_where_snapshots_are_scored() {
        let settings = TrainingSettings { keep_best: KeepBest::Swd, ..Preset::Tiny.settings() };
        let message = settings.validate().unwrap_err().to_string();
        assert!(message.contains("eval_kimg") && message.contains("keep_best"), "{message}");
        assert_eq!(TrainingSettings { eval_kimg: 1.0, ..settings }.validate(), Ok(()));
    }

    #[test]
    fn a_value_for_a_resolution_that_no_level_has_is_refused() {
        let learning_rate = ByResolution::table(0.001, &[(48, 0.002)]);
        let settings = TrainingSettings { learning_rate, ..Preset::Tiny.settings() };
        let message = settings.validate().unwrap_err().to_string();
        assert!(message.contains("learning_rate") && message.contains("48"), "{message}");
    }

    #[test]
    fn growth_stops_at_the_dataset_but_a_resolution_asked_for_must_be_there() {
        let settings = TrainingSettings { resolution: 128, ..Preset::PaperCelebahq.settings() };
        assert_eq!(settings.resolution_on(64, false), Ok(64));
        assert_eq!(settings.resolution_on(256, true), Ok(128));
        assert!(settings.resolution_on(64, true).is_err());
    }
}
