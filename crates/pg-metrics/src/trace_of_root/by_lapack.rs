//! By LAPACK, in the symmetric form of the definition: the eigenvalues of A^1/2 B A^1/2.

use ndarray::{Array1, Array2, ArrayView2};
use ndarray_linalg::{Eigh as _, UPLO};

use super::{TraceOfRoot, allowed_below_zero};
use crate::{MetricsError, Side};

/// An eigenvalue below this share of the largest is taken for 0 with an error in it.
const ZERO_SHARE: f64 = 1e-12;

/// Of the symmetric matrices `a` and `b`, of one size, which must not have negative eigenvalues beyond rounding.
pub(crate) fn trace_of_root(
    a: &ArrayView2<'_, f64>,
    b: &ArrayView2<'_, f64>,
) -> Result<TraceOfRoot, MetricsError> {
    let [of_a, of_b] = [a, b].map(|matrix| matrix.diag().iter().copied().fold(0.0_f64, f64::max));
    let what = "the eigenvalues of a covariance";
    let (a_values, vectors) =
        eigen(a, of_a, allowed_below_zero(of_a, of_b), what).map_err(|error| error.of_side(Side::Real))?;
    let (b_values, _) =
        eigen(b, of_b, allowed_below_zero(of_b, of_a), what).map_err(|error| error.of_side(Side::Fake))?;
    let root = vectors.dot(&Array2::from_diag(&a_values.mapv(f64::sqrt))).dot(&vectors.t());
    let product = root.dot(b).dot(&root);
    let what = "the eigenvalues of a product of covariances";
    let (values, _) = eigen(&product.view(), of_a * of_b, f64::INFINITY, what)?;
    let positive = |values: &Array1<f64>| values.iter().all(|&value| value > 0.0);
    Ok(TraceOfRoot {
        trace: values.iter().map(|value| value.sqrt()).sum(),
        full_rank: positive(&a_values) && positive(&b_values),
    })
}

/// Eigenvalues, of which those that are rounding are 0, and vectors.
fn eigen(
    matrix: &ArrayView2<'_, f64>,
    largest_variance: f64,
    allowed: f64,
    what: &'static str,
) -> Result<(Array1<f64>, Array2<f64>), MetricsError> {
    let (values, vectors) = matrix.eigh(UPLO::Lower).map_err(|_| MetricsError::NoConvergence { what })?;
    let (least, largest) = values.iter().fold((0.0_f64, 0.0_f64), |(l, m), v| (l.min(*v), m.max(*v)));
    if least < -allowed {
        return Err(MetricsError::NotACovariance { least, allowed: -allowed, largest_variance });
    }
    let cut = |value: f64| if value > ZERO_SHARE * largest { value } else { 0.0 };
    Ok((values.mapv(cut), vectors))
}
