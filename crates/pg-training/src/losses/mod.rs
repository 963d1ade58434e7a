//! Adversarial losses and their regularisers, each a function of scores or of the function that scores.
//!
//! Scores are `[N]`, of any real value: no loss expects a sigmoid in the network. Terms are per image,
//! `[N]`; [`Objective`] adds them up and takes the mean.

mod adversarial;
mod auxiliary_classifier;
mod drift;
mod f_divergence;
mod gradient_penalty;
mod objective;
mod r1;
#[cfg(test)]
mod tests_of_regularisers;

pub use adversarial::{discriminator_terms, generator_terms};
pub use auxiliary_classifier::label_terms;
pub use drift::drift_terms;
pub use f_divergence::FDivergence;
pub use gradient_penalty::{GradientPenalty, PenaltyTerms};
pub use objective::{DiscriminatorLoss, Objective};
pub use r1::{r1_terms, r1_terms_of_scores};
