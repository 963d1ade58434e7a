//! The Wasserstein loss with gradient penalty (arXiv:1704.00028) and drift term
//! (arXiv:1710.10196, appendix A.1).

use pg_networks::DiscriminatorAt;
use tch::{Kind, TchError, Tensor};

/// Weights of the loss's parts.
#[derive(Debug, Clone, Copy)]
pub struct WganGp {
    /// Weight lambda of the gradient penalty.
    pub lambda: f64,
    /// Target gamma of the gradient's norm.
    pub target: f64,
    /// Weight of the drift term.
    pub drift: f64,
}

/// The discriminator's loss and its parts, each the mean over the minibatch.
#[derive(Debug)]
pub struct DiscriminatorLoss {
    /// To be minimised; carries the graph.
    pub total: Tensor,
    /// D(real).
    pub real_score: Tensor,
    /// D(fake).
    pub fake_score: Tensor,
    /// |dD/dx| at the mixed images.
    pub gradient_norm: Tensor,
}

impl WganGp {
    /// D(fake) - D(real) + lambda (|dD/dx'| - gamma)^2 / gamma^2 + drift D(real)^2, averaged.
    ///
    /// `reals` and `fakes` are `[N,C,R,R]` in [-1, 1]; x' = real + mix (fake - real) with one `mix`
    /// in [0, 1) per image, `[N]`. The graph reaches the discriminator's weights only.
    ///
    /// # Errors
    /// libtorch's.
    pub fn discriminator_loss(
        &self,
        discriminator: &DiscriminatorAt,
        reals: &Tensor,
        fakes: &Tensor,
        mix: &Tensor,
    ) -> Result<DiscriminatorLoss, TchError> {
        let fakes = fakes.detach();
        let (real_scores, fake_scores) = discriminator.forward_both(reals, &fakes);

        let mixed = reals.lerp_tensor(&fakes, &mix.view([-1, 1, 1, 1])).set_requires_grad(true);
        let mixed_score = discriminator.forward(&mixed).sum(Kind::Float);
        // create_graph: the penalty is differentiated once more, towards the weights.
        let gradient = Tensor::f_run_backward(&[mixed_score], &[&mixed], true, true)?.remove(0);
        let norm = (&gradient * &gradient).sum_dim_intlist([1, 2, 3].as_slice(), false, Kind::Float).sqrt();
        let penalty = (&norm - self.target).square() * (self.lambda / self.target.powi(2));

        let drift = real_scores.square() * self.drift;
        let total = (&fake_scores - &real_scores + penalty + drift).mean(Kind::Float);
        Ok(DiscriminatorLoss {
            total,
            real_score: real_scores.detach().mean(Kind::Float),
            fake_score: fake_scores.detach().mean(Kind::Float),
            gradient_norm: norm.detach().mean(Kind::Float),
        })
    }

    /// -D(fake), averaged; the graph reaches whatever made `fakes`.
    pub fn generator_loss(&self, discriminator: &DiscriminatorAt, fakes: &Tensor) -> Tensor {
        -discriminator.forward(fakes).mean(Kind::Float)
    }
}
