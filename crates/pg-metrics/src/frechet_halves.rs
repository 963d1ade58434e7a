//! The 95 % interval of the Frechet distance, from balanced half-samples of the images.

use crate::feature_moments::FeatureGaussian;
use crate::frechet::{FeatureSide, frechet_distance};
use crate::interval::{ConfidenceInterval, HalfSamples, LEVEL_95, student_t_975};
use crate::moment_groups::MomentGroups;
use crate::{MetricsError, Side};

/// The fewest images of a side whose halves have a covariance.
pub const FEWEST_FOR_FRECHET_HALVES: usize = 4;

/// The images of both sides in 20 groups (12, 8 or 4 where there are fewer images), of which halves are compared with
/// halves. Published statistics of a side are taken as exact: they are in every half whole.
///
/// # Cost
/// One pass over the features, then for each of [`Self::count`] pairs two [`frechet_distance`]s. Memory: 80 width^2 bytes a
/// side.
pub struct FrechetHalves {
    samples: HalfSamples,
    sides: [HalvedSide; 2],
}

/// What halves of a side are made of.
enum HalvedSide {
    Known(FeatureGaussian),
    Groups(MomentGroups),
}

impl FrechetHalves {
    /// Of the images of both sides, or of the one of which the images are known.
    ///
    /// # Errors
    /// - [`MetricsError::Parameter`] where the images of neither side are known
    /// - [`MetricsError::TooFewImages`] below [`FEWEST_FOR_FRECHET_HALVES`]
    /// - [`MetricsError::FeatureRows`] and [`MetricsError::NotFinite`] of a side
    pub fn new(real: FeatureSide<'_>, fake: FeatureSide<'_>) -> Result<Self, MetricsError> {
        let count = |side: &FeatureSide<'_>| match side {
            FeatureSide::Rows(rows) => Some(rows.count()),
            FeatureSide::Gaussian(_) => None,
        };
        let Some(smaller) = [&real, &fake].into_iter().filter_map(count).min() else {
            let (name, expected) = ("what is known of both sides", "features of images on one side at least");
            return Err(MetricsError::Parameter { name, expected, actual: "statistics only".to_owned() });
        };
        if smaller < FEWEST_FOR_FRECHET_HALVES {
            let (metric, expected) = ("the interval of the Frechet distance", FEWEST_FOR_FRECHET_HALVES);
            return Err(MetricsError::TooFewImages { metric, expected, actual: smaller });
        }
        let samples = HalfSamples::new(smaller);
        let halved = |side: FeatureSide<'_>, which: Side| match side {
            FeatureSide::Gaussian(gaussian) => Ok(HalvedSide::Known(gaussian.clone())),
            FeatureSide::Rows(rows) => {
                let groups = MomentGroups::of(rows, &samples.ends(rows.count()));
                groups.map(HalvedSide::Groups).map_err(|error| error.of_side(which))
            }
        };
        let sides = [halved(real, Side::Real)?, halved(fake, Side::Fake)?];
        Ok(Self { samples, sides })
    }

    /// Number of half-samples, each of which makes a pair with its complement.
    #[must_use]
    pub fn count(&self) -> usize {
        self.samples.masks().len()
    }

    /// The distance of half-sample `number`, below [`Self::count`], and that of its complement.
    ///
    /// # Errors
    /// Those of [`frechet_distance`]; [`MetricsError::ImageIndex`] for a number beyond
    pub fn pair(&self, number: usize) -> Result<[f64; 2], MetricsError> {
        let all = (1_u32 << self.samples.groups()) - 1;
        let Some(&mask) = self.samples.masks().get(number) else {
            let (count, problem) = (self.count(), "out of range");
            return Err(MetricsError::ImageIndex { index: number, count, problem });
        };
        let of = |mask: u32| -> Result<f64, MetricsError> {
            let [real, fake] = self.sides.each_ref().map(|side| side.gaussian(mask));
            Ok(frechet_distance(&real?, &fake?)?.distance)
        };
        Ok([of(mask)?, of(!mask & all)?])
    }

    /// The interval of `distance`, that of all images, from all `pairs`.
    ///
    /// Where both sides are of one source the distance is a sum of squares of small deviations, and its values are neither
    /// symmetric about their mean nor of a spread that does not depend on them; its root is nearly both. So the interval
    /// is one of the root r = sqrt(distance), squared. With h and c the distances of a half and its complement, the variance of r
    /// is, to second order in the deviations,
    ///
    /// ```text
    /// mean of ((h - c) / 2)^2 / (4 distance) - variance of ((h + c) / 2) / (4 w)
    /// ```
    ///
    /// where w is the mean of the distance and of the halves' own mean. The first term is what half-samples say of any
    /// statistic. Of a sum of squares it is twice too large: half the difference of (d + e)^2 and (d - e)^2, with d the
    /// deviation of the whole and e that of the half from it, is 2 d e, whose variance 4 d^2 e^2 is twice that of d^2.
    /// The second term, of the squares e^2 alone, is that excess; it vanishes where the sides are far apart. It counts
    /// up to half of the first, which it cannot exceed but by chance. The variance is added to the squares of both ends, as
    /// the mean of a square lies above the square of the mean by that.
    #[must_use]
    pub fn interval(&self, distance: f64, pairs: &[[f64; 2]]) -> ConfidenceInterval {
        let n = pairs.len().max(1) as f64;
        let mean = |of: &dyn Fn(&[f64; 2]) -> f64| pairs.iter().map(of).sum::<f64>() / n;
        let even = |[half, complement]: &[f64; 2]| f64::midpoint(*half, *complement);
        let odd_squared = mean(&|[half, complement]| ((half - complement) / 2.0).powi(2));
        let mean_of_halves = mean(&even);
        // Of equal sets the distance is 0, and the halves' no more than rounding: nothing to divide by.
        let value = distance.max(odd_squared.sqrt()).max(f64::MIN_POSITIVE);
        let even_variance = mean(&|pair| (even(pair) - mean_of_halves).powi(2)) * n / (n - 1.0).max(1.0);
        let first = odd_squared / (4.0 * value);
        let second = even_variance / (4.0 * f64::midpoint(value, mean_of_halves.max(value)));
        let variance = first - second.min(first / 2.0);
        let half_width = student_t_975(self.count()) * variance.sqrt();
        let root = distance.max(0.0).sqrt();
        let low = ((root - half_width).max(0.0).powi(2) + variance).min(distance);
        let high = ((root + half_width).powi(2) + variance).max(distance);
        ConfidenceInterval { level: LEVEL_95, low, high }
    }
}

impl HalvedSide {
    fn gaussian(&self, mask: u32) -> Result<FeatureGaussian, MetricsError> {
        match self {
            Self::Known(gaussian) => Ok(gaussian.clone()),
            Self::Groups(groups) => groups.gaussian(mask),
        }
    }
}
