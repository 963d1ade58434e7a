//! Frechet distance between Gaussians fitted to two sets of feature vectors (Heusel et al. 2017,
//! arXiv:1706.08500, equation 6; Dowson and Landau 1982).

use crate::MetricsError;
use crate::bootstrap::draw_weights;
use crate::feature_moments::{FeatureGaussian, FeatureMoments};
use crate::feature_rows::FeatureRows;
use crate::interval::ConfidenceInterval;
use crate::random_streams::Purpose;
use crate::trace_of_root::trace_of_root;

/// A distance and what it consists of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrechetDistance {
    /// |m1 - m2|^2 + Tr C1 + Tr C2 - 2 Tr (C1 C2)^1/2. May be below 0 by rounding.
    pub distance: f64,
    /// |m1 - m2|^2.
    pub of_means: f64,
    /// Whether both covariances have full rank. With fewer images than features they have not, and the distance
    /// says more about the number of images than about the images.
    pub full_rank: bool,
}

/// The distance of two Gaussians.
///
/// The trace of the root is the nuclear norm of F^T G with C1 = F F^T and C2 = G G^T, exact for any rank; all f64.
///
/// # Errors
/// - [`MetricsError::SetsDiffer`] for features of another length
/// - [`MetricsError::Parameter`] for a covariance that is none: not finite, or with negative eigenvalues
///
/// # Cost
/// About 5 n^3 floating-point operations for n features, a third of them bound by memory; five matrices of
/// 8 n^2 bytes. Of lower rank: several times that.
pub fn frechet_distance(
    real: &FeatureGaussian,
    fake: &FeatureGaussian,
) -> Result<FrechetDistance, MetricsError> {
    let width = real.width();
    for gaussian in [real, fake] {
        let values = gaussian.mean.iter().chain(&gaussian.covariance);
        if gaussian.covariance.dim() != (width, width) || gaussian.width() != width {
            let (real, fake) = (width.to_string(), gaussian.width().to_string());
            return Err(MetricsError::SetsDiffer { what: "length of their feature vectors", real, fake });
        }
        if let Some(value) = values.into_iter().find(|value| !value.is_finite()) {
            let (name, expected) = ("mean or covariance of features", "finite numbers");
            return Err(MetricsError::Parameter { name, expected, actual: value.to_string() });
        }
    }
    let of_means: f64 = real.mean.iter().zip(&fake.mean).map(|(a, b)| (a - b) * (a - b)).sum();
    let trace = |gaussian: &FeatureGaussian| gaussian.covariance.diag().sum();
    let root = trace_of_root(&real.covariance.view(), &fake.covariance.view())?;
    let distance = of_means + trace(real) + trace(fake) - 2.0 * root.trace;
    Ok(FrechetDistance { distance, of_means, full_rank: root.full_rank })
}

/// What is known of the features of one side.
#[derive(Clone, Copy)]
pub enum FeatureSide<'a> {
    /// The features of each image.
    Rows(&'a dyn FeatureRows),
    /// Their mean and covariance only, as statistics that others published.
    Gaussian(&'a FeatureGaussian),
}

impl FeatureSide<'_> {
    /// The fitted Gaussian, of the images as often as `weights` says; published statistics stay as they are.
    fn gaussian(&self, weights: impl Fn(usize) -> Vec<u32>) -> Result<FeatureGaussian, MetricsError> {
        match self {
            Self::Rows(rows) => FeatureMoments::of(*rows, Some(&weights(rows.count())))?.gaussian(),
            Self::Gaussian(gaussian) => Ok((*gaussian).clone()),
        }
    }
}

/// The distance of bootstrap sample `replicate` of the images of both sides; its spread over replicates is that of
/// the distance over choices of images. Published statistics are taken as exact.
///
/// # Errors
/// Those of [`frechet_distance`], [`MetricsError::FeatureRows`]
pub fn frechet_replicate(
    real: FeatureSide<'_>,
    fake: FeatureSide<'_>,
    seed: u64,
    replicate: usize,
) -> Result<f64, MetricsError> {
    let sides = [(real, Purpose::BootstrapReal), (fake, Purpose::BootstrapFake)];
    let [real, fake] =
        sides.map(|(side, purpose)| side.gaussian(|n| draw_weights(seed, purpose, replicate, n)));
    Ok(frechet_distance(&real?, &fake?)?.distance)
}

/// The 95 % interval of `distance`, from the distances of bootstrap samples.
#[must_use]
pub fn frechet_interval(distance: f64, replicates: &[f64]) -> ConfidenceInterval {
    ConfidenceInterval::bootstrap(distance, replicates, (0.0, f64::INFINITY))
}
