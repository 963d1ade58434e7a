//! Tensors whose memory MPI sums.
#![allow(unsafe_code, reason = "memory of libtorch lent to MPI; the invariant stands at the block")]

use pg_mpi::{Addends, Addresses};
use tch::{TchError, Tensor};

/// This rank's numbers `[N]`, and room for their sum over the ranks.
#[derive(Debug)]
pub(crate) struct TensorAddends {
    own: Tensor,
    sum: Tensor,
}

impl TensorAddends {
    /// `own` is f32 `[N]`, contiguous, in memory that MPI reaches and nobody else uses; its computation is complete.
    pub(super) fn new(own: Tensor) -> Result<Self, TchError> {
        let sum = own.f_empty_like()?;
        Ok(Self { own, sum })
    }

    pub(super) fn into_sum(self) -> Tensor {
        self.sum
    }
}

// SAFETY: both tensors are contiguous, of the same size, on the same device, and owned here alone: `own` was handed over
// as such, `sum` was made here.
unsafe impl Addends for TensorAddends {
    fn addresses(&mut self) -> Addresses {
        let count = self.own.numel();
        Addresses { own: self.own.data_ptr().cast(), sum: self.sum.data_ptr().cast(), count }
    }
}
