//! The adversarial losses by name, and the settings that belong to each.

use serde::{Deserialize, Serialize};

use crate::TrainingSettings;

/// The adversarial loss. What each computes is with the losses of pg-training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Wasserstein loss with gradient penalty and drift term (arXiv:1704.00028; arXiv:1710.10196, A.1).
    WganGp,
    /// Wasserstein loss with clipped weights (arXiv:1701.07875, algorithm 1).
    Wgan,
    /// Least squares towards 1 for reals and 0 for fakes (arXiv:1611.04076; arXiv:1710.10196, B).
    Lsgan,
    /// The minimax game of the first GAN, whose generator loss saturates (arXiv:1406.2661, equation 1).
    Minimax,
    /// The same discriminator; the generator maximises log D(fake) (arXiv:1406.2661, section 3).
    NonSaturating,
    /// Hinge loss (arXiv:1705.02894; arXiv:1802.05957, equations 16 and 17).
    Hinge,
    /// f-GAN, Kullback-Leibler divergence (arXiv:1606.00709, tables 1, 2 and 6, as all that follow).
    FKl,
    /// f-GAN, reverse Kullback-Leibler divergence.
    FReverseKl,
    /// f-GAN, Pearson's chi-squared.
    FPearson,
    /// f-GAN, Jensen-Shannon divergence.
    FJensenShannon,
    /// f-GAN, squared Hellinger distance.
    FSquaredHellinger,
}

/// The optimiser of both networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    /// Adam (arXiv:1412.6980), with `adam_beta1`, `adam_beta2`, `adam_epsilon`.
    Adam,
    /// RMSProp without momentum, with `rmsprop_decay`, `rmsprop_epsilon`.
    Rmsprop,
}

impl Loss {
    /// Every loss, wgan-gp first.
    pub const ALL: [Self; 11] = [
        Self::WganGp,
        Self::Wgan,
        Self::Lsgan,
        Self::Minimax,
        Self::NonSaturating,
        Self::Hinge,
        Self::FKl,
        Self::FReverseKl,
        Self::FPearson,
        Self::FJensenShannon,
        Self::FSquaredHellinger,
    ];

    /// The name in settings and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WganGp => "wgan-gp",
            Self::Wgan => "wgan",
            Self::Lsgan => "lsgan",
            Self::Minimax => "minimax",
            Self::NonSaturating => "non-saturating",
            Self::Hinge => "hinge",
            Self::FKl => "f-kl",
            Self::FReverseKl => "f-reverse-kl",
            Self::FPearson => "f-pearson",
            Self::FJensenShannon => "f-jensen-shannon",
            Self::FSquaredHellinger => "f-squared-hellinger",
        }
    }

    /// The loss called `name`; `None` where there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|loss| loss.name() == name)
    }

    /// `settings` with this loss, its regularisers and its optimiser as in the loss's own paper: a
    /// penalty and a drift term for wgan-gp only, clipped weights and RMSProp for wgan only, noise for
    /// lsgan only. `gp_target`, `n_critic` and the learning rate stay as they are.
    #[must_use]
    pub fn with_companions(self, settings: &TrainingSettings) -> TrainingSettings {
        let (gp_lambda, drift_weight) = if self == Self::WganGp { (10.0, 0.001) } else { (0.0, 0.0) };
        let wasserstein_by_clipping = self == Self::Wgan;
        TrainingSettings {
            loss: self,
            gp_lambda,
            drift_weight,
            r1_gamma: 0.0,
            weight_clip: if wasserstein_by_clipping { 0.01 } else { 0.0 },
            discriminator_noise: if self == Self::Lsgan { 0.2 } else { 0.0 },
            optimizer: if wasserstein_by_clipping { OptimizerKind::Rmsprop } else { OptimizerKind::Adam },
            ..settings.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Preset;

    #[test]
    fn every_loss_is_found_by_the_name_that_settings_use() {
        for loss in Loss::ALL {
            assert_eq!(Loss::named(loss.name()), Some(loss));
            let settings = loss.with_companions(&Preset::Tiny.settings());
            assert!(settings.to_toml().contains(&format!("loss = \"{}\"", loss.name())));
            settings.validate().unwrap();
        }
        assert_eq!(Loss::named("gan"), None);
    }

    #[test]
    fn the_companions_of_the_presets_loss_are_the_presets_values() {
        // The first rows of the ablation leave the drift term out; the style-based network's loss has R1 beside it.
        for preset in crate::PRESETS.into_iter().filter(|p| !matches!(p, Preset::Ablation(_))) {
            let settings = TrainingSettings { r1_gamma: 0.0, ..preset.settings() };
            assert_eq!(settings.loss.with_companions(&settings), settings, "{}", preset.name());
        }
    }
}
