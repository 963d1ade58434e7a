//! The only door to ONNX Runtime: load its library at run time, open a model, run it.
//!
//! Nothing is linked: [`OnnxRuntime::load`] opens the library file that the caller names (found by
//! [`find_library`] among the places that the caller lists). [`OnnxExtractor`] makes a model a
//! [`pg_metrics::FeatureExtractor`].

mod error;
mod extractor;
mod library_search;
mod model;
mod runtime;

pub use error::OnnxError;
pub use extractor::{ExtractorSettings, OnnxExtractor};
pub use library_search::find_library;
pub use model::{NamedTensor, OnnxModel, TensorDescription};
pub use runtime::OnnxRuntime;
