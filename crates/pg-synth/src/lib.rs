//! Synthetic portraits with known landmarks and attributes, for demos and tests: drawn, not photographed, and free of
//! anyone's rights.
//!
//! A portrait is a pure function of (seed, index). No file system, no clock.

mod appearance;
mod attributes;
mod canvas;
mod noise;
mod painting;
mod portrait;
mod pose;
mod random;
mod shapes;
mod uniform_noise;

pub use appearance::{Appearance, HairStyle};
pub use attributes::{ATTRIBUTE_NAMES, Attributes};
pub use portrait::Portrait;
pub use pose::{LANDMARK_NAMES, Landmarks};
pub use uniform_noise::uniform_noise;
