//! Products of matrices, one for each point of the transforms.
//!
//! Not libtorch's: on processors that are not Intel's its library leaves half of the machine unused (AVX2 where
//! there is AVX-512: 100 instead of 220 GFLOP/s on a Zen 5 core).

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// A matrix of f32 inside a longer slice, rows `stride` numbers apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub(super) numbers: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) stride: usize,
    /// Stands for its transpose.
    pub(super) transposed: bool,
}

impl Matrix<'_> {
    fn view(&self) -> MatRef<'_, f32> {
        let numbers = &self.numbers[..(self.rows - 1) * self.stride + self.columns];
        let matrix = MatRef::from_row_major_slice_with_stride(numbers, self.rows, self.columns, self.stride);
        if self.transposed { matrix.transpose() } else { matrix }
    }
}

/// `left` times `right` into `product`, row after row, or added to it. By the calling thread alone.
pub(super) fn multiply(left: &Matrix<'_>, right: &Matrix<'_>, product: &mut [f32], added: bool) {
    let (left, right) = (left.view(), right.view());
    let product = MatMut::from_row_major_slice_mut(product, left.nrows(), right.ncols());
    matmul(product, if added { Accum::Add } else { Accum::Replace }, left, right, 1.0, Par::Seq);
}
