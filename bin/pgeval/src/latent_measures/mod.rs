//! Measures of a generator's latent space: perceptual path length, linear separability.

mod attributes;
mod drawn;
mod finite_outputs;
mod groups;
mod opened;
mod path_length_score;
mod separability_score;

pub(crate) use attributes::Attributes;
pub(crate) use drawn::Drawing;
pub(crate) use groups::groups_of_one_noise;
pub(crate) use opened::{Networks, OpenedGenerator};
pub(crate) use path_length_score::{PathScore, measure_paths};
pub(crate) use separability_score::{SeparabilityScore, separate};
