//! The configurations of the style-based paper's ablation (arXiv:1812.04948, table 1), scaled down to what the preset
//! `tiny` trains: 32 px on a CPU.
//!
//! The table's names are kept; each configuration adds to the one before. The losses are those of its column FFHQ:
//! WGAN-GP for (A), the non-saturating loss with R1 from (B) on.

use crate::settings::{LayerNoise, Network, Resampling, StyleInput};
use crate::{Loss, TrainingSettings};

/// A row of table 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StyleAblation {
    /// (A) ProGAN.
    A,
    /// (B) Bilinear resampling and tuned training: the non-saturating loss with R1, growing from 8 px.
    B,
    /// (C) Mapping network and styles.
    C,
    /// (D) A learned constant instead of the traditional input.
    D,
    /// (E) Noise.
    E,
    /// (F) Mixing regularisation.
    F,
}

impl StyleAblation {
    /// `tiny` as this row has it.
    pub(crate) fn settings(self, tiny: &TrainingSettings) -> TrainingSettings {
        let mut settings = TrainingSettings { mixing_probability: 0.0, ..tiny.clone() };
        if self >= Self::B {
            settings = tuned(&settings);
        }
        if self >= Self::C {
            settings = Network::Style.with_companions(&settings);
            settings.style_input = StyleInput::Mapped;
            settings.layer_noise = LayerNoise::None;
        }
        if self >= Self::D {
            settings.style_input = StyleInput::Constant;
        }
        if self >= Self::E {
            settings.layer_noise = LayerNoise::Pixel;
        }
        if self >= Self::F {
            settings.mixing_probability = tiny.mixing_probability;
        }
        settings
    }
}

/// What the style-based paper trains with (appendix C), whichever the network.
pub(crate) fn tuned(settings: &TrainingSettings) -> TrainingSettings {
    TrainingSettings {
        resampling: Resampling::Bilinear,
        r1_gamma: 10.0,
        start_resolution: 8,
        ..Loss::NonSaturating.with_companions(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Preset;

    #[test]
    fn each_row_changes_what_the_table_says() {
        let row = |row| Preset::StyleAblation(row).settings();
        let tiny = Preset::Tiny.settings();
        let (a, b, c) = (row(StyleAblation::A), row(StyleAblation::B), row(StyleAblation::C));
        let (d, e, f) = (row(StyleAblation::D), row(StyleAblation::E), row(StyleAblation::F));
        assert_eq!(TrainingSettings { mixing_probability: tiny.mixing_probability, ..a }, tiny);
        assert_eq!(
            (b.network, b.resampling, b.loss, b.r1_gamma),
            (Network::Progressive, Resampling::Bilinear, Loss::NonSaturating, 10.0)
        );
        assert_eq!(
            (c.network, c.style_input, c.layer_noise),
            (Network::Style, StyleInput::Mapped, LayerNoise::None)
        );
        assert_eq!(TrainingSettings { style_input: StyleInput::Constant, ..c }, d);
        assert_eq!(TrainingSettings { layer_noise: LayerNoise::Pixel, ..d }, e);
        assert_eq!(TrainingSettings { mixing_probability: 0.9, ..e }, f);
        assert_eq!(f, Preset::StyleTiny.settings());
    }
}
