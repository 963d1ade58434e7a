//! Weights and moments that are not finite: the run has diverged, and no snapshot may hold them.

use tch::{Kind, Tensor};

use crate::TrainingError;
use crate::trainer::Trainer;

/// The network and the largest absolute value of the first one whose weights or moments are not all finite.
///
/// Cost: one pass over all weights and moments, and one transfer from the device.
///
/// # Errors
/// libtorch's.
pub(crate) fn first_not_finite(trainer: &Trainer) -> Result<Option<(&'static str, f64)>, TrainingError> {
    let weights = |parameters: &pg_networks::Parameters| -> Vec<Tensor> {
        parameters.iter().map(|(_, tensor)| tensor.shallow_clone()).collect()
    };
    let moments = |optimizer: &crate::Optimizer| -> Vec<Tensor> {
        optimizer.state("").into_iter().map(|(_, t)| t).collect()
    };
    let groups = [
        ("a weight of the discriminator", weights(trainer.discriminator.parameters())),
        ("a weight of the generator", weights(trainer.generator.parameters())),
        ("a weight of the averaged generator", weights(trainer.average().parameters())),
        ("a moment of the discriminator's optimiser", moments(&trainer.discriminator_optimizer)),
        ("a moment of the generator's optimiser", moments(&trainer.generator_optimizer)),
    ];
    tch::no_grad(|| {
        let mut largest = Vec::new();
        for (_, tensors) in &groups {
            if tensors.is_empty() {
                largest.push(Tensor::from(0.0_f32).to_device(trainer.device));
                continue;
            }
            // The maximum keeps NaN and infinity.
            let each: Result<Vec<Tensor>, _> = tensors.iter().map(|t| t.f_abs()?.f_max()).collect();
            largest.push(Tensor::f_stack(&each?, 0)?.f_max()?);
        }
        let largest = Tensor::f_stack(&largest, 0)?.f_to_kind(Kind::Double)?;
        let largest = Vec::<f64>::try_from(&largest.f_to_device(tch::Device::Cpu)?)?;
        let found = groups.iter().zip(largest).find(|(_, value)| !value.is_finite());
        Ok(found.map(|((what, _), value)| (*what, value)))
    })
}
