//! The configurations of the paper's ablation (arXiv:1710.10196, section 6.1 and table 1), scaled down to
//! what the preset `tiny` trains: 32 px on a CPU.
//!
//! The table's names are kept; each configuration adds to the one before. What (a) to (c) have in common with
//! WGAN-GP's authors is taken from there: batch norm in the generator, layer norm in the critic, five critic
//! steps for one of the generator, Adam at 0.0001 with 0 and 0.9, no drift term. The paper's "revised training
//! parameters" (d) are ProGAN's own. (h) is (g) with networks four times as wide, trained twice as long.

use crate::settings::{DiscriminatorNorm, GeneratorNorm};
use crate::{ByResolution, TrainingSettings};

/// A row of table 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ablation {
    /// (a) WGAN-GP's training, at full resolution from the start, minibatches of 64.
    A,
    /// (b) Progressive growing.
    B,
    /// (c) Minibatches of 16.
    C,
    /// (d) ProGAN's training parameters, no batch norm and no layer norm.
    D,
    /// (e*) Minibatch discrimination.
    EStar,
    /// (e) Minibatch standard deviation instead.
    E,
    /// (f) Equalised learning rate.
    F,
    /// (g) Pixelwise normalisation.
    G,
    /// (h) Converged: wider and longer.
    H,
}

impl Ablation {
    /// `tiny` as this row has it.
    pub(crate) fn settings(self, tiny: &TrainingSettings) -> TrainingSettings {
        let mut settings = TrainingSettings {
            progressive: false,
            minibatch: ByResolution::Everywhere(64),
            minibatch_stddev_group: 0,
            equalized_lr: false,
            generator_norm: GeneratorNorm::Batch,
            discriminator_norm: DiscriminatorNorm::Layer,
            learning_rate: ByResolution::Everywhere(0.0001),
            adam_beta2: 0.9,
            n_critic: 5,
            minibatch_repeats: 5,
            drift_weight: 0.0,
            ..tiny.clone()
        };
        if self >= Self::B {
            settings.progressive = true;
        }
        if self >= Self::C {
            settings.minibatch = ByResolution::Everywhere(16);
        }
        if self >= Self::D {
            settings.generator_norm = GeneratorNorm::None;
            settings.discriminator_norm = DiscriminatorNorm::None;
            settings.learning_rate = tiny.learning_rate.clone();
            settings.adam_beta2 = tiny.adam_beta2;
            settings.n_critic = tiny.n_critic;
            settings.minibatch_repeats = tiny.minibatch_repeats;
            settings.drift_weight = tiny.drift_weight;
        }
        match self {
            Self::EStar => settings.minibatch_discrimination = 64,
            _ if self >= Self::E => settings.minibatch_stddev_group = tiny.minibatch_stddev_group,
            _ => {}
        }
        if self >= Self::F {
            settings.equalized_lr = true;
        }
        if self >= Self::G {
            settings.generator_norm = GeneratorNorm::Pixel;
        }
        if self >= Self::H {
            settings.fmap_base = 4 * tiny.fmap_base;
            settings.fmap_max = 2 * tiny.fmap_max;
            settings.total_kimg = 2.0 * tiny.total_kimg;
        }
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Preset;

    fn row(row: Ablation) -> TrainingSettings {
        Preset::Ablation(row).settings()
    }

    #[test]
    fn the_last_row_at_the_tiny_width_is_the_paper_as_the_tiny_preset_has_it() {
        assert_eq!(row(Ablation::G), Preset::Tiny.settings());
    }

    #[test]
    fn each_row_changes_what_the_table_says() {
        let (a, b, c, d) = (row(Ablation::A), row(Ablation::B), row(Ablation::C), row(Ablation::D));
        assert_eq!(TrainingSettings { progressive: true, ..a.clone() }, b);
        assert_eq!(TrainingSettings { minibatch: ByResolution::Everywhere(16), ..b }, c);
        assert_eq!((c.n_critic, c.generator_norm), (5, GeneratorNorm::Batch));
        assert_eq!((d.n_critic, d.generator_norm), (1, GeneratorNorm::None));
        let (e_star, e, f, g) = (row(Ablation::EStar), row(Ablation::E), row(Ablation::F), row(Ablation::G));
        assert_eq!(TrainingSettings { minibatch_discrimination: 64, ..d.clone() }, e_star);
        assert_eq!(TrainingSettings { minibatch_stddev_group: 4, ..d }, e);
        assert_eq!(TrainingSettings { equalized_lr: true, ..e }, f);
        assert_eq!(TrainingSettings { generator_norm: GeneratorNorm::Pixel, ..f }, g);
    }
}
