//! What can go wrong in writing a generator for other programs.

use std::path::PathBuf;

use thiserror::Error;

use super::OPSETS;
use crate::TrainingError;

/// Why a generator was not written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A version of ONNX's operators that is not written.
    #[error("opset {opset}: expected {} to {}", OPSETS.start(), OPSETS.end())]
    Opset {
        /// The version asked for.
        opset: u32,
    },
    /// The file's images are not the sampler's.
    #[error("{} was not written: its images would differ from those of the sampler by {difference:.3e}, more than {limit:.1e}", path.display())]
    Differs {
        /// The file that would have been written.
        path: PathBuf,
        /// The largest difference.
        difference: f64,
        /// What is allowed.
        limit: f64,
    },
    /// The file's images have another shape than the sampler's.
    #[error("the file makes images of shape {found:?}, expected {expected:?}")]
    Shape {
        /// The sampler's.
        expected: Vec<i64>,
        /// The file's.
        found: Vec<i64>,
    },
    /// The archive of a TorchScript file.
    #[error("cannot make the archive")]
    Archive(#[from] zip::result::ZipError),
    /// The snapshot, or a file.
    #[error(transparent)]
    Training(#[from] TrainingError),
    /// The networks.
    #[error(transparent)]
    Network(#[from] pg_networks::NetworkError),
    /// libtorch.
    #[error(transparent)]
    Torch(#[from] tch::TchError),
}
