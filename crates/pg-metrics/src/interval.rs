//! 95 % confidence intervals of metric values.

use serde::{Deserialize, Serialize};

/// The confidence level of every interval here.
pub const LEVEL_95: f64 = 0.95;

/// An interval that holds the metric's expected value at this number of images with probability
/// `level`, over the choice of images from their source and over the metric's own random draws.
///
/// It does not tell what the value would be for more images: a metric's bias at a finite number of
/// images (the floor between two sets of one source) is part of the value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ConfidenceInterval {
    /// 0.95.
    pub level: f64,
    /// Lower end, in the metric's unit.
    pub low: f64,
    /// Upper end, in the metric's unit.
    pub high: f64,
}

impl ConfidenceInterval {
    /// `value` plus and minus the 97.5 % point of Student's t times `standard_error`, cut to
    /// `bounds`, the values that the metric can take.
    pub(crate) fn student(
        value: f64,
        standard_error: f64,
        degrees_of_freedom: usize,
        bounds: (f64, f64),
    ) -> Self {
        let half = student_t_975(degrees_of_freedom) * standard_error;
        // The value itself may be beyond a bound by rounding.
        let (low, high) = ((value - half).max(bounds.0).min(value), (value + half).min(bounds.1).max(value));
        Self { level: LEVEL_95, low, high }
    }

    /// Around `value`, by the spread of the values of bootstrap samples. Their mean is not used: the bias of the
    /// metric at finite numbers of images, which is part of `value`, is in them twice.
    pub(crate) fn bootstrap(value: f64, replicates: &[f64], bounds: (f64, f64)) -> Self {
        let n = replicates.len().max(1) as f64;
        let mean = replicates.iter().sum::<f64>() / n;
        let squares: f64 = replicates.iter().map(|r| (r - mean) * (r - mean)).sum();
        let degrees_of_freedom = replicates.len().saturating_sub(1);
        let standard_error = (squares / degrees_of_freedom.max(1) as f64).sqrt();
        Self::student(value, standard_error, degrees_of_freedom, bounds)
    }
}

/// Halves of a set of images, for the standard error of a statistic that has no formula for it.
///
/// The images form G groups; each half-sample takes G/2 of them, and its complement the others. Any
/// two half-samples share exactly G/4 groups (the rows of a Hadamard matrix, by Paley's construction),
/// so that for a mean half the difference of a half and its complement is, as a root mean square, exactly the
/// standard error of the whole (balanced half-samples, McCarthy 1969). Whatever of a statistic is even in the
/// deviation of a half cancels in that difference, as does the greater bias of halves. Unlike leaving out one image at
/// a time it stays usable where a statistic has a kink, as |difference| has at 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HalfSamples {
    groups: usize,
    /// Bit g says whether group g is in the half.
    masks: Vec<u32>,
}

impl HalfSamples {
    /// The design for `images` images: 20 groups, or 12, 8, 4 or 2 where there are fewer images.
    pub(crate) fn new(images: usize) -> Self {
        let groups = [20, 12, 8, 4].into_iter().find(|&g| g <= images).unwrap_or(2);
        let prime = groups - 1;
        let mut squares = 0_u32;
        for i in 1..prime {
            squares |= 1 << (i * i % prime);
        }
        // Row r: the last group, and every group whose distance from r is a square modulo the prime.
        let row = |r: usize| {
            let shifted = (0..prime).filter(|g| squares >> ((g + prime - r) % prime) & 1 == 1);
            shifted.fold(1_u32 << prime, |mask, g| mask | 1 << g)
        };
        Self { groups, masks: (0..prime).map(row).collect() }
    }

    /// Number of groups G.
    pub(crate) fn groups(&self) -> usize {
        self.groups
    }

    /// One mask per half-sample.
    pub(crate) fn masks(&self) -> &[u32] {
        &self.masks
    }

    /// The group of image `index` of `images`: runs of neighbouring images, of which some (frames of
    /// one film, pictures of one person) may be alike and must then stay together.
    #[cfg(test)]
    pub(crate) fn group_of(&self, index: usize, images: usize) -> usize {
        index * self.groups / images.max(1)
    }

    /// Per group, the index after its last image.
    pub(crate) fn ends(&self, images: usize) -> Vec<usize> {
        (1..=self.groups).map(|group| (group * images).div_ceil(self.groups)).collect()
    }
}

/// Standard error of a statistic of the whole set, from its values on half-samples and their complements, in turn:
/// half the root mean square of their differences.
pub(crate) fn half_sample_standard_error(values: &[f64]) -> f64 {
    let pairs = values.as_chunks::<2>().0;
    let squares: f64 = pairs.iter().map(|[half, complement]| (half - complement) * (half - complement)).sum();
    (squares / pairs.len().max(1) as f64).sqrt() / 2.0
}

/// The 97.5 % point of Student's t distribution; 1.96 from 100 degrees of freedom on (off by 0.024
/// at most there), the next smaller tabulated number of degrees in between.
pub(crate) fn student_t_975(degrees_of_freedom: usize) -> f64 {
    const UP_TO_30: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145,
        2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048,
        2.045, 2.042,
    ];
    match degrees_of_freedom {
        0 => UP_TO_30[0],
        n @ 1..=30 => UP_TO_30[n - 1],
        31..=39 => 2.042,
        40..=59 => 2.021,
        60..=99 => 2.000,
        _ => 1.960,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_samples_take_half_the_groups_and_share_a_quarter() {
        for (images, groups) in [(2, 2), (3, 2), (4, 4), (9, 8), (19, 12), (20, 20), (1000, 20)] {
            let design = HalfSamples::new(images);
            assert_eq!((design.groups(), design.masks().len()), (groups, groups - 1));
            for (i, a) in design.masks().iter().enumerate() {
                assert_eq!(a.count_ones() as usize, groups / 2);
                assert!(design.masks()[..i].iter().all(|b| (a & b).count_ones() as usize == groups / 4));
            }
        }
    }

    #[test]
    fn every_group_has_images_and_images_stay_in_order() {
        for images in [2, 5, 20, 33, 1000] {
            let design = HalfSamples::new(images);
            let groups: Vec<usize> = (0..images).map(|i| design.group_of(i, images)).collect();
            assert!(groups.windows(2).all(|g| g[1] == g[0] || g[1] == g[0] + 1));
            assert_eq!((groups[0], groups[images - 1]), (0, design.groups() - 1));
            let ends = design.ends(images);
            assert!((0..images).all(|i| groups[i] == ends.iter().position(|&end| i < end).unwrap()));
        }
    }

    #[test]
    fn for_a_mean_the_spread_of_the_halves_is_the_standard_error() {
        for n in [4_usize, 8, 12, 20] {
            let values: Vec<f64> = (0..n).map(|i| (i * i % 7) as f64 + (i as f64).sin()).collect();
            let design = HalfSamples::new(n);
            let mean_of = |inside: &dyn Fn(usize) -> bool| {
                let kept = values.iter().enumerate().filter(|(i, _)| inside(*i)).map(|(_, v)| v);
                kept.sum::<f64>() / (n / 2) as f64
            };
            let halves: Vec<f64> = design
                .masks()
                .iter()
                .flat_map(|mask| [1, 0].map(|side| mean_of(&|g| mask >> g & 1 == side)))
                .collect();
            let mean = values.iter().sum::<f64>() / n as f64;
            let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n as f64 - 1.0);
            let expected = (variance / n as f64).sqrt();
            assert!((half_sample_standard_error(&halves) - expected).abs() < 1e-12, "{n}");
            // What both halves have in common is no error.
            let biased: Vec<f64> =
                halves.chunks(2).flat_map(|h| [0, 1].map(|i| h[i] + h[0] * h[1])).collect();
            assert!((half_sample_standard_error(&biased) - expected).abs() < 1e-12, "{n}");
        }
    }

    #[test]
    fn an_interval_stays_inside_the_metric_s_range() {
        let interval = ConfidenceInterval::student(0.5, 1.0, 19, (0.0, 1.0));
        assert_eq!((interval.low, interval.high), (0.0, 1.0));
    }

    #[test]
    fn quantiles_never_grow_with_the_degrees_of_freedom() {
        let quantiles: Vec<f64> = (0..200).map(student_t_975).collect();
        assert!(quantiles.windows(2).all(|q| q[0] >= q[1]));
    }
}
