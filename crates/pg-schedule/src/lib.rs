//! The growing schedule and the training settings of progressive GANs, as pure functions of the number
//! of real images shown (arXiv:1710.10196, section 2 and appendix A). No torch, no files, no clock.

mod ablation;
mod by_resolution;
mod error;
mod growth;
mod loss;
mod presets;
mod rounds;
mod settings;
mod settings_table;
mod style_ablation;

pub use by_resolution::ByResolution;
pub use error::SettingsError;
pub use growth::{GrowthPlan, LevelOfDetail};
pub use loss::{Loss, OptimizerKind};
pub use presets::{PRESETS, Preset};
pub use rounds::{Round, Rounds};
pub use settings::{
    DiscriminatorNorm, GeneratorNorm, KeepBest, Labels, LayerNoise, Network, Precision, Resampling,
    StyleInput, TrainingSettings,
};
