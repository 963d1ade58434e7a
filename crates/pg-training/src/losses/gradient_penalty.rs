//! The gradient penalty at mixed images (arXiv:1704.00028, section 4).

use tch::{Kind, TchError, Tensor};

/// Weight and target of the penalty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GradientPenalty {
    /// Weight lambda; 10 in the paper.
    pub lambda: f64,
    /// Target gamma of the gradient's norm, 1 in the paper; 750 for ProGAN's CIFAR-10
    /// (arXiv:1710.10196, appendix A.2).
    pub target: f64,
}

/// A penalty on the discriminator's gradient, by image.
#[derive(Debug)]
pub struct PenaltyTerms {
    /// To be added to the loss, `[N]`; carries the graph.
    pub terms: Tensor,
    /// |dD/dx|, `[N]`; carries the graph.
    pub norms: Tensor,
}

impl GradientPenalty {
    /// lambda (|dD/dx'| - gamma)^2 / gamma^2 at x' = real + mix (fake - real).
    ///
    /// `reals` and `fakes` have the shape `[N,…]`, `mix` is `[N]` in [0, 1). `scores` gives D, `[N]`.
    ///
    /// # Errors
    /// libtorch's.
    pub fn terms(
        &self,
        scores: &dyn Fn(&Tensor) -> Tensor,
        reals: &Tensor,
        fakes: &Tensor,
        mix: &Tensor,
    ) -> Result<PenaltyTerms, TchError> {
        let mut shape = vec![1; reals.dim()];
        shape[0] = -1;
        let mixed = reals.lerp_tensor(fakes, &mix.view(shape.as_slice())).set_requires_grad(true);
        let norms = squared_gradient_norms(&scores(&mixed), &mixed)?.sqrt();
        let terms = (&norms - self.target).square() * (self.lambda / self.target.powi(2));
        Ok(PenaltyTerms { terms, norms })
    }
}

/// |dD/dx|^2 for each of `samples` `[N,…]`, leaf tensors that carry gradients, from their `scores`; `[N]`.
pub(super) fn squared_gradient_norms(scores: &Tensor, samples: &Tensor) -> Result<Tensor, TchError> {
    let total = scores.sum(samples.kind());
    // create_graph: the penalty is differentiated once more, towards the weights.
    let gradient = Tensor::f_run_backward(&[total], &[samples], true, true)?.remove(0);
    let all_but_the_first: Vec<i64> = (1..gradient.dim() as i64).collect();
    Ok((&gradient * &gradient).sum_dim_intlist(all_but_the_first.as_slice(), false, None::<Kind>))
}
