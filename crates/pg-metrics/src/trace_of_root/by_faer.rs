//! By faer: through factors and their product.

use faer::diag::DiagMut;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt;
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{BlockStructure, matmul as triangular_matmul};
use faer::linalg::svd::{ComputeSvdVectors, svd, svd_scratch};
use faer::{Accum, Mat, MatRef};
use ndarray::{ArrayView2, CowArray, Ix2};

use super::band::Band;
use super::factor::{Factor, largest_variance, sum_of_positive_roots};
use super::sum_of_roots::sum_of_roots;
use super::{TraceOfRoot, allowed_below_zero};
use crate::parallelism::{FIXED_PARTS, all_threads};
use crate::{MetricsError, Side};

/// A pivot or eigenvalue below this share of the largest is taken for 0 with an error in it.
const ZERO_SHARE: f64 = 1e-12;

/// Of the symmetric matrices `a` and `b`, of one size, which must not have negative eigenvalues beyond rounding.
pub(crate) fn trace_of_root(
    a: &ArrayView2<'_, f64>,
    b: &ArrayView2<'_, f64>,
) -> Result<TraceOfRoot, MetricsError> {
    let [a, b] = [a, b].map(|matrix| matrix.as_standard_layout());
    let (a, b) = (view(&a), view(&b));
    if let Some(trace) = of_full_rank(a, b) {
        return Ok(TraceOfRoot { trace, full_rank: true });
    }
    let [of_a, of_b] = [a, b].map(largest_variance);
    let f = Factor::of(a, allowed_below_zero(of_a, of_b)).map_err(|error| error.of_side(Side::Real))?;
    let g = Factor::of(b, allowed_below_zero(of_b, of_a)).map_err(|error| error.of_side(Side::Fake))?;
    let full_rank = f.rank == a.nrows() && g.rank == b.nrows();
    // From the side that was not rounded, else from that of which more is left: the same whichever is named first.
    let trace = if f.is_exact && g.is_exact {
        nuclear_norm(&f, &g)?
    } else if f.is_exact || (!g.is_exact && f.rank >= g.rank) {
        of_factor_and_matrix(&f, b)?
    } else {
        of_factor_and_matrix(&g, a)?
    };
    Ok(TraceOfRoot { trace, full_rank })
}

fn view<'a>(matrix: &'a CowArray<'_, f64, Ix2>) -> MatRef<'a, f64> {
    let (rows, columns) = matrix.dim();
    MatRef::from_row_major_slice(matrix.as_slice().unwrap_or_default(), rows, columns)
}

/// The usual case, several times faster: from L^T B L with A = L L^T, unless some of its eigenvalues are so small that
/// their roots would be all rounding.
fn of_full_rank(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Option<f64> {
    let n = a.nrows();
    let mut l = a.to_owned();
    let scratch = llt::factor::cholesky_in_place_scratch::<f64>(n, all_threads(), faer::Spec::default());
    let mut memory = MemBuffer::new(scratch);
    let stack = MemStack::new(&mut memory);
    let factored = llt::factor::cholesky_in_place(
        l.as_mut(),
        llt::factor::LltRegularization::default(),
        all_threads(),
        stack,
        faer::Spec::default(),
    );
    let pivots = (0..n).map(|i| l[(i, i)] * l[(i, i)]);
    let (low, high) = pivots.fold((f64::INFINITY, 0.0_f64), |(low, high), p| (low.min(p), high.max(p)));
    if factored.is_err() || low.is_nan() || low <= ZERO_SHARE * high {
        return None;
    }
    let (lower, whole) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
    let mut product = Mat::zeros(n, n);
    triangular_matmul(
        product.as_mut(),
        whole,
        Accum::Replace,
        b,
        whole,
        l.as_ref(),
        lower,
        1.0,
        all_threads(),
    );
    let mut inner = Mat::zeros(n, n);
    let (transposed, upper) = (l.transpose(), BlockStructure::TriangularUpper);
    triangular_matmul(
        inner.as_mut(),
        lower,
        Accum::Replace,
        transposed,
        upper,
        product.as_ref(),
        whole,
        1.0,
        all_threads(),
    );
    drop((l, product));
    sum_of_roots(&Band::reduced_from(inner), ZERO_SHARE)
}

/// The sum of the roots of the eigenvalues of F^T B F above 0, where B has some below 0 by rounding: cut in B alone they
/// would leave more in the sum than cut here, where other programs cut them.
fn of_factor_and_matrix(factor: &Factor, b: MatRef<'_, f64>) -> Result<f64, MetricsError> {
    if factor.rank == 0 {
        return Ok(0.0);
    }
    let mut product = Mat::zeros(b.nrows(), factor.rank);
    matmul(product.as_mut(), Accum::Replace, b, factor.f.as_ref(), 1.0, all_threads());
    let mut inner = Mat::zeros(factor.rank, factor.rank);
    matmul(inner.as_mut(), Accum::Replace, factor.f.transpose(), product.as_ref(), 1.0, all_threads());
    sum_of_positive_roots(inner.as_ref())
}

/// The sum of the singular values of F^T G.
fn nuclear_norm(a: &Factor, b: &Factor) -> Result<f64, MetricsError> {
    let (rows, columns) = (a.rank.min(b.rank), a.rank.max(b.rank));
    if rows == 0 {
        return Ok(0.0);
    }
    // The smaller side first.
    let (f, g) = if a.rank <= b.rank { (&a.f, &b.f) } else { (&b.f, &a.f) };
    let mut product = Mat::zeros(rows, columns);
    matmul(product.as_mut(), Accum::Replace, f.transpose(), g.as_ref(), 1.0, all_threads());
    let mut gram = Mat::zeros(rows, rows);
    let (whole, lower) = (BlockStructure::Rectangular, BlockStructure::TriangularLower);
    triangular_matmul(
        gram.as_mut(),
        lower,
        Accum::Replace,
        product.as_ref(),
        whole,
        product.transpose(),
        whole,
        1.0,
        all_threads(),
    );
    if let Some(sum) = sum_of_roots(&Band::reduced_from(gram), ZERO_SHARE) {
        return Ok(sum);
    }
    let none = ComputeSvdVectors::No;
    let params = faer::Spec::default();
    let scratch = svd_scratch::<f64>(rows, columns, none, none, FIXED_PARTS, params);
    let mut memory = MemBuffer::new(scratch);
    let mut values = vec![0.0; rows];
    let into = DiagMut::from_slice_mut(&mut values);
    let stack = MemStack::new(&mut memory);
    svd(product.as_ref(), into, None, None, FIXED_PARTS, stack, params)
        .map_err(|_| MetricsError::NoConvergence { what: "the singular values of F^T G" })?;
    Ok(values.iter().sum())
}
