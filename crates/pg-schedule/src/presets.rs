//! Named starting points for the settings.

use crate::settings::Precision;
use crate::{ByResolution, Loss, OptimizerKind, SettingsError, TrainingSettings};

/// A named set of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// CelebA-HQ on one GPU as the authors published it.
    PaperCelebahq,
    /// Unsupervised CIFAR-10 at 32 px.
    PaperCifar10,
    /// An LSUN category at 256 px on one GPU.
    PaperLsun,
    /// Minutes on a CPU: narrow networks, up to 32 px. For demos and tests, not for quality.
    Tiny,
}

/// Every preset.
pub const PRESETS: [Preset; 4] =
    [Preset::PaperCelebahq, Preset::PaperCifar10, Preset::PaperLsun, Preset::Tiny];

impl Preset {
    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PaperCelebahq => "paper-celebahq",
            Self::PaperCifar10 => "paper-cifar10",
            Self::PaperLsun => "paper-lsun",
            Self::Tiny => "tiny",
        }
    }

    /// The preset called `name`.
    ///
    /// # Errors
    /// [`SettingsError::UnknownPreset`] with all names.
    pub fn named(name: &str) -> Result<Self, SettingsError> {
        PRESETS.into_iter().find(|p| p.name() == name).ok_or_else(|| SettingsError::UnknownPreset {
            name: name.to_owned(),
            known: PRESETS.map(Self::name).join(", "),
        })
    }

    /// The settings.
    #[must_use]
    pub fn settings(self) -> TrainingSettings {
        let paper = celebahq();
        match self {
            Self::PaperCelebahq => paper,
            Self::PaperCifar10 => TrainingSettings {
                resolution: 32,
                gp_target: 750.0,
                mirror: false,
                minibatch: ByResolution::Everywhere(16),
                learning_rate: ByResolution::Everywhere(0.001),
                ..paper
            },
            Self::PaperLsun => TrainingSettings { resolution: 256, ..paper },
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
        }
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
        loss: Loss::WganGp,
        gp_lambda: 10.0,
        gp_target: 1.0,
        drift_weight: 0.001,
        r1_gamma: 0.0,
        weight_clip: 0.0,
        discriminator_noise: 0.0,
        n_critic: 1,
        precision: Precision::Fp32,
        fmap_base: 8192,
        fmap_max: 512,
        latent_size: 512,
        minibatch_stddev_group: 4,
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
