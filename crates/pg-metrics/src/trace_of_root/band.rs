//! A symmetric matrix as a band matrix with the same eigenvalues.
//!
//! Householder's method in blocks (Bischof, Lang and Sun 2000): a panel's QR decomposition leaves a triangle below its
//! diagonal block and is applied to the rest from both sides. All of it is products of matrices, where the reduction
//! to three diagonals is bound by memory.

use std::cmp::Ordering;

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{BlockStructure, matmul as triangular_matmul};
use faer::linalg::qr::no_pivoting::factor::{qr_in_place, qr_in_place_scratch};
use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::{Accum, Mat};

use crate::parallelism::{FIXED_PARTS, all_threads};

/// Diagonals below the main one. Wider bands are found faster and used slower.
pub(super) const BAND_WIDTH: usize = 32;
/// Values of a column.
pub(super) const BAND_HEIGHT: usize = BAND_WIDTH + 1;

/// A symmetric band matrix: of each column the diagonal and what is below it, 0 beyond the end of the matrix.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Band(pub(super) Vec<[f64; BAND_HEIGHT]>);

impl Band {
    /// With the eigenvalues of `matrix`, of which the lower triangle is read.
    pub(super) fn reduced_from(mut matrix: Mat<f64>) -> Self {
        let n = matrix.nrows();
        for first in (0..n.saturating_sub(BAND_WIDTH)).step_by(BAND_WIDTH) {
            reduce_panel(&mut matrix, first);
        }
        let value = |j: usize, i: usize| if j + i < n { matrix[(j + i, j)] } else { 0.0 };
        Self((0..n).map(|j| std::array::from_fn(|i| value(j, i))).collect())
    }
}

/// Brings the columns from `first` on into the band, and the rest of the matrix along.
fn reduce_panel(matrix: &mut Mat<f64>, first: usize) {
    let n = matrix.nrows();
    let from = first + BAND_WIDTH;
    let (rows, reflectors) = (n - from, BAND_WIDTH.min(n - from));
    let below = matrix.as_mut().submatrix_mut(from, first, rows, n - first);
    let (mut panel, mut rest) = below.split_at_col_mut(BAND_WIDTH);
    // I - V T^-1 V^T, V lower trapezoidal with ones on its diagonal.
    let mut factor = Mat::<f64>::zeros(reflectors, reflectors);
    let params = faer::Spec::default();
    let scratch = qr_in_place_scratch::<f64>(rows, BAND_WIDTH, reflectors, FIXED_PARTS, params);
    let mut memory = MemBuffer::new(scratch);
    qr_in_place(panel.as_mut(), factor.as_mut(), FIXED_PARTS, MemStack::new(&mut memory), params);
    let v = Mat::from_fn(rows, reflectors, |i, k| match i.cmp(&k) {
        Ordering::Less => 0.0,
        Ordering::Equal => 1.0,
        Ordering::Greater => panel[(i, k)],
    });
    // W = V T^-1, by T^T W^T = V^T.
    let mut w = v.transpose().to_owned();
    solve_lower_triangular_in_place(factor.transpose(), w.as_mut(), FIXED_PARTS);
    let w = w.transpose();
    // Y = A W, by the lower triangle of A; X = Y - V (W^T Y) / 2; A - V X^T - X V^T.
    let (whole, lower) = (BlockStructure::Rectangular, BlockStructure::TriangularLower);
    let strictly_upper = BlockStructure::StrictTriangularUpper;
    let mut x = Mat::<f64>::zeros(rows, reflectors);
    for (part, structure, how) in
        [(rest.as_ref(), lower, Accum::Replace), (rest.as_ref().transpose(), strictly_upper, Accum::Add)]
    {
        triangular_matmul(x.as_mut(), whole, how, part, structure, w, whole, 1.0, all_threads());
    }
    let mut inner = Mat::<f64>::zeros(reflectors, reflectors);
    matmul(inner.as_mut(), Accum::Replace, w.transpose(), x.as_ref(), 1.0, all_threads());
    matmul(x.as_mut(), Accum::Add, v.as_ref(), inner.as_ref(), -0.5, all_threads());
    for (a, b) in [(&v, &x), (&x, &v)] {
        let (a, b) = (a.as_ref(), b.transpose());
        triangular_matmul(rest.as_mut(), lower, Accum::Add, a, whole, b, whole, -1.0, all_threads());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random_streams::gaussian_noise;
    use faer::Side;
    use pg_testkit::closeness::{Tolerance, assert_close};

    fn eigenvalues_of_band(band: &Band) -> Vec<f64> {
        let n = band.0.len();
        let value = |i: usize, j: usize| band.0[i.min(j)].get(i.abs_diff(j)).copied().unwrap_or(0.0);
        Mat::from_fn(n, n, value).self_adjoint_eigenvalues(Side::Lower).unwrap()
    }

    fn assert_eigenvalues_stay(n: usize, at: impl Fn(usize, usize) -> f64) {
        // Only the lower triangle counts.
        let lower = Mat::from_fn(n, n, |i, j| if i >= j { at(i, j) } else { f64::NAN });
        let expected = Mat::from_fn(n, n, |i, j| at(i.max(j), i.min(j)));
        let expected = expected.self_adjoint_eigenvalues(Side::Lower).unwrap();
        let bound = Tolerance::absolute(1e-13 * (n as f64 + 10.0));
        let found = eigenvalues_of_band(&Band::reduced_from(lower));
        assert_close("eigenvalues", &found, &expected, bound);
    }

    #[test]
    fn the_eigenvalues_stay() {
        for n in [1, 2, BAND_WIDTH, BAND_WIDTH + 1, BAND_WIDTH + 2, 2 * BAND_WIDTH, 3 * BAND_WIDTH + 7, 300] {
            let noise = gaussian_noise(n as u64, n * n);
            assert_eigenvalues_stay(n, |i, j| f64::from(noise[i * n + j]));
        }
    }

    #[test]
    fn columns_of_zeros_do_no_harm() {
        assert_eigenvalues_stay(100, |i, j| if i == j { i as f64 } else { 0.0 });
        assert_eigenvalues_stay(100, |_, _| 0.0);
        // Every other feature is on its own.
        assert_eigenvalues_stay(100, |i, j| {
            if i == j || i % 2 + j % 2 == 0 { 1.0 / (1 + i + j) as f64 } else { 0.0 }
        });
    }
}
