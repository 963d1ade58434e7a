//! The sum of the roots of the eigenvalues of a band matrix, without the eigenvalues.
//!
//! sqrt(x) is nearly a sum of w x / (x + t), with shifts t and weights w that depend on the range of x only (Hale, Higham and
//! Trefethen 2008, method 3): the error falls by exp(-2 pi^2 / (ln(high / low) + 3)) with each term. And the trace of
//! A (A + t)^-1 of a band matrix takes only the entries of the inverse inside the band, which follow from its factors
//! (Takahashi, Fagan and Chin 1973) in n * width^2 steps.

use std::f64::consts::{FRAC_PI_2, PI};

use multiversion::multiversion;
use rayon::prelude::*;

use super::band::{BAND_HEIGHT, BAND_WIDTH, Band};

/// Terms for an error of about 1e-16 have this times ln(high / low) + 3.
const TERMS: f64 = 37.0 / (2.0 * PI * PI);
/// Steps of inverse iteration for the least eigenvalue: from any start it is found within a tenth.
const STEPS: usize = 40;

/// The sum of the roots of the eigenvalues of `band`; `None` where one is not above `share` of the largest, so that its root
/// would be all rounding.
pub(super) fn sum_of_roots(band: &Band, share: f64) -> Option<f64> {
    let high = largest_at_most(band);
    let low = least(band)? / 2.0;
    if low.is_nan() || low <= share * high {
        return None;
    }
    let terms = (TERMS * ((high / low).ln() + 3.0)).ceil() as usize;
    let traces: Option<Vec<f64>> = shifts_and_weights(low, high, terms)
        .into_par_iter()
        .map(|(shift, weight)| Some(weight * trace_of_quotient(band, shift)?))
        .collect();
    Some(traces?.iter().sum::<f64>()).filter(|sum| sum.is_finite())
}

/// The largest sum of absolute values in a row, which no eigenvalue exceeds.
fn largest_at_most(band: &Band) -> f64 {
    let mut sums = vec![0.0; band.0.len()];
    for (j, column) in band.0.iter().enumerate() {
        sums[j] += column[0].abs();
        for (i, value) in column.iter().enumerate().skip(1).take(band.0.len() - j - 1) {
            sums[j] += value.abs();
            sums[j + i] += value.abs();
        }
    }
    sums.into_iter().fold(0.0, f64::max)
}

/// The least eigenvalue, a tenth too large at most; `None` where it is not above 0.
fn least(band: &Band) -> Option<f64> {
    let factors = factors(band, 0.0)?;
    let n = band.0.len();
    let mut x: Vec<f64> = (0..n).map(|i| 1.0 + (i % 7) as f64 / 8.0).collect();
    let mut growth = 0.0;
    for _ in 0..STEPS {
        let length = x.iter().map(|v| v * v).sum::<f64>().sqrt();
        for value in &mut x {
            *value /= length;
        }
        for (j, column) in factors.iter().enumerate() {
            for i in 1..BAND_HEIGHT.min(n - j) {
                x[j + i] -= column[i] * x[j];
            }
        }
        for (j, column) in factors.iter().enumerate().rev() {
            x[j] /= column[0];
            for i in 1..BAND_HEIGHT.min(n - j) {
                x[j] -= column[i] * x[j + i];
            }
        }
        growth = x.iter().map(|v| v * v).sum::<f64>().sqrt();
    }
    Some(1.0 / growth)
}

/// Shifts t and weights w with sqrt(x) = sum w x / (x + t) for x from `low` to `high`.
fn shifts_and_weights(low: f64, high: f64, terms: usize) -> Vec<(f64, f64)> {
    // Jacobi's functions of the complementary modulus by arithmetic and geometric means (Abramowitz and Stegun, 16.4); started from
    // the small modulus k itself, which 1 - (1 - k^2) would lose.
    let k = (low / high).sqrt();
    let mut means = vec![(1.0, k, (1.0 - k * k).sqrt())];
    while let Some(&(a, b, difference)) = means.last()
        && f64::abs(difference) > 1e-16
        && means.len() < 40
    {
        means.push((f64::midpoint(a, b), f64::sqrt(a * b), (a - b) / 2.0));
    }
    let mean = means.last().map_or(1.0, |(a, _, _)| *a);
    let quarter_period = FRAC_PI_2 / mean;
    let scale = 2.0 * quarter_period * low.sqrt() / (PI * terms as f64);
    let of = |term: usize| {
        let u = (term as f64 + 0.5) * quarter_period / terms as f64;
        let mut angle = mean * u * 2.0_f64.powi(means.len() as i32 - 1);
        for (a, _, difference) in means.iter().skip(1).rev() {
            angle = f64::midpoint(angle, (difference / a * angle.sin()).asin());
        }
        let (sn, cn) = angle.sin_cos();
        let dn = (cn * cn + k * k * sn * sn).sqrt();
        (low * (sn / cn).powi(2), scale * dn / (cn * cn))
    };
    (0..terms).map(of).collect()
}

/// L and D of L D L^T = band + shift, D in the place of L's diagonal of ones; `None` where D is not above 0.
fn factors(band: &Band, shift: f64) -> Option<Vec<[f64; BAND_HEIGHT]>> {
    let mut columns = band.0.clone();
    for column in &mut columns {
        column[0] += shift;
    }
    for j in 0..columns.len() {
        let (own, rest) = columns[j..].split_first_mut()?;
        let pivot = own[0];
        if pivot.is_nan() || pivot <= 0.0 {
            return None;
        }
        let below = *own;
        for value in &mut own[1..] {
            *value /= pivot;
        }
        for (i, column) in rest.iter_mut().enumerate().take(BAND_WIDTH) {
            subtract_scaled(&mut column[..BAND_WIDTH - i], &below[1 + i..], own[1 + i]);
        }
    }
    Some(columns)
}

/// The trace of A (A + shift)^-1; `None` where A + shift is not positive.
fn trace_of_quotient(band: &Band, shift: f64) -> Option<f64> {
    let factors = factors(band, shift)?;
    // The inverse where it was found last: rows and columns j + 1 to j + width. Beyond the end of the matrix L is 0.
    let mut window = [[0.0; BAND_WIDTH]; BAND_WIDTH];
    let mut trace = 0.0;
    for (l, values) in factors.iter().zip(&band.0).rev() {
        let below: &[f64] = &l[1..];
        let mut entries = [0.0; BAND_WIDTH];
        for (entry, row) in entries.iter_mut().zip(&window) {
            *entry = -dot(row, below);
        }
        let own = 1.0 / l[0] - dot(&entries, below);
        trace += own * values[0] + 2.0 * dot(&entries, &values[1..]);
        for i in (1..BAND_WIDTH).rev() {
            let (before, row) = (window[i - 1], &mut window[i]);
            row[1..].copy_from_slice(&before[..BAND_WIDTH - 1]);
            row[0] = entries[i - 1];
        }
        window[0][0] = own;
        window[0][1..].copy_from_slice(&entries[..BAND_WIDTH - 1]);
    }
    Some(trace)
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for l in 0..LANES {
            sums[l] += a[l] * b[l];
        }
    }
    let mut total = 0.0;
    for sum in sums {
        total += sum;
    }
    for (a, b) in a_rest.iter().zip(b_rest) {
        total += a * b;
    }
    total
}

/// `values -= factor * other`
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn subtract_scaled(values: &mut [f64], other: &[f64], factor: f64) {
    for (value, other) in values.iter_mut().zip(other) {
        *value -= factor * other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random_streams::gaussian_noise;
    use pg_testkit::closeness::{Tolerance, assert_close};

    #[test]
    fn the_terms_sum_to_the_root_over_the_whole_range() {
        for high in [1.0, 1e2, 1e6, 1e11] {
            let terms = (TERMS * (f64::ln(high) + 3.0)).ceil() as usize;
            let rule = shifts_and_weights(1.0, high, terms);
            // The last shifts come from the cosine of an angle near a right one.
            let bound = 1e-14 + 1e-16 * high.sqrt();
            for i in 0..=50 {
                let x = high.powf(f64::from(i) / 50.0);
                let sum: f64 = rule.iter().map(|(shift, weight)| weight * x / (x + shift)).sum();
                assert!((sum / x.sqrt() - 1.0).abs() < bound, "{high:e} {x:e} {sum:e}");
            }
        }
    }

    #[test]
    fn a_diagonal_matrix_has_the_roots_of_its_diagonal() {
        let values: Vec<f64> = (0..200).map(|i| 1e-6 * 1.07_f64.powi(i)).collect();
        let column = |&value: &f64| std::array::from_fn(|i| if i == 0 { value } else { 0.0 });
        let found = sum_of_roots(&Band(values.iter().map(column).collect()), 1e-12).unwrap();
        let expected: f64 = values.iter().map(|value| value.sqrt()).sum();
        assert_close("sum", &[found], &[expected], Tolerance::relative(1e-13));
    }

    #[test]
    fn a_least_eigenvalue_of_zero_or_below_is_found() {
        for least in [0.0, -1.0, 1e-14] {
            let column = |j: usize| {
                std::array::from_fn(|i| {
                    if i > 0 {
                        0.0
                    } else if j == 77 {
                        least
                    } else {
                        1.0
                    }
                })
            };
            assert_eq!(sum_of_roots(&Band((0..100).map(column).collect()), 1e-12), None, "{least}");
        }
    }

    #[test]
    fn full_matrices_have_the_roots_of_their_eigenvalues() {
        for n in [1, 2, 20, 33, 150] {
            let noise = gaussian_noise(n as u64, 2 * n * n);
            let at = |i: usize, j: usize| f64::from(noise[i * n + j]);
            let entry = |i: usize, j: usize| (0..2 * n).map(|k| at(k, i) * at(k, j)).sum::<f64>();
            let matrix = faer::Mat::from_fn(n, n, entry);
            let eigenvalues = matrix.self_adjoint_eigenvalues(faer::Side::Lower).unwrap();
            let expected: f64 = eigenvalues.iter().map(|value| value.sqrt()).sum();
            let found = sum_of_roots(&Band::reduced_from(matrix), 1e-12).unwrap();
            assert_close("sum", &[found], &[expected], Tolerance::relative(1e-12));
        }
    }
}
