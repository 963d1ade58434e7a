//! Metrics of a network's features: opening the network, bringing images through it, and the scores.

mod frechet_score;
mod kernel_score;
pub(crate) mod library;
mod manifold_score;
mod network;
mod recognition_score;
mod scored;
mod side;
mod warnings;

pub(crate) use frechet_score::frechet_score;
pub(crate) use kernel_score::kernel_score;
pub(crate) use manifold_score::manifold_scores;
pub(crate) use network::Network;
pub(crate) use recognition_score::recognition_score;
pub(crate) use scored::{Comparison, Context, context_of, of_images, open_images};
pub(crate) use side::{Given, Known};
