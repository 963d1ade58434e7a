//! By LAPACK, in the symmetric form of the definition: the eigenvalues of A^1/2 B A^1/2.

use ndarray::{Array1, Array2, ArrayView2};
use ndarray_linalg::{Eigh as _, UPLO};

use super::{TraceOfRoot, not_a_covariance};
use crate::MetricsError;

/// An eigenvalue below this share of the largest is taken for 0 with an error in it; one as far below 0 is an error.
const ZERO_SHARE: f64 = 1e-12;
const NEGATIVE_SHARE: f64 = 1e-7;

/// Of the symmetric matrices `a` and `b`, of one size, which must not have negative eigenvalues beyond rounding.
pub(crate) fn trace_of_root(
    a: &ArrayView2<'_, f64>,
    b: &ArrayView2<'_, f64>,
) -> Result<TraceOfRoot, MetricsError> {
    let (a_values, vectors) = eigen(a, "the eigenvalues of a covariance")?;
    let (b_values, _) = eigen(b, "the eigenvalues of a covariance")?;
    let root = vectors.dot(&Array2::from_diag(&a_values.mapv(f64::sqrt))).dot(&vectors.t());
    let (values, _) = eigen(&root.dot(b).dot(&root).view(), "the eigenvalues of a product of covariances")?;
    let positive = |values: &Array1<f64>| values.iter().all(|&value| value > 0.0);
    Ok(TraceOfRoot {
        trace: values.iter().map(|value| value.sqrt()).sum(),
        full_rank: positive(&a_values) && positive(&b_values),
    })
}

/// Eigenvalues, of which those that are rounding are 0, and vectors.
fn eigen(
    matrix: &ArrayView2<'_, f64>,
    what: &'static str,
) -> Result<(Array1<f64>, Array2<f64>), MetricsError> {
    let (values, vectors) = matrix.eigh(UPLO::Lower).map_err(|_| MetricsError::NoConvergence { what })?;
    let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(*value));
    if values.iter().any(|&value| value < -NEGATIVE_SHARE * largest) {
        return Err(not_a_covariance());
    }
    let cut = |value: f64| if value > ZERO_SHARE * largest { value } else { 0.0 };
    Ok((values.mapv(cut), vectors))
}
