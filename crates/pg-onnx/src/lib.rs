//! The only door to ONNX Runtime: load its library at run time, open a model, run it.
//!
//! Nothing is linked: [`OnnxRuntime::load`] opens the library file that the caller names (found by
//! [`find_library`] among the places that the caller lists). [`OnnxExtractor`] makes a model a
//! [`pg_metrics::FeatureExtractor`]; [`GeneratorModel`] draws images, [`PathGenerator`] those along paths through its
//! spaces; [`ImageDistance`] tells two images apart.

mod error;
mod extractor;
mod generator;
mod image_distance;
mod lanes;
mod library_search;
mod model;
mod model_file;
mod path_generator;
mod recipe;
mod registry;
mod runtime;

pub use error::OnnxError;
pub use extractor::OnnxExtractor;
pub use generator::GeneratorModel;
pub use image_distance::ImageDistance;
pub use lanes::Lanes;
pub use library_search::find_library;
pub use model::{NamedTensor, OnnxModel, Provider, SessionSettings, TensorDescription};
pub use model_file::ModelFile;
pub use path_generator::PathGenerator;
pub use recipe::{InputRecipe, PartialRecipe, RESIZES, parse_input_size, parse_range};
pub use registry::{Comparable, KnownModel, Registry};
pub use runtime::OnnxRuntime;
