//! What a step would compute, for comparing with another program.

use pg_networks::{Phase, RowShare};
use pg_schedule::Round;
use tch::{Device, Kind, Tensor};

use super::step_losses::{OF_DISCRIMINATOR, OF_GENERATOR};
use super::{Trainer, growth_state};
use crate::TrainingError;
use crate::data_feed::Minibatch;
use crate::gradient_sums::gradients_of;
use crate::layer_noise::{NoiseSource, noise_of_step};
use crate::random_streams::{Stream, uniform_numbers};

/// One step's numbers, and what they were computed from.
#[derive(Debug)]
pub struct StepValues {
    /// Losses, mean scores, norms of the penalised gradient and of both networks' weight gradients, by name.
    pub values: Vec<(&'static str, f64)>,
    /// Weights of both networks and the step's inputs, by name.
    pub tensors: Vec<(String, Tensor)>,
}

impl Trainer {
    /// What a step on `minibatch` would compute, without taking it, and from what: for comparing with
    /// another program.
    ///
    /// # Errors
    /// libtorch's.
    pub fn step_values(&self, round: &Round, minibatch: &Minibatch) -> Result<StepValues, TrainingError> {
        let state = growth_state(round.level);
        let (shown, count) = (minibatch.images_shown, minibatch.images.size()[0]);
        let norm_of = |loss: &Tensor, weights: &[(&str, &Tensor)]| -> Result<f64, TrainingError> {
            let squares = gradients_of(loss, weights)?;
            let square = |g: &Tensor| g.square().sum(Kind::Double).double_value(&[]);
            Ok(squares.iter().map(square).sum::<f64>().sqrt())
        };
        let d = self.discriminator_loss(state, minibatch)?;
        let d_gradient = norm_of(&d.total, &self.discriminator.active(state))?;
        let g_loss = self.generator_loss(state, minibatch, self.noise.strength())?;
        let g_gradient = norm_of(&g_loss, &self.generator.active(state))?;
        let mut values = vec![
            ("d_loss", d.total.double_value(&[])),
            ("real", d.real_score.double_value(&[])),
            ("fake", d.fake_score.double_value(&[])),
        ];
        values.extend(d.gradient_norm.map(|norm| ("gradient_norm", norm.double_value(&[]))));
        values.push(("d_weight_gradient", d_gradient));
        values.push(("g_loss", g_loss.double_value(&[])));
        values.push(("g_weight_gradient", g_gradient));

        let mix = uniform_numbers(self.settings.seed, Stream::PenaltyMix, shown, count as usize);
        let mut tensors = vec![
            ("input.reals".to_owned(), minibatch.images.shallow_clone()),
            ("input.mix".to_owned(), Tensor::from_slice(&mix)),
            ("input.d_latents".to_owned(), self.latents(Stream::DiscriminatorLatents, shown, None, count)),
            ("input.g_latents".to_owned(), self.latents(Stream::GeneratorLatents, shown, None, count)),
        ];
        let sides = self.generator.at(state, Phase::Training)?.noise_sides_px();
        for (step, streams) in [("d", &OF_DISCRIMINATOR), ("g", &OF_GENERATOR)] {
            let source = NoiseSource { seed: self.settings.seed, stream: streams.noise, counter: shown };
            let noise = noise_of_step(source, &sides, count, RowShare::WHOLE, Device::Cpu);
            let named = |(layer, noise)| (format!("input.{step}_noise{layer}"), noise);
            tensors.extend(noise.into_iter().enumerate().map(named));
        }
        for (network, parameters) in
            [("generator", self.generator.parameters()), ("discriminator", self.discriminator.parameters())]
        {
            let named = |(name, tensor): (&str, &Tensor)| (format!("{network}.{name}"), tensor.detach());
            tensors.extend(parameters.iter().map(named));
        }
        Ok(StepValues { values, tensors })
    }
}
