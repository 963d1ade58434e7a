//! The optimiser of a network, as settings choose it.

use pg_schedule::{OptimizerKind, TrainingSettings};
use tch::{Kind, Tensor};

use crate::{Adam, AdamSettings, RmsProp, RmsPropSettings, TrainingError};

/// Adam or RMSProp.
#[derive(Debug)]
pub enum Optimizer {
    /// See [`Adam`].
    Adam(Adam),
    /// See [`RmsProp`].
    RmsProp(RmsProp),
}

impl Optimizer {
    /// The optimiser that `settings` ask for.
    #[must_use]
    pub fn of(settings: &TrainingSettings) -> Self {
        match settings.optimizer {
            OptimizerKind::Adam => Self::Adam(Adam::new(AdamSettings {
                beta1: settings.adam_beta1,
                beta2: settings.adam_beta2,
                epsilon: settings.adam_epsilon,
            })),
            OptimizerKind::Rmsprop => Self::RmsProp(RmsProp::new(RmsPropSettings {
                decay: settings.rmsprop_decay,
                epsilon: settings.rmsprop_epsilon,
            })),
        }
    }

    /// Forgets moments and step count, as both optimisers do when a level starts or ends to fade
    /// (arXiv:1710.10196, appendix A).
    pub fn reset(&mut self) {
        match self {
            Self::Adam(adam) => adam.reset(),
            Self::RmsProp(rmsprop) => rmsprop.reset(),
        }
    }

    /// Steps since the last reset.
    #[must_use]
    pub fn steps(&self) -> u64 {
        match self {
            Self::Adam(adam) => adam.steps(),
            Self::RmsProp(rmsprop) => rmsprop.steps(),
        }
    }

    /// One step: [`Adam::step`] or [`RmsProp::step`].
    ///
    /// # Errors
    /// libtorch's, for gradients of another shape.
    pub fn step(
        &mut self,
        weights: &[(&str, &Tensor)],
        gradients: &[Tensor],
        learning_rate: f64,
    ) -> Result<(), TrainingError> {
        match self {
            Self::Adam(adam) => adam.step(weights, gradients, learning_rate),
            Self::RmsProp(rmsprop) => rmsprop.step(weights, gradients, learning_rate),
        }
    }

    /// The moments by name, for a snapshot.
    #[must_use]
    pub fn state(&self, prefix: &str) -> Vec<(String, Tensor)> {
        match self {
            Self::Adam(adam) => adam.state(prefix),
            Self::RmsProp(rmsprop) => rmsprop.state(prefix),
        }
    }

    /// Restores what [`Self::state`] gave; `weights` are the active parameters.
    ///
    /// # Errors
    /// The name of the first moment that is missing or has another shape.
    pub fn restore(
        &mut self,
        prefix: &str,
        weights: &[(&str, &Tensor)],
        steps: u64,
        state: &[(String, Tensor)],
    ) -> Result<(), String> {
        match self {
            Self::Adam(adam) => adam.restore(prefix, weights, steps, state),
            Self::RmsProp(rmsprop) => rmsprop.restore(prefix, weights, steps, state),
        }
    }
}

/// The tensor called `name` of a saved state, on the device of `weight`, if it has its shape; or else
/// the name.
pub(crate) fn saved(state: &[(String, Tensor)], name: String, weight: &Tensor) -> Result<Tensor, String> {
    match state.iter().find(|(other, _)| *other == name).map(|(_, tensor)| tensor) {
        Some(tensor) if tensor.size() == weight.size() && tensor.kind() == Kind::Float => {
            Ok(tensor.to_device(weight.device()))
        }
        _ => Err(name),
    }
}
