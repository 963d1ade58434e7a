//! A loss with its regularisers, as settings choose them.

use pg_schedule::{Loss, TrainingSettings};
use tch::{TchError, Tensor};

use super::{
    GradientPenalty, discriminator_terms, drift_terms, generator_terms, r1_terms, r1_terms_of_scores,
};

/// A loss and the regularisers added to the discriminator's side of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Objective {
    /// The adversarial loss.
    pub loss: Loss,
    /// The gradient penalty at mixed images.
    pub gradient_penalty: Option<GradientPenalty>,
    /// Weight gamma of R1; 0 leaves it out.
    pub r1_gamma: f64,
    /// Steps from one with R1 to the next (arXiv:1912.04958, section 3.1: lazy regularisation).
    pub r1_interval: u32,
    /// Weight of the drift term; 0 leaves it out.
    pub drift_weight: f64,
}

/// The discriminator's loss and its parts, each the mean over the minibatch, `[]`.
#[derive(Debug)]
pub struct DiscriminatorLoss {
    /// To be minimised; carries the graph.
    pub total: Tensor,
    /// D(real).
    pub real_score: Tensor,
    /// D(fake).
    pub fake_score: Tensor,
    /// |dD/dx| where a penalty looks at it: at the mixed images, or else (R1) at the reals.
    pub gradient_norm: Option<Tensor>,
}

impl Objective {
    /// The loss and regularisers that `settings` ask for.
    #[must_use]
    pub fn of(settings: &TrainingSettings) -> Self {
        let penalty = GradientPenalty { lambda: settings.gp_lambda, target: settings.gp_target };
        Self {
            loss: settings.loss,
            gradient_penalty: (settings.gp_lambda > 0.0).then_some(penalty),
            r1_gamma: settings.r1_gamma,
            r1_interval: settings.r1_interval,
            drift_weight: settings.drift_weight,
        }
    }

    /// The objective of the discriminator's `step`, from 0: R1 at every `r1_interval`-th step only, weighing as many times
    /// more there, so that its expectation is that of R1 at every step.
    #[must_use]
    pub fn at_step(self, step: u64) -> Self {
        let interval = self.r1_interval.max(1);
        let due = step.is_multiple_of(u64::from(interval));
        let r1_gamma = if due { self.r1_gamma * f64::from(interval) } else { 0.0 };
        Self { r1_gamma, r1_interval: 1, ..self }
    }

    /// The mean of [`discriminator_terms`], gradient penalty, drift term and R1.
    ///
    /// `reals` and `fakes` are `[N,…]`, `real_scores` and `fake_scores` their scores `[N]`; `scores` is
    /// D for the regularisers that look at other points or at slopes; `mix`, `[N]` in [0, 1), is asked
    /// for where the gradient penalty is on. The graph reaches the discriminator's weights only, given
    /// that `fakes` carries none. Reals that carry gradients spare R1 another pass: it takes `real_scores`.
    ///
    /// # Errors
    /// libtorch's.
    pub fn discriminator_loss(
        &self,
        scores: &dyn Fn(&Tensor) -> Tensor,
        (reals, real_scores): (&Tensor, &Tensor),
        (fakes, fake_scores): (&Tensor, &Tensor),
        mix: impl FnOnce() -> Tensor,
    ) -> Result<DiscriminatorLoss, TchError> {
        let mut terms = discriminator_terms(self.loss, real_scores, fake_scores);
        let mut norms = None;
        if let Some(penalty) = &self.gradient_penalty {
            let penalty = penalty.terms(scores, reals, fakes, &mix())?;
            terms = &terms + penalty.terms;
            norms = Some(penalty.norms);
        }
        if self.drift_weight > 0.0 {
            terms = &terms + drift_terms(real_scores, self.drift_weight);
        }
        if self.r1_gamma > 0.0 {
            let r1 = if reals.requires_grad() {
                r1_terms_of_scores(real_scores, reals, self.r1_gamma)?
            } else {
                r1_terms(scores, reals, self.r1_gamma)?
            };
            terms = &terms + r1.terms;
            norms = norms.or(Some(r1.norms));
        }
        Ok(DiscriminatorLoss {
            total: terms.mean(terms.kind()),
            real_score: mean(real_scores),
            fake_score: mean(fake_scores),
            gradient_norm: norms.map(|norms| mean(&norms)),
        })
    }

    /// The mean of [`generator_terms`] over `fake_scores` `[N]`; the graph reaches whatever made them.
    pub fn generator_loss(&self, fake_scores: &Tensor) -> Tensor {
        generator_terms(self.loss, fake_scores).mean(fake_scores.kind())
    }
}

/// The mean, without its graph.
fn mean(values: &Tensor) -> Tensor {
    values.detach().mean(values.kind())
}
