//! The term that keeps scores near zero (arXiv:1710.10196, appendix A.1).

use tch::Tensor;

/// weight D(real)^2 for each real, `[N]`.
pub fn drift_terms(real: &Tensor, weight: f64) -> Tensor {
    real.square() * weight
}
