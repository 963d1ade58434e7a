//! A covariance as F F^T, whatever its rank.

use faer::diag::DiagMut;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt_pivoting;
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::matmul::triangular::{BlockStructure, matmul as triangular_matmul};
use faer::{Accum, Mat, MatRef};

use crate::MetricsError;
use crate::parallelism::{FIXED_PARTS, all_threads};

/// F with A = F F^T, `[n, rank]`.
pub(super) struct Factor {
    pub(super) f: Mat<f64>,
    pub(super) rank: usize,
    /// Whether A and F F^T differ by the rounding of f64 only, no eigenvalue having been cut.
    pub(super) is_exact: bool,
}

impl Factor {
    /// Of the symmetric matrix `a`. Eigenvalues below 0 by no more than `allowed` are rounding, and count as 0.
    ///
    /// # Errors
    /// [`MetricsError::NotACovariance`], [`MetricsError::NoConvergence`]
    pub(super) fn of(a: MatRef<'_, f64>, allowed: f64) -> Result<Self, MetricsError> {
        match Self::by_cholesky(a) {
            Some(exact) => Ok(exact),
            None => Self::by_eigenvalues(a, allowed),
        }
    }

    /// By Cholesky's method with pivoting, which stops where nothing but rounding is left. `None` where what is left is
    /// more: of a matrix that was rounded to fewer digits, or has negative eigenvalues.
    fn by_cholesky(a: MatRef<'_, f64>) -> Option<Self> {
        let n = a.nrows();
        let largest = largest_variance(a);
        if largest <= 0.0 {
            let is_zero = (0..n).all(|i| (0..=i).all(|j| a[(i, j)] == 0.0));
            return is_zero.then(|| Self { f: Mat::zeros(n, 0), rank: 0, is_exact: true });
        }
        let mut l = a.to_owned();
        let (mut order, mut inverse) = (vec![0_usize; n], vec![0_usize; n]);
        let params = faer::Spec::default();
        let scratch = llt_pivoting::factor::cholesky_in_place_scratch::<usize, f64>(n, all_threads(), params);
        let mut memory = MemBuffer::new(scratch);
        let stack = MemStack::new(&mut memory);
        let factored = llt_pivoting::factor::cholesky_in_place(
            l.as_mut(),
            &mut order,
            &mut inverse,
            all_threads(),
            stack,
            params,
        );
        let rank = factored.ok()?.0.rank;
        let mut f = Mat::zeros(n, rank);
        for (row, &to) in order.iter().enumerate() {
            for column in 0..rank.min(row + 1) {
                f[(to, column)] = l[(row, column)];
            }
        }
        drop(l);
        let mut residual = a.to_owned();
        let (whole, lower) = (BlockStructure::Rectangular, BlockStructure::TriangularLower);
        triangular_matmul(
            residual.as_mut(),
            lower,
            Accum::Add,
            f.as_ref(),
            whole,
            f.transpose(),
            whole,
            -1.0,
            all_threads(),
        );
        let rounding = 16.0 * n as f64 * f64::EPSILON * largest;
        let is_exact = |i: usize, j: usize| residual[(i, j)].abs() <= rounding;
        (0..n).all(|i| (0..=i).all(|j| is_exact(i, j))).then_some(Self { f, rank, is_exact: true })
    }

    /// By eigenvalues and eigenvectors: slower, and right for every matrix.
    fn by_eigenvalues(a: MatRef<'_, f64>, allowed: f64) -> Result<Self, MetricsError> {
        let n = a.nrows();
        let params = faer::Spec::default();
        let scratch = self_adjoint_evd_scratch::<f64>(n, ComputeEigenvectors::Yes, FIXED_PARTS, params);
        let mut memory = MemBuffer::new(scratch);
        let (mut values, mut vectors) = (vec![0.0; n], Mat::zeros(n, n));
        let (into, stack) = (DiagMut::from_slice_mut(&mut values), MemStack::new(&mut memory));
        self_adjoint_evd(a, into, Some(vectors.as_mut()), FIXED_PARTS, stack, params)
            .map_err(|_| MetricsError::NoConvergence { what: "the eigenvalues of a covariance" })?;
        let (least, most) = values.iter().fold((0.0_f64, 0.0_f64), |(l, m), v| (l.min(*v), m.max(*v)));
        if least < -allowed {
            let largest_variance = largest_variance(a);
            return Err(MetricsError::NotACovariance { least, allowed: -allowed, largest_variance });
        }
        // Below, a value is the rounding of this very decomposition.
        let rounding = 4.0 * n as f64 * f64::EPSILON * most;
        let kept: Vec<usize> = (0..n).filter(|&k| values[k] > rounding).collect();
        let f = Mat::from_fn(n, kept.len(), |i, k| vectors[(i, kept[k])] * values[kept[k]].sqrt());
        Ok(Self { f, rank: kept.len(), is_exact: false })
    }
}

/// The sum of the roots of the eigenvalues of the symmetric matrix `a`, of which the lower triangle is read; those that are
/// not above 0 add nothing.
pub(super) fn sum_of_positive_roots(a: MatRef<'_, f64>) -> Result<f64, MetricsError> {
    let n = a.nrows();
    let params = faer::Spec::default();
    let none = ComputeEigenvectors::No;
    let mut memory = MemBuffer::new(self_adjoint_evd_scratch::<f64>(n, none, FIXED_PARTS, params));
    let mut values = vec![0.0; n];
    let (into, stack) = (DiagMut::from_slice_mut(&mut values), MemStack::new(&mut memory));
    self_adjoint_evd(a, into, None, FIXED_PARTS, stack, params)
        .map_err(|_| MetricsError::NoConvergence { what: "the eigenvalues of a product of covariances" })?;
    let rounding = 4.0 * n as f64 * f64::EPSILON * values.iter().copied().fold(0.0, f64::max);
    Ok(values.into_iter().filter(|&value| value > rounding).map(f64::sqrt).sum())
}

/// The largest entry on the diagonal; 0 where none is above.
pub(super) fn largest_variance(a: MatRef<'_, f64>) -> f64 {
    (0..a.nrows()).fold(0.0_f64, |largest, i| largest.max(a[(i, i)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random_streams::gaussian_noise;
    use pg_testkit::closeness::{Tolerance, assert_close};

    /// X X^T of `rank` random columns.
    fn of_rank(n: usize, rank: usize) -> Mat<f64> {
        let noise = gaussian_noise((n * rank) as u64, n * rank.max(1));
        let at = |i: usize, k: usize| f64::from(noise[i * rank + k]);
        Mat::from_fn(n, n, |i, j| (0..rank).map(|k| at(i, k) * at(j, k)).sum())
    }

    fn assert_product_is(factor: &Factor, expected: &Mat<f64>, bound: f64) {
        let product = &factor.f * factor.f.transpose();
        let of = |matrix: &Mat<f64>| {
            let n = matrix.nrows();
            (0..n * n).map(|k| matrix[(k / n, k % n)]).collect::<Vec<f64>>()
        };
        assert_close("F F^T", &of(&product), &of(expected), Tolerance::absolute(bound));
    }

    #[test]
    fn matrices_of_any_rank_are_their_factors_product_by_either_method() {
        for (n, rank) in [(1, 0), (1, 1), (7, 0), (7, 3), (40, 1), (40, 39), (40, 40), (200, 60)] {
            let matrix = of_rank(n, rank);
            let exact = Factor::by_cholesky(matrix.as_ref()).unwrap();
            let eigen = Factor::by_eigenvalues(matrix.as_ref(), 1e-9).unwrap();
            for factor in [exact, eigen] {
                assert_eq!(factor.rank, rank);
                assert_product_is(&factor, &matrix, 1e-11 * n as f64);
            }
        }
    }

    #[test]
    fn a_matrix_rounded_to_f32_goes_by_eigenvalues_and_keeps_what_is_above_0() {
        let exact = of_rank(40, 5);
        let rounded = Mat::from_fn(40, 40, |i, j| f64::from(exact[(i, j)] as f32));
        assert!(Factor::by_cholesky(rounded.as_ref()).is_none());
        let factor = Factor::of(rounded.as_ref(), 1e-4).unwrap();
        assert!((5..40).contains(&factor.rank), "{}", factor.rank);
        assert_product_is(&factor, &rounded, 1e-4);
    }

    #[test]
    fn eigenvalues_below_what_rounding_explains_are_an_error_with_their_size() {
        for (diagonal, allowed, refused) in [
            ([1.0, -0.5], 1e-7, true),
            ([1.0, -2e-7], 1e-7, true),
            ([1.0, -5e-8], 1e-7, false),
            ([-1.0, -1.0], 0.0, true),
            ([0.0, -1e-30], 1e-14, false),
        ] {
            let matrix = Mat::from_fn(2, 2, |i, j| if i == j { diagonal[i] } else { 0.0 });
            let found = Factor::of(matrix.as_ref(), allowed);
            assert_eq!(found.is_err(), refused, "{diagonal:?}");
            if let Err(error) = found {
                assert!(matches!(error, MetricsError::NotACovariance { .. }), "{error}");
            }
        }
        let crossed = Mat::from_fn(2, 2, |i, j| if i == j { 0.0 } else { 1.0 });
        assert!(Factor::of(crossed.as_ref(), 1e-7).is_err());
    }
}
