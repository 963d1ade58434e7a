//! Named starting points for the settings.

use crate::ablation::Ablation;
use crate::settings::{
    DiscriminatorNorm, GeneratorNorm, KeepBest, Labels, LayerNoise, Network, Precision, Resampling,
    StyleInput,
};
use crate::style_ablation::{StyleAblation, tuned};
use crate::{ByResolution, Loss, OptimizerKind, SettingsError, TrainingSettings};

/// A named set of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// CelebA-HQ on one GPU as the authors published it.
    PaperCelebahq,
    /// The same with minibatches and learning rates of two GPUs.
    PaperCelebahq2Gpu,
    /// Of four GPUs.
    PaperCelebahq4Gpu,
    /// Of eight GPUs.
    PaperCelebahq8Gpu,
    /// CelebA-HQ as in the paper's text: 800 + 800 kimg a level, minibatches of 16.
    PaperCelebahqV1,
    /// Unsupervised CIFAR-10 at 32 px.
    PaperCifar10,
    /// An LSUN category at 256 px on one GPU.
    PaperLsun,
    /// The same with minibatches and learning rates of two GPUs.
    PaperLsun2Gpu,
    /// Of four GPUs.
    PaperLsun4Gpu,
    /// Of eight GPUs.
    PaperLsun8Gpu,
    /// Minutes on a CPU: narrow networks, up to 32 px. For demos and tests, not for quality.
    Tiny,
    /// A row of the paper's ablation, at the size of [`Self::Tiny`].
    Ablation(Ablation),
    /// The style-based network on CelebA-HQ, one GPU, as its authors published it.
    StyleganCelebahq,
    /// The same with minibatches of two GPUs; learning rates are the same for any number.
    StyleganCelebahq2Gpu,
    /// Of four GPUs.
    StyleganCelebahq4Gpu,
    /// Of eight GPUs.
    StyleganCelebahq8Gpu,
    /// On FFHQ.
    StyleganFfhq,
    /// On FFHQ with two GPUs.
    StyleganFfhq2Gpu,
    /// With four GPUs.
    StyleganFfhq4Gpu,
    /// With eight GPUs.
    StyleganFfhq8Gpu,
    /// The style-based network at the size of [`Self::Tiny`].
    StyleTiny,
    /// A row of the style-based paper's ablation, at the size of [`Self::Tiny`].
    StyleAblation(StyleAblation),
}

/// Every preset.
pub const PRESETS: [Preset; 35] = [
    Preset::PaperCelebahq,
    Preset::PaperCelebahq2Gpu,
    Preset::PaperCelebahq4Gpu,
    Preset::PaperCelebahq8Gpu,
    Preset::PaperCelebahqV1,
    Preset::PaperCifar10,
    Preset::PaperLsun,
    Preset::PaperLsun2Gpu,
    Preset::PaperLsun4Gpu,
    Preset::PaperLsun8Gpu,
    Preset::Tiny,
    Preset::Ablation(Ablation::A),
    Preset::Ablation(Ablation::B),
    Preset::Ablation(Ablation::C),
    Preset::Ablation(Ablation::D),
    Preset::Ablation(Ablation::EStar),
    Preset::Ablation(Ablation::E),
    Preset::Ablation(Ablation::F),
    Preset::Ablation(Ablation::G),
    Preset::Ablation(Ablation::H),
    Preset::StyleganCelebahq,
    Preset::StyleganCelebahq2Gpu,
    Preset::StyleganCelebahq4Gpu,
    Preset::StyleganCelebahq8Gpu,
    Preset::StyleganFfhq,
    Preset::StyleganFfhq2Gpu,
    Preset::StyleganFfhq4Gpu,
    Preset::StyleganFfhq8Gpu,
    Preset::StyleTiny,
    Preset::StyleAblation(StyleAblation::A),
    Preset::StyleAblation(StyleAblation::B),
    Preset::StyleAblation(StyleAblation::C),
    Preset::StyleAblation(StyleAblation::D),
    Preset::StyleAblation(StyleAblation::E),
    Preset::StyleAblation(StyleAblation::F),
];

impl Preset {
    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PaperCelebahq => "paper-celebahq",
            Self::PaperCelebahq2Gpu => "paper-celebahq-2gpu",
            Self::PaperCelebahq4Gpu => "paper-celebahq-4gpu",
            Self::PaperCelebahq8Gpu => "paper-celebahq-8gpu",
            Self::PaperCelebahqV1 => "paper-celebahq-v1",
            Self::PaperCifar10 => "paper-cifar10",
            Self::PaperLsun => "paper-lsun",
            Self::PaperLsun2Gpu => "paper-lsun-2gpu",
            Self::PaperLsun4Gpu => "paper-lsun-4gpu",
            Self::PaperLsun8Gpu => "paper-lsun-8gpu",
            Self::Tiny => "tiny",
            Self::Ablation(row) => match row {
                Ablation::A => "ablation-a",
                Ablation::B => "ablation-b",
                Ablation::C => "ablation-c",
                Ablation::D => "ablation-d",
                Ablation::EStar => "ablation-e-star",
                Ablation::E => "ablation-e",
                Ablation::F => "ablation-f",
                Ablation::G => "ablation-g",
                Ablation::H => "ablation-h",
            },
            Self::StyleganCelebahq => "stylegan-celebahq",
            Self::StyleganCelebahq2Gpu => "stylegan-celebahq-2gpu",
            Self::StyleganCelebahq4Gpu => "stylegan-celebahq-4gpu",
            Self::StyleganCelebahq8Gpu => "stylegan-celebahq-8gpu",
            Self::StyleganFfhq => "stylegan-ffhq",
            Self::StyleganFfhq2Gpu => "stylegan-ffhq-2gpu",
            Self::StyleganFfhq4Gpu => "stylegan-ffhq-4gpu",
            Self::StyleganFfhq8Gpu => "stylegan-ffhq-8gpu",
            Self::StyleTiny => "style-tiny",
            Self::StyleAblation(row) => match row {
                StyleAblation::A => "style-ablation-a",
                StyleAblation::B => "style-ablation-b",
                StyleAblation::C => "style-ablation-c",
                StyleAblation::D => "style-ablation-d",
                StyleAblation::E => "style-ablation-e",
                StyleAblation::F => "style-ablation-f",
            },
        }
    }

    /// What it is for, in a few words.
    #[must_use]
    pub fn summary(self) -> &'static str {
        match self {
            Self::PaperCelebahq => "CelebA-HQ to 1024 px, one GPU: 600+600 kimg a level, 12000 in all",
            Self::PaperCelebahq2Gpu | Self::PaperLsun2Gpu => {
                "the same with minibatches and learning rates of two GPUs"
            }
            Self::StyleganCelebahq2Gpu | Self::StyleganFfhq2Gpu => "the same with minibatches of two GPUs",
            Self::PaperCelebahq4Gpu
            | Self::PaperLsun4Gpu
            | Self::StyleganCelebahq4Gpu
            | Self::StyleganFfhq4Gpu => "of four GPUs",
            Self::PaperCelebahq8Gpu
            | Self::PaperLsun8Gpu
            | Self::StyleganCelebahq8Gpu
            | Self::StyleganFfhq8Gpu => "of eight GPUs",
            Self::PaperCelebahqV1 => "as in the paper's text: 800+800 kimg a level, minibatches of 16",
            Self::PaperCifar10 => "CIFAR-10 at 32 px, gradient penalty around 750",
            Self::PaperLsun => "an LSUN category at 256 px, one GPU",
            Self::Tiny => "narrow networks up to 32 px, minutes on a CPU: for demos and tests",
            Self::Ablation(row) => match row {
                Ablation::A => "table 1 of the paper at the size of tiny: WGAN-GP's training",
                Ablation::B => "with progressive growing",
                Ablation::C => "with minibatches of 16",
                Ablation::D => "with ProGAN's training parameters",
                Ablation::EStar => "with minibatch discrimination",
                Ablation::E => "with minibatch standard deviation instead",
                Ablation::F => "with equalised learning rate",
                Ablation::G => "with pixelwise normalisation: tiny itself",
                Ablation::H => "wider and longer",
            },
            Self::StyleganCelebahq => "style-based, CelebA-HQ to 1024 px, one GPU: R1, 25000 kimg",
            Self::StyleganFfhq => "style-based, FFHQ to 1024 px, one GPU",
            Self::StyleTiny => "tiny with the style-based network",
            Self::StyleAblation(row) => match row {
                StyleAblation::A => "table 1 of the style-based paper at the size of tiny: ProGAN",
                StyleAblation::B => "with bilinear resampling, R1, growing from 8 px",
                StyleAblation::C => "with mapping network and styles",
                StyleAblation::D => "with a learned constant as input",
                StyleAblation::E => "with noise",
                StyleAblation::F => "with mixing regularisation: style-tiny itself",
            },
        }
    }

    /// The preset called `name`.
    ///
    /// # Errors
    /// [`SettingsError::UnknownPreset`] with the nearest name and all others.
    pub fn named(name: &str) -> Result<Self, SettingsError> {
        PRESETS.into_iter().find(|p| p.name() == name).ok_or_else(|| {
            let likeness = |p: &Self| strsim::jaro_winkler(name, p.name());
            let nearest = PRESETS.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
            SettingsError::UnknownPreset {
                name: name.to_owned(),
                nearest: nearest.filter(|p| likeness(p) > 0.7).map(Self::name),
                known: PRESETS.map(Self::name).join(", "),
            }
        })
    }

    /// The settings.
    #[must_use]
    pub fn settings(self) -> TrainingSettings {
        let paper = celebahq();
        match self {
            Self::PaperCelebahq => paper,
            Self::PaperCelebahq2Gpu => TWO_GPUS.with_rates(paper),
            Self::PaperCelebahq4Gpu => FOUR_GPUS.with_rates(paper),
            Self::PaperCelebahq8Gpu => EIGHT_GPUS.with_rates(paper),
            Self::PaperCelebahqV1 => TrainingSettings {
                total_kimg: 19_000.0,
                lod_train_kimg: 800.0,
                lod_fade_kimg: 800.0,
                minibatch: ByResolution::table(16, &[(256, 14), (512, 6), (1024, 3)]),
                learning_rate: ByResolution::Everywhere(0.001),
                minibatch_stddev_group: 16,
                ..paper
            },
            Self::PaperCifar10 => TrainingSettings {
                resolution: 32,
                gp_target: 750.0,
                mirror: false,
                minibatch: ByResolution::Everywhere(16),
                learning_rate: ByResolution::Everywhere(0.001),
                ..paper
            },
            Self::PaperLsun => lsun(paper),
            Self::PaperLsun2Gpu => TWO_GPUS.with_rates(lsun(paper)),
            Self::PaperLsun4Gpu => FOUR_GPUS.with_rates(lsun(paper)),
            Self::PaperLsun8Gpu => EIGHT_GPUS.with_rates(lsun(paper)),
            Self::Tiny => TrainingSettings {
                resolution: 32,
                total_kimg: 48.0,
                lod_train_kimg: 3.0,
                lod_fade_kimg: 3.0,
                minibatch: ByResolution::Everywhere(16),
                learning_rate: ByResolution::Everywhere(0.001),
                fmap_base: 256,
                fmap_max: 64,
                latent_size: 64,
                // A few thousand steps in all: the paper's 0.999 would still hold the first weights.
                ema_decay: 0.99,
                tick_kimg: ByResolution::Everywhere(2.0),
                snapshot_kimg: 16.0,
                ..paper
            },
            Self::Ablation(row) => row.settings(&Self::Tiny.settings()),
            Self::StyleganCelebahq | Self::StyleganFfhq => stylegan(&paper),
            Self::StyleganCelebahq2Gpu | Self::StyleganFfhq2Gpu => TWO_GPUS.minibatches(stylegan(&paper)),
            Self::StyleganCelebahq4Gpu | Self::StyleganFfhq4Gpu => FOUR_GPUS.minibatches(stylegan(&paper)),
            Self::StyleganCelebahq8Gpu | Self::StyleganFfhq8Gpu => EIGHT_GPUS.minibatches(stylegan(&paper)),
            Self::StyleTiny => StyleAblation::F.settings(&Self::Tiny.settings()),
            Self::StyleAblation(row) => row.settings(&Self::Tiny.settings()),
        }
    }
}

/// The authors' table for a number of GPUs: by resolution in pixels, and where it says nothing.
struct OnGpus {
    minibatches: (u32, &'static [(u32, u32)]),
    /// ProGAN's; the style-based network has those of eight GPUs on any number.
    rates: &'static [(u32, f64)],
}

const TWO_GPUS: OnGpus = OnGpus {
    minibatches: (8, &[(4, 256), (8, 256), (16, 128), (32, 64), (64, 32), (128, 16), (256, 8)]),
    rates: &[(512, 0.0015), (1024, 0.002)],
};
const FOUR_GPUS: OnGpus = OnGpus {
    minibatches: (16, &[(4, 512), (8, 256), (16, 128), (32, 64), (64, 32), (128, 16)]),
    rates: &[(256, 0.0015), (512, 0.002), (1024, 0.003)],
};
const EIGHT_GPUS: OnGpus = OnGpus {
    minibatches: (32, &[(4, 512), (8, 256), (16, 128), (32, 64), (64, 32)]),
    rates: &[(128, 0.0015), (256, 0.002), (512, 0.003), (1024, 0.003)],
};

impl OnGpus {
    fn minibatches(&self, settings: TrainingSettings) -> TrainingSettings {
        let (elsewhere, table) = self.minibatches;
        TrainingSettings { minibatch: ByResolution::table(elsewhere, table), ..settings }
    }

    fn learning_rate(&self) -> ByResolution<f64> {
        ByResolution::table(0.001, self.rates)
    }

    fn with_rates(&self, settings: TrainingSettings) -> TrainingSettings {
        TrainingSettings { learning_rate: self.learning_rate(), ..self.minibatches(settings) }
    }
}

/// An LSUN category.
fn lsun(celebahq: TrainingSettings) -> TrainingSettings {
    TrainingSettings { resolution: 256, ..celebahq }
}

/// The authors' configuration of the style-based network on one GPU (arXiv:1812.04948, appendix C, and their program):
/// 25000 kimg, growing from 8 px, learning rates of any number of GPUs.
fn stylegan(celebahq: &TrainingSettings) -> TrainingSettings {
    TrainingSettings {
        total_kimg: 25_000.0,
        learning_rate: EIGHT_GPUS.learning_rate(),
        ema_half_life_kimg: 10.0,
        ..Network::Style.with_companions(&tuned(celebahq))
    }
}

/// The authors' configuration for CelebA-HQ on one GPU: 12000 kimg, 600 + 600 kimg a level.
fn celebahq() -> TrainingSettings {
    TrainingSettings {
        resolution: 0,
        start_resolution: 4,
        total_kimg: 12_000.0,
        lod_train_kimg: 600.0,
        lod_fade_kimg: 600.0,
        minibatch: ByResolution::table(
            4,
            &[(4, 128), (8, 128), (16, 128), (32, 64), (64, 32), (128, 16), (256, 8), (512, 4)],
        ),
        minibatch_repeats: 4,
        learning_rate: ByResolution::table(0.001, &[(1024, 0.0015)]),
        optimizer: OptimizerKind::Adam,
        adam_beta1: 0.0,
        adam_beta2: 0.99,
        adam_epsilon: 1e-8,
        rmsprop_decay: 0.99,
        rmsprop_epsilon: 1e-8,
        ema_decay: 0.999,
        ema_half_life_kimg: 0.0,
        loss: Loss::WganGp,
        gp_lambda: 10.0,
        gp_target: 1.0,
        drift_weight: 0.001,
        r1_gamma: 0.0,
        r1_interval: 1,
        weight_clip: 0.0,
        discriminator_noise: 0.0,
        n_critic: 1,
        precision: Precision::Fp32,
        network: Network::Progressive,
        resampling: Resampling::Nearest,
        mapping_layers: 8,
        mapping_lr_multiplier: 0.01,
        style_input: StyleInput::Constant,
        layer_noise: LayerNoise::Pixel,
        mixing_probability: 0.9,
        w_average_decay: 0.995,
        fmap_base: 8192,
        fmap_max: 512,
        latent_size: 512,
        progressive: true,
        equalized_lr: true,
        generator_norm: GeneratorNorm::Pixel,
        discriminator_norm: DiscriminatorNorm::None,
        minibatch_stddev_group: 4,
        minibatch_discrimination: 0,
        labels: Labels::Ignore,
        label_weight: 1.0,
        mirror: true,
        tick_kimg: ByResolution::table(
            10.0,
            &[
                (4, 160.0),
                (8, 140.0),
                (16, 120.0),
                (32, 100.0),
                (64, 80.0),
                (128, 60.0),
                (256, 40.0),
                (512, 20.0),
            ],
        ),
        snapshot_kimg: 500.0,
        keep_last: 0,
        keep_best: KeepBest::None,
        eval_kimg: 0.0,
        eval_images: 4096,
        seed: 1000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tiny_preset_has_grown_up_after_the_least_kimg_of_the_demo() {
        let tiny = Preset::Tiny.settings();
        assert_eq!(tiny.growth_plan(tiny.resolution).grown_at_kimg(), 18.0);
        assert!(tiny.total_kimg > 18.0);
    }

    /// Minibatch and learning rate at 4, 8, … 1024 px.
    fn table_of(preset: Preset) -> Vec<(u32, u32, f64)> {
        let settings = preset.settings();
        let at = |px| (px, settings.minibatch.at(px), settings.learning_rate.at(px));
        (2..=10).map(|log2| at(1 << log2)).collect()
    }

    /// Total, training and fading kimg, group of the minibatch deviation, resolution.
    fn shape_of(preset: Preset) -> (f64, f64, f64, u32, u32) {
        let s = preset.settings();
        (s.total_kimg, s.lod_train_kimg, s.lod_fade_kimg, s.minibatch_stddev_group, s.resolution)
    }

    #[test]
    fn one_gpu_trains_with_the_published_minibatches_and_rates() {
        let table = [
            (4, 128, 0.001),
            (8, 128, 0.001),
            (16, 128, 0.001),
            (32, 64, 0.001),
            (64, 32, 0.001),
            (128, 16, 0.001),
            (256, 8, 0.001),
            (512, 4, 0.001),
            (1024, 4, 0.0015),
        ];
        assert_eq!(table_of(Preset::PaperCelebahq), table);
        assert_eq!(shape_of(Preset::PaperCelebahq), (12_000.0, 600.0, 600.0, 4, 0));
        assert_eq!(table_of(Preset::PaperLsun)[..7], table[..7]);
        assert_eq!(shape_of(Preset::PaperLsun), (12_000.0, 600.0, 600.0, 4, 256));
    }

    #[test]
    fn two_gpus_train_with_the_published_minibatches_and_rates() {
        let table = [
            (4, 256, 0.001),
            (8, 256, 0.001),
            (16, 128, 0.001),
            (32, 64, 0.001),
            (64, 32, 0.001),
            (128, 16, 0.001),
            (256, 8, 0.001),
            (512, 8, 0.0015),
            (1024, 8, 0.002),
        ];
        assert_eq!(table_of(Preset::PaperCelebahq2Gpu), table);
        assert_eq!(table_of(Preset::PaperLsun2Gpu), table);
        assert_eq!(shape_of(Preset::PaperLsun2Gpu), (12_000.0, 600.0, 600.0, 4, 256));
        assert_eq!(shape_of(Preset::PaperCelebahq2Gpu), (12_000.0, 600.0, 600.0, 4, 0));
    }

    #[test]
    fn four_gpus_train_with_the_published_minibatches_and_rates() {
        let table = [
            (4, 512, 0.001),
            (8, 256, 0.001),
            (16, 128, 0.001),
            (32, 64, 0.001),
            (64, 32, 0.001),
            (128, 16, 0.001),
            (256, 16, 0.0015),
            (512, 16, 0.002),
            (1024, 16, 0.003),
        ];
        assert_eq!(table_of(Preset::PaperCelebahq4Gpu), table);
        assert_eq!(table_of(Preset::PaperLsun4Gpu), table);
        assert_eq!(shape_of(Preset::PaperCelebahq4Gpu), (12_000.0, 600.0, 600.0, 4, 0));
    }

    #[test]
    fn eight_gpus_train_with_the_published_minibatches_and_rates() {
        let table = [
            (4, 512, 0.001),
            (8, 256, 0.001),
            (16, 128, 0.001),
            (32, 64, 0.001),
            (64, 32, 0.001),
            (128, 32, 0.0015),
            (256, 32, 0.002),
            (512, 32, 0.003),
            (1024, 32, 0.003),
        ];
        assert_eq!(table_of(Preset::PaperCelebahq8Gpu), table);
        assert_eq!(table_of(Preset::PaperLsun8Gpu), table);
        assert_eq!(shape_of(Preset::PaperLsun8Gpu), (12_000.0, 600.0, 600.0, 4, 256));
    }

    #[test]
    fn the_papers_text_trains_with_minibatches_of_16_that_fit_into_memory() {
        let minibatches: Vec<u32> = table_of(Preset::PaperCelebahqV1).iter().map(|row| row.1).collect();
        assert_eq!(minibatches, [16, 16, 16, 16, 16, 16, 14, 6, 3]);
        assert!(table_of(Preset::PaperCelebahqV1).iter().all(|row| row.2 == 0.001));
        assert_eq!(shape_of(Preset::PaperCelebahqV1), (19_000.0, 800.0, 800.0, 16, 0));
    }

    #[test]
    fn cifar_10_has_its_own_gradient_target() {
        let settings = Preset::PaperCifar10.settings();
        assert_eq!((settings.gp_target, settings.resolution, settings.mirror), (750.0, 32, false));
        assert_eq!((settings.gp_lambda, settings.drift_weight), (10.0, 0.001));
        assert_eq!(settings.feature_maps(32), 512);
    }

    #[test]
    fn the_style_based_network_trains_as_published() {
        let settings = Preset::StyleganFfhq8Gpu.settings();
        let rates: Vec<f64> = (3..=10).map(|log2| settings.learning_rate.at(1 << log2)).collect();
        assert_eq!(rates, [0.001, 0.001, 0.001, 0.001, 0.0015, 0.002, 0.003, 0.003]);
        let minibatches = [
            (Preset::StyleganFfhq, [128, 128, 16, 4]),
            (Preset::StyleganCelebahq2Gpu, [256, 128, 16, 8]),
            (Preset::StyleganFfhq4Gpu, [256, 128, 16, 16]),
            (Preset::StyleganFfhq8Gpu, [256, 128, 32, 32]),
        ];
        for (preset, expected) in minibatches {
            let settings = preset.settings();
            assert_eq!([8, 16, 128, 1024].map(|px| settings.minibatch.at(px)), expected, "{}", preset.name());
            assert_eq!(rates, (3..=10).map(|l| settings.learning_rate.at(1 << l)).collect::<Vec<_>>());
        }
        assert_eq!((settings.total_kimg, settings.start_resolution, settings.r1_gamma), (25_000.0, 8, 10.0));
        assert_eq!(
            (settings.loss, settings.gp_lambda, settings.drift_weight),
            (Loss::NonSaturating, 0.0, 0.0)
        );
        // Half after ten thousand images, whatever the minibatch.
        for minibatch in [4, 32, 250] {
            let steps = 10_000.0 / f64::from(minibatch);
            assert!((settings.average_decay(minibatch).powf(steps) - 0.5).abs() < 1e-9);
        }
        assert_eq!(Preset::PaperCelebahq.settings().average_decay(16), 0.999);
    }

    #[test]
    fn an_unknown_preset_is_answered_with_the_nearest_name() {
        let message = Preset::named("paper-celebhq-4gpus").unwrap_err().to_string();
        assert!(message.contains("did you mean `paper-celebahq-4gpu`?"), "{message}");
        let message = Preset::named("zzz").unwrap_err().to_string();
        assert!(!message.contains("did you mean"), "{message}");
    }

    #[test]
    fn every_preset_is_valid_and_found_by_its_name() {
        for preset in PRESETS {
            preset.settings().validate().unwrap();
            assert_eq!(Preset::named(preset.name()), Ok(preset));
        }
        let message = Preset::named("teeny").unwrap_err().to_string();
        assert!(message.contains("tiny"), "{message}");
    }
}
