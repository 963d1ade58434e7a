//! One assertion for floats: relative plus absolute tolerance, first mismatches with their indices.

use std::fmt::Write as _;

/// How far a value may be from the expected one: `absolute + relative * |expected|`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    relative: f64,
    absolute: f64,
}

impl Tolerance {
    /// Both parts.
    #[must_use]
    pub const fn new(relative: f64, absolute: f64) -> Self {
        Self { relative, absolute }
    }

    /// Relative to the expected value only.
    #[must_use]
    pub const fn relative(relative: f64) -> Self {
        Self { relative, absolute: 0.0 }
    }

    /// Absolute only.
    #[must_use]
    pub const fn absolute(absolute: f64) -> Self {
        Self { relative: 0.0, absolute }
    }

    /// The largest difference allowed at `expected`.
    #[must_use]
    pub fn at(self, expected: f64) -> f64 {
        self.absolute + self.relative * expected.abs()
    }
}

/// Mismatches shown before the rest is only counted.
const SHOWN: usize = 5;

/// Asserts that every value is within `tolerance` of the expected one. NaN is never close.
///
/// # Panics
/// When a value is not close (with the first five, their indices, the count and the worst
/// difference) or the lengths differ.
#[track_caller]
pub fn assert_close<A, E>(what: &str, actual: &[A], expected: &[E], tolerance: Tolerance)
where
    A: Copy + Into<f64>,
    E: Copy + Into<f64>,
{
    if let Some(report) = mismatch_report(what, actual, expected, tolerance) {
        panic!("{report}");
    }
}

fn mismatch_report<A, E>(what: &str, actual: &[A], expected: &[E], tolerance: Tolerance) -> Option<String>
where
    A: Copy + Into<f64>,
    E: Copy + Into<f64>,
{
    if actual.len() != expected.len() {
        return Some(format!("{what}: {} values, expected {}", actual.len(), expected.len()));
    }
    let mut shown = String::new();
    let (mut count, mut worst) = (0_usize, 0.0_f64);
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        let (a, e): (f64, f64) = ((*a).into(), (*e).into());
        let difference = (a - e).abs();
        // Written so that NaN on either side counts as a mismatch.
        if difference <= tolerance.at(e) {
            continue;
        }
        count += 1;
        worst = if worst.is_nan() || difference.is_nan() { f64::NAN } else { worst.max(difference) };
        if count <= SHOWN {
            let allowed = tolerance.at(e);
            let _ = write!(shown, "\n  [{i}] {a} expected {e}, off by {difference:e}, allowed {allowed:e}");
        }
    }
    (count > 0)
        .then(|| format!("{what}: {count} of {} values are off, worst by {worst:e}{shown}", actual.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_of_the_tolerance_count() {
        let tolerance = Tolerance::new(0.01, 0.5);
        assert!(mismatch_report("x", &[101.4_f32], &[100.0_f64], tolerance).is_none());
        assert!(mismatch_report("x", &[101.6_f32], &[100.0_f64], tolerance).is_some());
    }

    #[test]
    fn nan_is_never_close() {
        let loose = Tolerance::absolute(f64::MAX);
        assert!(mismatch_report("x", &[f64::NAN], &[0.0], loose).is_some());
        assert!(mismatch_report("x", &[0.0], &[f64::NAN], loose).is_some());
        assert!(mismatch_report("x", &[f64::NAN], &[f64::NAN], loose).is_some());
    }

    #[test]
    fn the_first_five_mismatches_show_with_their_indices() {
        let actual: Vec<f64> = (0..9).map(f64::from).collect();
        let report = mismatch_report("ramp", &actual, &[0.0; 9], Tolerance::absolute(0.5)).unwrap();
        assert!(report.starts_with("ramp: 8 of 9 values are off, worst by 8e0"), "{report}");
        assert!(report.contains("[1]") && report.contains("[5]") && !report.contains("[6]"), "{report}");
    }

    #[test]
    fn different_lengths_are_a_mismatch() {
        let report = mismatch_report("x", &[1.0], &[1.0, 2.0], Tolerance::absolute(1.0)).unwrap();
        assert_eq!(report, "x: 1 values, expected 2");
    }
}
