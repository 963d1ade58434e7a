//! What can go wrong with statistics files.

use std::io;
use std::path::{Path, PathBuf};

use pg_metrics::MetricsError;
use thiserror::Error;

use crate::ProtocolDifference;

/// An error of this crate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StatsError {
    /// The file system refused.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another kind of file, or one of another version.
    #[error(
        "{} is no statistics file that can be read here: {reason}; make one with `pgeval stats REAL -o FILE`",
        path.display()
    )]
    NotStats {
        /// The file.
        path: PathBuf,
        /// What was expected and found.
        reason: String,
    },
    /// No mean and covariance of features.
    #[error(
        "{} holds no statistics of features: {reason}; expected a .npz with the arrays mu and sigma, as pytorch-fid --save-stats writes it",
        path.display()
    )]
    NotMoments {
        /// The file.
        path: PathBuf,
        /// What was expected and found.
        reason: String,
    },
    /// The file is not as it was written.
    #[error("{} is damaged: {what}; copy it again or make it anew with `pgeval stats`", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where, what was expected and found.
        what: String,
    },
    /// A number in a file that no metric can take.
    #[error(
        "cannot use {}: {what} is {value} at place {place}, expected finite numbers; make it again with `pgeval stats`",
        path.display()
    )]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// Which numbers: the tensor, and the image and the output that they are of.
        what: String,
        /// Which of them.
        place: usize,
        /// NaN or infinity.
        value: f64,
    },
    /// A number that a network said of an image and that no metric can take.
    #[error(
        "cannot keep image {index}: output `{output}` of the network is {value} at place {place}, expected finite numbers; leave the image out or repair the network"
    )]
    OutputNotFinite {
        /// Which image.
        index: usize,
        /// The network's output.
        output: String,
        /// Which of its numbers.
        place: usize,
        /// NaN or infinity.
        value: f32,
    },
    /// Two files that cannot be merged.
    #[error("{} cannot be merged with {}: {difference}", path.display(), first.display())]
    Protocol {
        /// The first part.
        first: PathBuf,
        /// The part that differs.
        path: PathBuf,
        /// In what.
        difference: ProtocolDifference,
    },
    /// An image that is in two parts.
    #[error(
        "image {index} of {} is image {first_index} of {}, by name and pixels: parts must not overlap",
        path.display(),
        first.display()
    )]
    Overlap {
        /// The part where it is met first.
        first: PathBuf,
        /// Its place there.
        first_index: usize,
        /// The part where it is met again.
        path: PathBuf,
        /// Its place there.
        index: usize,
    },
    /// Fewer than one part, or none with images.
    #[error("there is nothing to merge: no part has an image")]
    Nothing,
    /// A file of which only mean and covariance are known.
    #[error("{} holds only mean and covariance of features: parts of them cannot be merged", path.display())]
    MomentsOnly {
        /// The part.
        path: PathBuf,
    },
    /// A protocol that no metric can have.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
}

impl StatsError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }
}
