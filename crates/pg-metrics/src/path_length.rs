//! Perceptual path length (Karras, Laine, Aila 2018, arXiv:1812.04948, section 4.1).

use rand::Rng as _;

use crate::error::finite;
use crate::interval::ConfidenceInterval;
use crate::random_streams::{Purpose, seek, stream};
use crate::{DrawnLatent, LatentSpace, MetricsError};

/// Step along a path over which its length is measured.
pub const PATH_EPSILON: f64 = 1e-4;
/// Percentiles between which distances count.
pub const PATH_PERCENTILES: (f64, f64) = (1.0, 99.0);

/// Where a path is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathSampling {
    /// At a place drawn uniformly between its ends.
    Full,
    /// At its beginning.
    End,
}

/// A path through a latent space, and the place on it.
#[derive(Debug, Clone, PartialEq)]
pub struct LatentPath {
    /// The latent at its beginning.
    pub first: DrawnLatent,
    /// And at its end; of the class of the first.
    pub second: DrawnLatent,
    /// From 0 (beginning) to below 1.
    pub place: f64,
}

impl LatentPath {
    /// Path `index` of `seed`: the same whichever others are drawn.
    #[must_use]
    pub fn draw(seed: u64, index: usize, space: LatentSpace, sampling: PathSampling) -> Self {
        let mut rng = stream(seed, Purpose::PathLatents, 0);
        seek(&mut rng, index);
        // Drawn either way, so that paths have the same ends.
        let uniform = f64::from(rng.next_u32()) / (f64::from(u32::MAX) + 1.0);
        let place = match sampling {
            PathSampling::Full => uniform,
            PathSampling::End => 0.0,
        };
        let first = space.draw(&mut rng);
        let second = DrawnLatent { class: first.class, ..space.draw(&mut rng) };
        Self { first, second, place }
    }

    /// The latents at its place and `epsilon` further, on the sphere through which latents of N(0, 1) lie closely:
    /// spherical interpolation.
    #[must_use]
    pub fn step_in_z(&self, epsilon: f64) -> [DrawnLatent; 2] {
        let radius = (self.first.normal.len() as f64).sqrt();
        [self.place, self.place + epsilon].map(|place| {
            let direction = slerp(&self.first.normal, &self.second.normal, place);
            let normal = direction.into_iter().map(|x| (x * radius) as f32).collect();
            DrawnLatent { normal, class: self.first.class }
        })
    }

    /// Between the styles `first` and `second` of its ends, at its place and `epsilon` further: straight.
    #[must_use]
    pub fn step_in_w(&self, first: &[f32], second: &[f32], epsilon: f64) -> [Vec<f32>; 2] {
        [self.place, self.place + epsilon].map(|place| lerp(first, second, place))
    }
}

/// From `a` to `b` along a great circle: the unit vector a share `t` of their angle away from a's direction.
fn slerp(a: &[f32], b: &[f32], t: f64) -> Vec<f64> {
    let unit = |v: Vec<f64>| {
        let length = v.iter().map(|x| x * x).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        v.into_iter().map(|x| x / length).collect::<Vec<f64>>()
    };
    let wide = |v: &[f32]| unit(v.iter().map(|&x| f64::from(x)).collect());
    let (a, b) = (wide(a), wide(b));
    let cosine = a.iter().zip(&b).map(|(a, b)| a * b).sum::<f64>().clamp(-1.0, 1.0);
    let angle = t * cosine.acos();
    let across = unit(a.iter().zip(&b).map(|(a, b)| b - cosine * a).collect());
    unit(a.iter().zip(&across).map(|(a, c)| a * angle.cos() + c * angle.sin()).collect())
}

/// a + t (b - a).
fn lerp(a: &[f32], b: &[f32], t: f64) -> Vec<f32> {
    let at = |(&a, &b): (&f32, &f32)| (f64::from(a) + t * (f64::from(b) - f64::from(a))) as f32;
    a.iter().zip(b).map(at).collect()
}

/// Mean length of paths, by square of the step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PathLength {
    /// Mean of the distances that count, over epsilon squared.
    pub mean: f64,
    /// How many of them there are.
    pub counted: usize,
    /// Of the mean over the choice of paths, 95 %.
    pub interval: ConfidenceInterval,
}

/// From the perceptual distance d of each path's two images: the mean of d / epsilon^2 without those below the first
/// and above the 99th percentile (of the values themselves: the next lower and the next higher one, as in the authors'
/// program).
///
/// The interval is that of a trimmed mean (Tukey, McLaughlin 1963): winsorised variance, Student's t.
///
/// # Errors
/// [`MetricsError::TooFewImages`] for fewer than two paths; [`MetricsError::NotFinite`] for distances that are not;
/// [`MetricsError::Overflow`] where their quotients are beyond all numbers.
pub fn path_length(distances: &[f64], epsilon: f64) -> Result<PathLength, MetricsError> {
    let n = distances.len();
    if n < 2 {
        return Err(MetricsError::TooFewImages { metric: "perceptual path length", expected: 2, actual: n });
    }
    if let Some(index) = distances.iter().position(|d| !d.is_finite()) {
        let value = distances[index];
        return Err(MetricsError::NotFinite { what: "the distance", index, place: 0, value });
    }
    let mut sorted: Vec<f64> = distances.iter().map(|d| d / (epsilon * epsilon)).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let last = (n - 1) as f64;
    let low = sorted[(PATH_PERCENTILES.0 / 100.0 * last).floor() as usize];
    let high = sorted[(PATH_PERCENTILES.1 / 100.0 * last).ceil() as usize];
    let kept: Vec<f64> = sorted.iter().copied().filter(|d| (low..=high).contains(d)).collect();
    let counted = kept.len();
    let mean = kept.iter().sum::<f64>() / counted as f64;
    // What is left out counts as the outermost value that is not.
    let held = |d: &f64| d.clamp(low, high);
    let held_mean = sorted.iter().map(held).sum::<f64>() / n as f64;
    let variance = sorted.iter().map(|d| (held(d) - held_mean).powi(2)).sum::<f64>() / (n - 1) as f64;
    let share = counted as f64 / n as f64;
    let standard_error = variance.sqrt() / (share * (n as f64).sqrt());
    let bounds = (f64::NEG_INFINITY, f64::INFINITY);
    let mean = finite("perceptual path length", mean)?;
    let standard_error = finite("the spread of perceptual path lengths", standard_error)?;
    let interval = ConfidenceInterval::student(mean, standard_error, counted - 1, bounds);
    Ok(PathLength { mean, counted, interval })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_does_not_depend_on_the_others_and_ends_begin_where_full_ones_do() {
        let space = LatentSpace { size: 16, classes: 3 };
        let draw = |seed, index, sampling| LatentPath::draw(seed, index, space, sampling);
        let full = draw(3, 5, PathSampling::Full);
        assert_eq!(full, draw(3, 5, PathSampling::Full));
        assert_eq!(full.first.class, full.second.class);
        let end = draw(3, 5, PathSampling::End);
        assert_eq!((&end.first, &end.second, end.place), (&full.first, &full.second, 0.0));
        assert_ne!(full.first.normal, draw(3, 6, PathSampling::Full).first.normal);
        assert_ne!(full.first.normal, draw(4, 5, PathSampling::Full).first.normal);
        let mean = (0..2000).map(|k| draw(1, k, PathSampling::Full).place).sum::<f64>() / 2000.0;
        // Five standard errors of a uniform number.
        assert!((mean - 0.5).abs() < 5.0 / (12.0_f64 * 2000.0).sqrt(), "{mean}");
    }

    #[test]
    fn slerp_turns_evenly_and_lerp_goes_straight() {
        let (a, b) = ([2.0, 0.0], [0.0, 0.5]);
        for t in [0.0, 0.25, 0.5, 1.0] {
            let point = slerp(&a, &b, t);
            let angle = point[1].atan2(point[0]);
            assert!((angle - t * std::f64::consts::FRAC_PI_2).abs() < 1e-6, "{t}: {angle}");
            assert!((point[0].hypot(point[1]) - 1.0).abs() < 1e-6);
        }
        assert_eq!(lerp(&a, &b, 0.5), [1.0, 0.25]);
        // Equal ends leave nowhere to turn.
        let still = slerp(&[3.0, 4.0], &[3.0, 4.0], 0.7);
        assert!((still[0] - 0.6).abs() < 1e-12 && (still[1] - 0.8).abs() < 1e-12, "{still:?}");
    }

    #[test]
    fn the_length_of_a_straight_path_under_a_linear_generator_is_its_speed_squared() {
        // Images 3 w, distance |difference|^2: (3 |b - a| epsilon)^2 over epsilon^2.
        let epsilon = 1e-3;
        let lengths: Vec<f64> = (0..50)
            .map(|index| {
                let space = LatentSpace { size: 8, classes: 0 };
                let path = LatentPath::draw(7, index, space, PathSampling::Full);
                let (first, second) = (&path.first.normal, &path.second.normal);
                let [one, two] = path.step_in_w(first, second, epsilon);
                let square = |a: &[f32], b: &[f32]| -> f64 {
                    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum()
                };
                let found = path_length(&[9.0 * square(&one, &two); 2], epsilon).unwrap().mean;
                let expected = 9.0 * square(first, second);
                assert!((found / expected - 1.0).abs() < 2e-3, "{found} {expected}");
                expected
            })
            .collect();
        assert!(lengths.iter().all(|l| *l > 0.0));
    }

    #[test]
    fn what_lies_beyond_the_percentiles_is_left_out() {
        // 0 to 1000 and two that stick out: positions 10.02 and 991.98 of 1003 numbers.
        let mut distances: Vec<f64> = (0..=1000).map(f64::from).collect();
        distances.extend([1e9, -1e9]);
        let length = path_length(&distances, 1.0).unwrap();
        // The 10th of the sorted is 9, the 992nd 991.
        assert_eq!(length.counted, 983);
        assert!((length.mean - 500.0).abs() < 1e-9, "{length:?}");
        // Winsorised deviation of about 1000/sqrt(12), over 0.98 sqrt(n).
        let half = (length.interval.high - length.interval.low) / 2.0;
        assert!((half - 1.962 * 286.0 / (0.98 * 1003.0_f64.sqrt())).abs() < 0.5, "{half}");
        assert!(path_length(&[1.0], 1.0).is_err() && path_length(&[1.0, f64::NAN], 1.0).is_err());
    }
}
