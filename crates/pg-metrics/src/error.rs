//! Why a metric could not be computed.

use std::error::Error;

use thiserror::Error;

use crate::Side;

/// Errors of this crate. Image indices count from 0 in the order in which the caller numbers them.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MetricsError {
    /// The sliced Wasserstein distance was asked for images that have no such pyramid.
    #[error(
        "images of {width_px}x{height_px} pixels: the sliced Wasserstein distance needs square images whose side is a power of two of at least 16; resize or crop them to such a side first"
    )]
    SwdImageSize {
        /// Columns found.
        width_px: usize,
        /// Rows found.
        height_px: usize,
    },
    /// An image differs in shape from the others of its set.
    #[error(
        "image {index} has {actual_channels} channels of {actual_width_px}x{actual_height_px} pixels, expected {expected_channels} channels of {expected_width_px}x{expected_height_px} as the others; bring all images to one size first"
    )]
    MixedShapes {
        /// Which image.
        index: usize,
        /// Channels expected.
        expected_channels: usize,
        /// Columns expected.
        expected_width_px: usize,
        /// Rows expected.
        expected_height_px: usize,
        /// Channels found.
        actual_channels: usize,
        /// Columns found.
        actual_width_px: usize,
        /// Rows found.
        actual_height_px: usize,
    },
    /// MS-SSIM was asked for an image that cannot be halved four times.
    #[error(
        "image {index} has {width_px}x{height_px} pixels: MS-SSIM with five scales needs at least {minimum_px} on both sides; use larger images"
    )]
    TooSmallForMsSsim {
        /// Which image.
        index: usize,
        /// Columns found.
        width_px: usize,
        /// Rows found.
        height_px: usize,
        /// Smallest side allowed.
        minimum_px: usize,
    },
    /// A set is too small for the metric.
    #[error("{actual} images: {metric} needs at least {expected}; give more images")]
    TooFewImages {
        /// The metric asked for.
        metric: &'static str,
        /// Smallest number of images.
        expected: usize,
        /// Images there are.
        actual: usize,
    },
    /// More pairs were asked for than there are.
    #[error(
        "{asked} pairs asked for, but {images} images make only {available} distinct pairs; ask for fewer"
    )]
    TooManyPairs {
        /// Pairs asked for.
        asked: usize,
        /// Pairs there are.
        available: usize,
        /// Images there are.
        images: usize,
    },
    /// A parameter is out of its range.
    #[error("{name} is {actual}, expected {expected}")]
    Parameter {
        /// The parameter's name.
        name: &'static str,
        /// What is allowed.
        expected: &'static str,
        /// What was given.
        actual: String,
    },
    /// An image index is beyond the set.
    #[error("image {index} of a set of {count} was {problem}")]
    ImageIndex {
        /// Which image.
        index: usize,
        /// Images in the set.
        count: usize,
        /// "out of range".
        problem: &'static str,
    },
    /// Two descriptor sets do not belong to one comparison.
    #[error("the two sets differ in {what}: {real} for the real images, {fake} for the fake ones")]
    SetsDiffer {
        /// What differs.
        what: &'static str,
        /// Value of the real side.
        real: String,
        /// Value of the fake side.
        fake: String,
    },
    /// The features of some images could not be read.
    #[error("the features of some images cannot be read")]
    FeatureRows {
        /// What kept them from being read.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A number that no metric can take, among those of an image.
    #[error(
        "cannot use {what} of image {index}: number {place} is {value}, expected finite numbers; leave the image out or repair the network"
    )]
    NotFinite {
        /// The numbers: `features`, `class scores`, `distances`, `descriptors`.
        what: &'static str,
        /// Which image.
        index: usize,
        /// Which of its numbers.
        place: usize,
        /// NaN or infinity.
        value: f64,
    },
    /// A result beyond all numbers, though every input is finite.
    #[error(
        "cannot compute {what}: it is {value}; the features are too large, scale them or repair the network"
    )]
    Overflow {
        /// What was computed.
        what: &'static str,
        /// NaN or infinity.
        value: f64,
    },
    /// A symmetric matrix that is the covariance of no set of images.
    #[error(
        "cannot use a covariance with negative eigenvalues: the least is {least:.3e}, expected none below {allowed:.3e} (its largest variance is {largest_variance:.3e}); make these statistics again from the features"
    )]
    NotACovariance {
        /// The least eigenvalue.
        least: f64,
        /// What rounding explains.
        allowed: f64,
        /// The largest entry on the diagonal.
        largest_variance: f64,
    },
    /// The numbers of one side of a comparison cannot be used.
    #[error("the {} images", match side { Side::Real => "real", Side::Fake => "fake" })]
    OfSide {
        /// Which side.
        side: Side,
        /// Why not.
        source: Box<MetricsError>,
    },
    /// A matrix decomposition did not converge, which matrices of finite numbers do not do.
    #[error(
        "{what} cannot be computed: the iteration does not converge; are there numbers out of all range?"
    )]
    NoConvergence {
        /// What was computed.
        what: &'static str,
    },
    /// The caller asked a long computation to stop.
    #[error("stopped")]
    Stopped,
    /// A feature extractor failed.
    #[error("feature extractor {name} failed")]
    Extractor {
        /// The extractor's name.
        name: String,
        /// Its own error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A minimum could not be found.
    #[error("the minimum was not found: {reason}")]
    Optimiser {
        /// What the optimiser says.
        reason: String,
    },
}

impl MetricsError {
    /// The same, of the images of `side`; a request to stop is of no side.
    #[must_use]
    pub(crate) fn of_side(self, side: Side) -> Self {
        match self {
            Self::Stopped => Self::Stopped,
            source => Self::OfSide { side, source: Box::new(source) },
        }
    }
}

/// `value`, unless it is NaN or infinite.
///
/// # Errors
/// [`MetricsError::Overflow`], which says that it is of `what`.
pub(crate) fn finite(what: &'static str, value: f64) -> Result<f64, MetricsError> {
    if value.is_finite() { Ok(value) } else { Err(MetricsError::Overflow { what, value }) }
}
