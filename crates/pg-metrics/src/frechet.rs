//! Frechet distance between Gaussians fitted to two sets of feature vectors (Heusel et al. 2017,
//! arXiv:1706.08500, equation 6; Dowson and Landau 1982).

use crate::error::finite;
use crate::feature_moments::FeatureGaussian;
use crate::feature_rows::FeatureRows;
use crate::trace_of_root::trace_of_root;
use crate::{MetricsError, Side};

/// A distance and what it consists of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrechetDistance {
    /// |m1 - m2|^2 + Tr C1 + Tr C2 - 2 Tr (C1 C2)^1/2; 0 where that is below 0 by rounding.
    pub distance: f64,
    /// |m1 - m2|^2.
    pub of_means: f64,
    /// Whether both covariances have full rank. With fewer images than features they have not, and the distance
    /// says more about the number of images than about the images.
    pub full_rank: bool,
}

/// The distance of two Gaussians.
///
/// The trace of the root is the nuclear norm of F^T G with C1 = F F^T and C2 = G G^T, exact for any rank; all f64. Eigenvalues
/// below 0 by rounding, down to 1e-7 of the largest variance, count as 0 in the root; a side without any variance has
/// none there.
///
/// # Errors
/// - [`MetricsError::SetsDiffer`] for features of another length
/// - of a side, [`MetricsError::Parameter`] for numbers that are not finite and [`MetricsError::NotACovariance`] for
///   negative eigenvalues
/// - [`MetricsError::Overflow`] for features beyond some 1e77
///
/// # Cost
/// About 5 n^3 floating-point operations for n features, a third of them bound by memory; five matrices of
/// 8 n^2 bytes. Of lower rank: several times that.
pub fn frechet_distance(
    real: &FeatureGaussian,
    fake: &FeatureGaussian,
) -> Result<FrechetDistance, MetricsError> {
    let width = real.width();
    for (gaussian, side) in [(real, Side::Real), (fake, Side::Fake)] {
        let values = gaussian.mean.iter().chain(&gaussian.covariance);
        if gaussian.covariance.dim() != (width, width) || gaussian.width() != width {
            let (real, fake) = (width.to_string(), gaussian.width().to_string());
            return Err(MetricsError::SetsDiffer { what: "length of their feature vectors", real, fake });
        }
        if let Some(value) = values.into_iter().find(|value| !value.is_finite()) {
            let (name, expected) = ("mean or covariance of features", "finite numbers");
            let error = MetricsError::Parameter { name, expected, actual: value.to_string() };
            return Err(error.of_side(side));
        }
    }
    let of_means: f64 = real.mean.iter().zip(&fake.mean).map(|(a, b)| (a - b) * (a - b)).sum();
    let trace = |gaussian: &FeatureGaussian| gaussian.covariance.diag().sum();
    // Products of larger numbers would overflow on the way.
    finite("the Frechet distance", trace(real) * trace(fake) * width as f64)?;
    let root = trace_of_root(&real.covariance.view(), &fake.covariance.view())?;
    let distance = of_means + trace(real) + trace(fake) - 2.0 * root.trace;
    let distance = finite("the Frechet distance", distance)?.max(0.0);
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
