//! The Frechet distance of infinitely many images (Chong and Forsyth 2020, arXiv:1911.07023, section 3).
//!
//! The distance at n images lies above its limit by about a/n. It is computed for rising shares of the images, and a
//! line in the inverse of the share gives the limit.

use crate::MetricsError;
use crate::error::finite;
use crate::feature_moments::{FeatureGaussian, FeatureMoments};
use crate::frechet::{FeatureSide, frechet_distance};
use crate::random_streams::{Purpose, choose};

/// Distances that the line is fitted to.
pub const EXTRAPOLATION_POINTS: usize = 15;

/// The smallest number of images of a point, where there are enough.
const LARGEST_FIRST_POINT: usize = 5000;

/// The distance of a share of the images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExtrapolationPoint {
    /// Real images; `None` where only mean and covariance of them are known.
    pub real: Option<usize>,
    /// Fake images.
    pub fake: usize,
    /// Their distance.
    pub distance: f64,
    /// Share of the images.
    share: f64,
}

/// The fitted line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extrapolation {
    /// Its value for infinitely many images.
    pub limit: f64,
    /// Root mean square of the points' distances from it.
    pub residual: f64,
}

/// Point `number` of [`EXTRAPOLATION_POINTS`]: shares rise evenly from a tenth of the images (or 5000, if that is less,
/// but more than there are features, if half of the images are) to all of them. Of either side that share is drawn without replacement,
/// so that the bias of both sides falls with it; statistics without images stay as they are, and so does their bias.
///
/// # Errors
/// - [`MetricsError::TooFewImages`] below 20 images on a side
/// - those of [`frechet_distance`], [`MetricsError::FeatureRows`]
pub fn extrapolation_point(
    real: FeatureSide<'_>,
    fake: FeatureSide<'_>,
    seed: u64,
    number: usize,
) -> Result<ExtrapolationPoint, MetricsError> {
    let counts = [real, fake].map(|side| match side {
        FeatureSide::Rows(rows) => Some((rows.count(), rows.width())),
        FeatureSide::Gaussian(_) => None,
    });
    let Some((smaller, width)) = counts.into_iter().flatten().min() else {
        let (name, expected) = ("what is known of both sides", "features of images on one side at least");
        return Err(MetricsError::Parameter { name, expected, actual: "statistics only".to_owned() });
    };
    if smaller < 20 {
        let metric = "the extrapolated Frechet distance";
        return Err(MetricsError::TooFewImages { metric, expected: 20, actual: smaller });
    }
    let first = (smaller / 10).min(LARGEST_FIRST_POINT).max((width + 1).min(smaller / 2)).max(2);
    let first = first as f64 / smaller as f64;
    let share = first + (1.0 - first) * number as f64 / (EXTRAPOLATION_POINTS - 1) as f64;
    let part =
        |side: FeatureSide<'_>, purpose: Purpose| -> Result<(Option<usize>, FeatureGaussian), MetricsError> {
            match side {
                FeatureSide::Gaussian(gaussian) => Ok((None, gaussian.clone())),
                FeatureSide::Rows(rows) => {
                    let all = rows.count();
                    let count = ((all as f64 * share).round() as usize).clamp(2, all);
                    let chosen = choose(seed, purpose, number, count, all);
                    Ok((Some(count), FeatureMoments::of(rows, chosen)?.gaussian()?))
                }
            }
        };
    let (real_count, real) = part(real, Purpose::ExtrapolateReal)?;
    let (fake_count, fake) = part(fake, Purpose::ExtrapolateFake)?;
    let distance = frechet_distance(&real, &fake)?.distance;
    Ok(ExtrapolationPoint { real: real_count, fake: fake_count.unwrap_or_default(), distance, share })
}

/// The line of least squares through `points`, against the inverse of their shares.
///
/// # Errors
/// [`MetricsError::Parameter`] for fewer than two points of different shares, [`MetricsError::Overflow`]
pub fn extrapolate(points: &[ExtrapolationPoint]) -> Result<Extrapolation, MetricsError> {
    let n = points.len() as f64;
    let mean = |of: &dyn Fn(&ExtrapolationPoint) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(&|p| 1.0 / p.share), mean(&|p| p.distance));
    let squares = mean(&|p| (1.0 / p.share - x).powi(2));
    if squares.is_nan() || squares <= 0.0 {
        let (name, expected) = ("number of points", "two at least, of different numbers of images");
        return Err(MetricsError::Parameter { name, expected, actual: points.len().to_string() });
    }
    let slope = mean(&|p| (1.0 / p.share - x) * (p.distance - y)) / squares;
    let limit = finite("the extrapolated Frechet distance", y - slope * x)?;
    let residual = mean(&|p| (p.distance - limit - slope / p.share).powi(2)).sqrt();
    let residual = finite("the residual of the extrapolation", residual)?;
    Ok(Extrapolation { limit, residual })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random_streams::gaussian_noise;
    use ndarray::Array2;

    #[test]
    fn a_line_is_found_exactly() {
        let point =
            |share: f64| ExtrapolationPoint { real: None, fake: 1, distance: 3.0 + 0.5 / share, share };
        let points: Vec<_> = [0.1, 0.3, 0.55, 1.0].map(point).into();
        let found = extrapolate(&points).unwrap();
        assert!((found.limit - 3.0).abs() < 1e-12 && found.residual < 1e-12, "{found:?}");
        assert!(extrapolate(&points[..1]).is_err());
    }

    #[test]
    fn two_sets_of_one_source_have_a_limit_near_zero() {
        let set = |seed| Array2::from_shape_vec((1500, 16), gaussian_noise(seed, 1500 * 16)).unwrap();
        let (real, fake) = (set(1), set(2));
        let sides = (FeatureSide::Rows(&real), FeatureSide::Rows(&fake));
        let points: Vec<_> =
            (0..EXTRAPOLATION_POINTS).map(|i| extrapolation_point(sides.0, sides.1, 0, i).unwrap()).collect();
        assert_eq!((points[0].real, points[0].fake, points[14].fake), (Some(150), 150, 1500));
        let at_all = points[14].distance;
        let found = extrapolate(&points).unwrap();
        // The bias: of the means 2 * 16 / 1500, and of the covariances some four times that.
        assert!((0.05..0.2).contains(&at_all), "{at_all}");
        assert!(found.limit.abs() < 0.2 * at_all, "{found:?} {at_all}");
    }
}
