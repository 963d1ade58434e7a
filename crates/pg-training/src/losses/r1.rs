//! The gradient penalty at the reals, R1 (arXiv:1801.04406, equation 9).

use tch::{TchError, Tensor};

use super::PenaltyTerms;
use super::gradient_penalty::squared_gradient_norms;

/// gamma / 2 |dD/dx|^2 at each of `reals` `[N,…]`; `scores` gives D, `[N]`.
///
/// # Errors
/// libtorch's.
pub fn r1_terms(
    scores: &dyn Fn(&Tensor) -> Tensor,
    reals: &Tensor,
    gamma: f64,
) -> Result<PenaltyTerms, TchError> {
    let reals = reals.detach().set_requires_grad(true);
    r1_terms_of_scores(&scores(&reals), &reals, gamma)
}

/// [`r1_terms`] where the `scores` `[N]` of `reals`, a leaf that carries gradients, are there already.
///
/// # Errors
/// libtorch's.
pub fn r1_terms_of_scores(scores: &Tensor, reals: &Tensor, gamma: f64) -> Result<PenaltyTerms, TchError> {
    let squared = squared_gradient_norms(scores, reals)?;
    // The root is only looked at; its derivative at 0 must not reach the weights.
    Ok(PenaltyTerms { terms: &squared * (gamma / 2.0), norms: squared.detach().sqrt() })
}
