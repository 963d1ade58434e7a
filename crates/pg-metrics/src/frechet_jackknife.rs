//! The 95 % interval of the Frechet distance, by leaving out groups of images.

use crate::feature_moments::FeatureGaussian;
use crate::frechet::{FeatureSide, frechet_distance};
use crate::interval::{ConfidenceInterval, HalfSamples, LEVEL_95, student_t_975};
use crate::moment_groups::MomentGroups;
use crate::{MetricsError, Side};

/// The fewest images of a side of which the interval is known.
pub const FEWEST_FOR_FRECHET_INTERVAL: usize = 4;

/// The images of both sides in 20 groups (12, 8 or 4 where there are fewer images), of which one or two neighbouring ones
/// are left out of both sides. Published statistics of a side are taken as exact: nothing is left out of them.
///
/// # Cost
/// One pass over the features, then for each of [`Self::count`] steps two [`frechet_distance`]s. Memory: 80 width^2 bytes a
/// side.
pub struct FrechetJackknife {
    groups: usize,
    /// Whether the sides of which images are known have more of them than features.
    more_images_than_features: bool,
    sides: [GroupedSide; 2],
}

/// What is left of a side when groups are left out.
enum GroupedSide {
    Known(FeatureGaussian),
    Groups(MomentGroups),
}

/// The distances without group g, and without g and the next, for every g.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeftOut {
    /// Without the group.
    pub one: f64,
    /// Without it and the next one, behind the last of which comes the first.
    pub two: f64,
}

impl FrechetJackknife {
    /// Of the images of both sides, or of the one of which the images are known.
    ///
    /// # Errors
    /// - [`MetricsError::Parameter`] where the images of neither side are known
    /// - [`MetricsError::TooFewImages`] below [`FEWEST_FOR_FRECHET_INTERVAL`]
    /// - [`MetricsError::FeatureRows`] and [`MetricsError::NotFinite`] of a side
    pub fn new(real: FeatureSide<'_>, fake: FeatureSide<'_>) -> Result<Self, MetricsError> {
        let size = |side: &FeatureSide<'_>| match side {
            FeatureSide::Rows(rows) => Some((rows.count(), rows.width())),
            FeatureSide::Gaussian(_) => None,
        };
        let Some((smaller, width)) = [&real, &fake].into_iter().filter_map(size).min() else {
            let (name, expected) = ("what is known of both sides", "features of images on one side at least");
            return Err(MetricsError::Parameter { name, expected, actual: "statistics only".to_owned() });
        };
        if smaller < FEWEST_FOR_FRECHET_INTERVAL {
            let (metric, expected) = ("the interval of the Frechet distance", FEWEST_FOR_FRECHET_INTERVAL);
            return Err(MetricsError::TooFewImages { metric, expected, actual: smaller });
        }
        let samples = HalfSamples::new(smaller);
        let grouped = |side: FeatureSide<'_>, which: Side| match side {
            FeatureSide::Gaussian(gaussian) => Ok(GroupedSide::Known(gaussian.clone())),
            FeatureSide::Rows(rows) => {
                let groups = MomentGroups::of(rows, &samples.ends(rows.count()));
                groups.map(GroupedSide::Groups).map_err(|error| error.of_side(which))
            }
        };
        let sides = [grouped(real, Side::Real)?, grouped(fake, Side::Fake)?];
        Ok(Self { groups: samples.groups(), more_images_than_features: smaller > width, sides })
    }

    /// Number of groups.
    #[must_use]
    pub fn count(&self) -> usize {
        self.groups
    }

    /// The distances without group `number`, below [`Self::count`].
    ///
    /// # Errors
    /// Those of [`frechet_distance`]; [`MetricsError::ImageIndex`] for a number beyond
    pub fn without(&self, number: usize) -> Result<LeftOut, MetricsError> {
        let count = self.groups;
        if number >= count {
            return Err(MetricsError::ImageIndex { index: number, count, problem: "out of range" });
        }
        let all = (1_u32 << count) - 1;
        let of = |left_out: u32| -> Result<f64, MetricsError> {
            let [real, fake] = self.sides.each_ref().map(|side| side.gaussian(all & !left_out));
            Ok(frechet_distance(&real?, &fake?)?.distance)
        };
        let (this, next) = (1 << number, 1 << ((number + 1) % count));
        Ok(LeftOut { one: of(this)?, two: of(this | next)? })
    }

    /// The interval of `value`, the distance of all images, from what [`Self::without`] gives for every group.
    ///
    /// Near the floor the distance is a sum of squares of small deviations, far from it a linear function of them. Its variance is
    /// the sum of what groups do alone, V1, and of what every two of them do together, V2. The jackknife over
    /// groups counts the second twice (Efron and Stein 1981, section 3). V2 is known by itself, from how the distance without two
    /// groups differs from what leaving out each would make it, so
    ///
    /// ```text
    /// V2 = (G - 1) / (2 G) variance of [G value - (G - 1)(one + next one) + (G - 2) two]
    /// V1 = max(0, jackknife - 2 V2)
    /// ```
    ///
    /// Where a side has no more images than features, covariances have no full rank, and what leaving out two groups says of V2
    /// is too little near the floor and too much far from it. There 2 V2 is taken off only near the floor, where V2 is a large
    /// part of the jackknife; far from it V2 is taken off once, so that V1 + V2 is the whole jackknife.
    ///
    /// V2 does not depend on how far the sides are apart; V1 grows in proportion to it, from 0 at the floor. So an end m of the
    /// interval is where (m - value)^2 is t^2 (Student's, G - 1 degrees of freedom) times the variance that a set of expected value m has,
    /// V2 + max(0, V1 + slope (m - value)). The slope is V1 over the distance less its bias, which the jackknife estimates too; near
    /// the floor, where that quotient is of noise, it is at least 2 V2 + V1 over the distance, which it is where the deviations have
    /// the same size in all directions.
    #[must_use]
    pub fn interval(&self, value: f64, left_out: &[LeftOut]) -> ConfidenceInterval {
        let g = left_out.len().max(2) as f64;
        let mean = left_out.iter().map(|without| without.one).sum::<f64>() / g;
        let jackknife =
            (g - 1.0) / g * left_out.iter().map(|without| (without.one - mean).powi(2)).sum::<f64>();
        let next = left_out.iter().cycle().skip(1);
        let differences = left_out
            .iter()
            .zip(next)
            .map(|(this, next)| g * value - (g - 1.0) * (this.one + next.one) + (g - 2.0) * this.two);
        let together = (g - 1.0) / (2.0 * g) * sample_variance(&differences.collect::<Vec<_>>());
        let counted_too_often = if self.more_images_than_features {
            1.0
        } else {
            (3.0 * (together / jackknife - 0.15)).clamp(0.0, 1.0) // NaN where nothing varies: `alone` is 0 then
        };
        let alone = (jackknife - (1.0 + counted_too_often) * together).max(0.0);
        let variance = alone + together;
        if variance <= 0.0 {
            return ConfidenceInterval { level: LEVEL_95, low: value, high: value };
        }
        let bias = (g - 1.0) * (mean - value);
        let slope = (alone / (value - bias).max(variance.sqrt())).max(jackknife / value.max(variance.sqrt()));
        let t2 = student_t_975(left_out.len().saturating_sub(1)).powi(2);
        let root = ((t2 * slope).powi(2) + 4.0 * t2 * variance).sqrt();
        let up = f64::midpoint(root, t2 * slope);
        let down = match (root - t2 * slope) / 2.0 {
            down if slope * down > alone => (t2 * together).sqrt(),
            down => down,
        };
        ConfidenceInterval { level: LEVEL_95, low: (value - down).max(0.0).min(value), high: value + up }
    }
}

/// With divisor n - 1.
fn sample_variance(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0)
}

impl GroupedSide {
    fn gaussian(&self, mask: u32) -> Result<FeatureGaussian, MetricsError> {
        match self {
            Self::Known(gaussian) => Ok(gaussian.clone()),
            Self::Groups(groups) => groups.gaussian(mask),
        }
    }
}
