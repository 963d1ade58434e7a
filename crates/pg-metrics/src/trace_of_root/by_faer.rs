//! By faer: through factors and their product.

use faer::diag::{DiagMut, DiagRef};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::{llt, llt_pivoting};
use faer::linalg::evd::tridiag::{tridiag_in_place, tridiag_in_place_scratch};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd_scratch, tridiagonal_self_adjoint_evd};
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{BlockStructure, matmul as triangular_matmul};
use faer::linalg::qr::no_pivoting::factor::recommended_block_size;
use faer::linalg::svd::{ComputeSvdVectors, svd, svd_scratch};
use faer::{Accum, Mat, MatRef};
use ndarray::{ArrayView2, CowArray, Ix2};

use super::{TraceOfRoot, not_a_covariance};
use crate::MetricsError;
use crate::parallelism::{FIXED_PARTS, all_threads};

/// A pivot or eigenvalue below this share of the largest is taken for 0 with an error in it.
const ZERO_SHARE: f64 = 1e-12;
/// How far a covariance may be from F F^T, as a share of its largest variance.
const RESIDUAL_SHARE: f64 = 1e-7;

/// Of the symmetric matrices `a` and `b`, of one size, which must not have negative eigenvalues beyond rounding.
pub(crate) fn trace_of_root(
    a: &ArrayView2<'_, f64>,
    b: &ArrayView2<'_, f64>,
) -> Result<TraceOfRoot, MetricsError> {
    let [a, b] = [a, b].map(|matrix| matrix.as_standard_layout());
    let (a, b) = (view(&a), view(&b));
    if let Some(trace) = of_full_rank(a, b)? {
        return Ok(TraceOfRoot { trace, full_rank: true });
    }
    let (f, g) = (Factor::of(a)?, Factor::of(b)?);
    let full_rank = f.rank == a.nrows() && g.rank == b.nrows();
    Ok(TraceOfRoot { trace: f.nuclear_norm(&g)?, full_rank })
}

fn view<'a>(matrix: &'a CowArray<'_, f64, Ix2>) -> MatRef<'a, f64> {
    let (rows, columns) = matrix.dim();
    MatRef::from_row_major_slice(matrix.as_slice().unwrap_or_default(), rows, columns)
}

/// The usual case, an order of magnitude faster: the eigenvalues of L^T B L with A = L L^T, unless some of them are
/// so small that their roots would be all rounding.
fn of_full_rank(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Result<Option<f64>, MetricsError> {
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
        return Ok(None);
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
    let eigenvalues = eigenvalues(inner)?;
    Ok(sum_of_roots(&eigenvalues))
}

/// The sum of the roots of eigenvalues in rising order; `None` where some are all rounding.
fn sum_of_roots(eigenvalues: &[f64]) -> Option<f64> {
    let (&low, &high) = (eigenvalues.first()?, eigenvalues.last()?);
    (low > ZERO_SHARE * high).then(|| eigenvalues.iter().map(|value| value.sqrt()).sum())
}

/// F with A = F F^T, `[n, rank]`.
struct Factor {
    f: Mat<f64>,
    rank: usize,
}

impl Factor {
    /// By Cholesky's method with pivoting, which stops where nothing but rounding is left.
    fn of(a: MatRef<'_, f64>) -> Result<Self, MetricsError> {
        let n = a.nrows();
        let largest = (0..n).fold(0.0_f64, |largest, i| largest.max(a[(i, i)]));
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
        let Ok((found, _)) = factored else { return Err(not_a_covariance()) };
        // A matrix of zeros only has a pivot of 0.
        let rank = if largest > 0.0 { found.rank } else { 0 };
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
        let far = |i: usize, j: usize| {
            let left: f64 = residual[(i, j)];
            left.is_nan() || left.abs() > RESIDUAL_SHARE * largest
        };
        if (0..n).any(|i| (0..=i).any(|j| far(i, j))) {
            return Err(not_a_covariance());
        }
        Ok(Self { f, rank })
    }

    /// The sum of the singular values of F^T G.
    fn nuclear_norm(&self, other: &Self) -> Result<f64, MetricsError> {
        let (rows, columns) = (self.rank.min(other.rank), self.rank.max(other.rank));
        if rows == 0 {
            return Ok(0.0);
        }
        // The smaller side first.
        let (f, g) = if self.rank <= other.rank { (&self.f, &other.f) } else { (&other.f, &self.f) };
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
        if let Some(sum) = sum_of_roots(&eigenvalues(gram)?) {
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
}

/// Of a symmetric matrix, of which the lower triangle is read, in rising order. It is overwritten: with a copy and its
/// fresh pages this takes a tenth longer.
fn eigenvalues(mut matrix: Mat<f64>) -> Result<Vec<f64>, MetricsError> {
    let n = matrix.nrows();
    if n <= 1 {
        return Ok(matrix.diagonal().column_vector().iter().copied().collect());
    }
    let mut reflectors = Mat::zeros(recommended_block_size::<f64>(n - 1, n - 1), n - 1);
    let scratch = tridiag_in_place_scratch::<f64>(n, FIXED_PARTS, faer::Spec::default());
    let mut memory = MemBuffer::new(scratch);
    tridiag_in_place(
        matrix.as_mut(),
        reflectors.as_mut(),
        FIXED_PARTS,
        MemStack::new(&mut memory),
        faer::Spec::default(),
    );
    let diagonal: Vec<f64> = (0..n).map(|i| matrix[(i, i)]).collect();
    let below: Vec<f64> = (1..n).map(|i| matrix[(i, i - 1)]).collect();
    drop(matrix);
    let none = ComputeEigenvectors::No;
    let params = faer::Spec::default();
    let mut memory = MemBuffer::new(self_adjoint_evd_scratch::<f64>(n, none, FIXED_PARTS, params));
    let mut values = vec![0.0; n];
    tridiagonal_self_adjoint_evd(
        DiagRef::from_slice(&diagonal),
        DiagRef::from_slice(&below),
        DiagMut::from_slice_mut(&mut values),
        None,
        FIXED_PARTS,
        MemStack::new(&mut memory),
        params,
    )
    .map_err(|_| MetricsError::NoConvergence { what: "the eigenvalues of a product of covariances" })?;
    Ok(values)
}
