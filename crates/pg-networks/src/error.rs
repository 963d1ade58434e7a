//! What can be wrong with weights or inputs of a network.

use thiserror::Error;

/// Why a network cannot be used as asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// Weights that do not fit the architecture.
    #[error("weights `{name}`: expected shape {expected:?}, found {found}")]
    Weights {
        /// Name of the parameter.
        name: String,
        /// Shape in the architecture.
        expected: Vec<i64>,
        /// Shape found, or that it is missing.
        found: String,
    },
    /// A resolution outside what the network was built for.
    #[error("resolution {found} px: the network has levels from 4 to {most} px")]
    Resolution {
        /// Resolution asked for.
        found: u32,
        /// The network's full resolution.
        most: u32,
    },
    /// Styles asked of a network that has none.
    #[error(
        "the generator has no styles: expected a style-based network (network = \"style\"), found ProGAN's"
    )]
    NoStyles,
    /// Noise for other layers.
    #[error("expected pictures of noise with sides of {expected:?} px, found {found:?}")]
    Noise {
        /// One for each layer.
        expected: Vec<i64>,
        /// Those given.
        found: Vec<i64>,
    },
    /// Bytes that are not an image batch of the shape said.
    #[error("expected the bytes of images {shape:?}, found {found} bytes")]
    Bytes {
        /// `[N,C,H,W]`.
        shape: Vec<i64>,
        /// Number of bytes.
        found: usize,
    },
    /// An error of libtorch itself.
    #[error(transparent)]
    Torch(#[from] tch::TchError),
}
