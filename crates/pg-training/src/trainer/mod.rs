//! Networks, optimisers and the two kinds of steps of adversarial training.

mod step_losses;
mod step_values;

pub use step_values::StepValues;

use std::time::{Duration, Instant};

use pg_networks::{
    Architecture, Discriminator, DiscriminatorNorm, Generator, GeneratorNorm, GrowthState, RowShare,
    StyleArchitecture,
};
use pg_schedule::{
    Labels, LayerNoise, LevelOfDetail, Network, Precision, Resampling, Round, StyleInput, TrainingSettings,
};
use tch::{Device, Kind, Tensor};

use crate::data_feed::Minibatch;
use crate::gradient_sums::GradientSums;
use crate::losses::{DiscriminatorLoss, Objective};
use crate::random_streams::{Stream, normal_numbers};
use crate::ranks::{Ranks, SingleRank};
use crate::{AdaptiveNoise, GeneratorAverage, Optimizer, TrainingError};

/// Name of the discriminator's running mean output in a snapshot's state of training.
const SCORE_AVERAGE: &str = "discriminator.score_average";

/// What one minibatch's steps measured.
#[derive(Debug, Clone, Copy, Default)]
pub struct StepStatistics {
    /// The discriminator's loss.
    pub d_loss: f64,
    /// The generator's loss; `None` where no step of the generator was due.
    pub g_loss: Option<f64>,
    /// Mean of D(real).
    pub real_score: f64,
    /// Mean of D(fake).
    pub fake_score: f64,
    /// Mean norm of the discriminator's gradient where a penalty looks at it: at the mixed images, or
    /// (R1 alone) at the reals; `None` without a penalty.
    pub gradient_norm: Option<f64>,
    /// Time in the discriminator's step, the generator's average included.
    pub d_time: Duration,
    /// Time in the generator's step.
    pub g_time: Duration,
}

/// Everything that training changes.
#[derive(Debug)]
pub struct Trainer {
    pub(crate) settings: TrainingSettings,
    pub(crate) device: Device,
    pub(crate) generator: Generator,
    pub(crate) discriminator: Discriminator,
    pub(crate) average: GeneratorAverage,
    pub(crate) generator_optimizer: Optimizer,
    pub(crate) discriminator_optimizer: Optimizer,
    objective: Objective,
    noise: AdaptiveNoise,
    pub(crate) ranks: Box<dyn Ranks>,
    sums: GradientSums,
}

impl Trainer {
    /// Fresh networks, their weights drawn from the settings' seed.
    ///
    /// # Errors
    /// libtorch's, when memory runs out.
    pub fn new(
        settings: &TrainingSettings,
        resolution_px: u32,
        image_channels: u32,
        device: Device,
    ) -> Result<Self, TrainingError> {
        Self::with_labels(settings, resolution_px, image_channels, 0, device)
    }

    /// [`Self::new`] on data whose labels have `label_size` components; the settings say whether they are
    /// used.
    ///
    /// # Errors
    /// libtorch's, when memory runs out.
    pub fn with_labels(
        settings: &TrainingSettings,
        resolution_px: u32,
        image_channels: u32,
        label_size: u32,
        device: Device,
    ) -> Result<Self, TrainingError> {
        let architecture = architecture(settings, resolution_px, image_channels, label_size);
        let seed = settings.seed;
        let kind = activations(settings);
        if matches!(device, Device::Cuda(_)) {
            pg_networks::allow_tf32(settings.precision == Precision::Tf32);
        }
        let generator =
            Generator::new(&architecture, device, &mut weights_of(seed, Stream::GeneratorWeights))
                .with_activations(kind);
        let discriminator =
            Discriminator::new(&architecture, device, &mut weights_of(seed, Stream::DiscriminatorWeights))
                .with_activations(kind);
        let average = GeneratorAverage::new(&generator, device)?;
        Ok(Self {
            settings: settings.clone(),
            device,
            generator,
            discriminator,
            average,
            generator_optimizer: Optimizer::of(settings),
            discriminator_optimizer: Optimizer::of(settings),
            objective: Objective::of(settings),
            noise: AdaptiveNoise::new(settings.discriminator_noise),
            ranks: Box::new(SingleRank::default()),
            sums: GradientSums::default(),
        })
    }

    /// The same trainer as one of several: minibatches given to it are its rank's share (see
    /// [`Self::share_of`]), and its steps those of the whole minibatch.
    #[must_use]
    pub fn with_ranks(self, ranks: Box<dyn Ranks>) -> Self {
        Self { ranks, ..self }
    }

    /// Whether sums over ranks start while the backward pass runs (they do unless told otherwise), or after it.
    pub fn overlap_sums(&mut self, overlapping: bool) {
        self.sums.overlapping = overlapping;
    }

    #[cfg(test)]
    pub(crate) fn cut_sums_at(&mut self, numbers: usize) {
        self.sums.bucket_numbers = numbers;
    }

    /// This rank's part of a minibatch of `minibatch` images.
    ///
    /// # Errors
    /// [`pg_schedule::SettingsError::OutOfRange`] when it cannot be cut into whole groups of the minibatch standard
    /// deviation for every rank.
    pub fn share_of(&self, minibatch: u32) -> Result<RowShare, TrainingError> {
        self.shares()(minibatch).ok_or_else(|| {
            let (group, ranks) = (self.settings.minibatch_stddev_group, self.ranks.count());
            let groups = if group > 1 {
                format!(" groups of minibatch_stddev_group, {group},")
            } else {
                " images".into()
            };
            let expected = format!(
                "whole{groups} for each of {ranks} ranks: a multiple of {}",
                ranks * group.max(1) as usize
            );
            let found = minibatch.to_string();
            pg_schedule::SettingsError::OutOfRange { key: "minibatch", found, expected }.into()
        })
    }

    /// This rank's part of the minibatch of which it holds `count` images.
    fn share(&self, count: i64) -> RowShare {
        let whole = count as u32 * self.ranks.count() as u32;
        // Alone, any number of images is a minibatch, if not of whole groups.
        self.shares()(whole).unwrap_or(RowShare::WHOLE)
    }

    /// This rank's part of a minibatch of so many images; `None` where it cannot be cut.
    pub(crate) fn shares(&self) -> impl Fn(u32) -> Option<RowShare> + Clone + Send + use<> {
        let group = self.settings.minibatch_stddev_group as usize;
        let (rank, ranks) = (self.ranks.rank(), self.ranks.count());
        move |minibatch| RowShare::of(minibatch as usize, group, rank, ranks)
    }

    /// The averaged generator, for sampling.
    #[must_use]
    pub fn average(&self) -> &Generator {
        self.average.generator()
    }

    /// Numbers of weights: of the generator, and of the discriminator.
    #[must_use]
    pub fn weight_counts(&self) -> [usize; 2] {
        [self.generator.parameters().count(), self.discriminator.parameters().count()]
    }

    /// Forgets both optimisers' moments where `round` asks for it.
    pub fn begin(&mut self, round: &Round) {
        if round.reset_moments {
            self.generator_optimizer.reset();
            self.discriminator_optimizer.reset();
        }
    }

    /// One discriminator step, and after every `n_critic`-th of them since the last reset one generator
    /// step (arXiv:1704.00028, algorithm 1; arXiv:1710.10196, appendix A.1: n_critic = 1).
    ///
    /// # Errors
    /// libtorch's; [`TrainingError::Diverged`] for a loss that is not finite.
    pub fn step(&mut self, round: &Round, minibatch: &Minibatch) -> Result<StepStatistics, TrainingError> {
        let started = Instant::now();
        let state = growth_state(round.level);
        let noise_strength = self.noise.strength();
        let d = self.discriminator_step(state, minibatch, round.learning_rate)?;
        let decay = self.settings.average_decay(round.minibatch);
        self.average.update(&self.generator, state, decay)?;
        let d_time = started.elapsed();

        let due = self.discriminator_optimizer.steps().is_multiple_of(u64::from(self.settings.n_critic));
        let g_loss = if due {
            Some(self.generator_step(state, minibatch, round.learning_rate, noise_strength)?)
        } else {
            None
        };

        // Read off last: on a GPU every value waits for all the work before it.
        let statistics = StepStatistics {
            d_loss: d.total.double_value(&[]),
            g_loss: g_loss.map(|loss| loss.double_value(&[])),
            real_score: d.real_score.double_value(&[]),
            fake_score: d.fake_score.double_value(&[]),
            gradient_norm: d.gradient_norm.map(|norm| norm.double_value(&[])),
            d_time,
            g_time: started.elapsed().saturating_sub(d_time),
        };
        self.noise.observe(statistics.real_score);
        let losses = [
            ("the discriminator's loss", Some(statistics.d_loss)),
            ("the generator's loss", statistics.g_loss),
            ("the norm of the discriminator's gradient", statistics.gradient_norm),
        ];
        for (what, value) in losses {
            if let Some(value) = value.filter(|value| !value.is_finite()) {
                let images_shown = minibatch.images_shown;
                return Err(TrainingError::Diverged { what, value, images_shown, snapshot: None });
            }
        }
        Ok(statistics)
    }

    fn discriminator_step(
        &mut self,
        state: GrowthState,
        minibatch: &Minibatch,
        learning_rate: f64,
    ) -> Result<DiscriminatorLoss, TrainingError> {
        self.discriminator.refresh_norms()?;
        let mut loss = self.discriminator_loss(state, minibatch)?;
        let weights = self.discriminator.active(state);
        let order = self.discriminator.backward_order(state);
        let mut measured = vec![loss.total.detach(), loss.real_score, loss.fake_score];
        measured.extend(loss.gradient_norm.take());
        let means = measured.len();
        measured.extend(self.generator.parameters().buffers().map(|(_, buffer)| buffer.shallow_clone()));
        let averaged = self.sums.averaged(&mut *self.ranks, &loss.total, &weights, &order, &measured)?;
        let (means, buffers) = averaged.further.split_at(means);
        self.take_running_statistics(buffers)?;
        loss = DiscriminatorLoss {
            total: means[0].shallow_clone(),
            real_score: means[1].shallow_clone(),
            fake_score: means[2].shallow_clone(),
            gradient_norm: means.get(3).map(Tensor::shallow_clone),
        };
        self.discriminator_optimizer.step(&weights, &averaged.gradients, learning_rate)?;
        if self.settings.weight_clip > 0.0 {
            self.discriminator.clip_weights(self.settings.weight_clip)?;
        }
        Ok(loss)
    }

    /// Running statistics of the generator followed this rank's images alone: their means over the ranks take their
    /// place.
    fn take_running_statistics(&self, means: &[Tensor]) -> Result<(), TrainingError> {
        if self.ranks.count() == 1 {
            return Ok(());
        }
        tch::no_grad(|| {
            for ((_, buffer), mean) in self.generator.parameters().buffers().zip(means) {
                buffer.shallow_clone().f_copy_(mean)?;
            }
            Ok(())
        })
    }

    fn generator_step(
        &mut self,
        state: GrowthState,
        minibatch: &Minibatch,
        learning_rate: f64,
        noise_strength: f64,
    ) -> Result<Tensor, TrainingError> {
        let loss = self.generator_loss(state, minibatch, noise_strength)?;
        let weights = self.generator.active(state);
        let order = self.generator.backward_order(state);
        let mut measured = vec![loss.detach()];
        measured.extend(self.generator.parameters().buffers().map(|(_, buffer)| buffer.shallow_clone()));
        let averaged = self.sums.averaged(&mut *self.ranks, &loss, &weights, &order, &measured)?;
        self.take_running_statistics(&averaged.further[1..])?;
        self.generator_optimizer.step(&weights, &averaged.gradients, learning_rate)?;
        Ok(averaged.further[0].shallow_clone())
    }

    /// What a resumed run needs beside the weights and the step counts: the optimisers' moments and,
    /// with noise in the discriminator, the running mean of its output.
    pub(crate) fn optimizer_state(&self) -> Vec<(String, Tensor)> {
        let mut state = self.generator_optimizer.state("generator");
        state.extend(self.discriminator_optimizer.state("discriminator"));
        if self.noise.is_on() {
            state.push((SCORE_AVERAGE.to_owned(), Tensor::from_slice(&[self.noise.average()])));
        }
        state
    }

    /// Restores what [`Self::optimizer_state`] gave, the optimisers after `generator_steps` and
    /// `discriminator_steps`.
    ///
    /// # Errors
    /// The name of the first moment that is missing or has another shape.
    pub(crate) fn restore_optimizers(
        &mut self,
        growth: GrowthState,
        (generator_steps, discriminator_steps): (u64, u64),
        state: &[(String, Tensor)],
    ) -> Result<(), String> {
        let weights = self.generator.active(growth);
        self.generator_optimizer.restore("generator", &weights, generator_steps, state)?;
        let weights = self.discriminator.active(growth);
        self.discriminator_optimizer.restore("discriminator", &weights, discriminator_steps, state)?;
        // Not there when the snapshot was made without noise.
        if let Some((_, average)) = state.iter().find(|(name, _)| name == SCORE_AVERAGE) {
            let value = Vec::<f64>::try_from(average).ok().and_then(|values| values.first().copied());
            self.noise.restore(value.ok_or_else(|| SCORE_AVERAGE.to_owned())?);
        }
        Ok(())
    }
}

/// The networks' shape under `settings`, on data with labels of `label_size` components.
pub(crate) fn architecture(
    settings: &TrainingSettings,
    resolution_px: u32,
    image_channels: u32,
    label_size: u32,
) -> Architecture {
    Architecture {
        resolution_px,
        image_channels,
        latent_size: settings.latent_size,
        label_size: if settings.labels == Labels::AcGan { label_size } else { 0 },
        fmap_base: settings.fmap_base,
        fmap_max: settings.fmap_max,
        equalized_lr: settings.equalized_lr,
        generator_norm: match settings.generator_norm {
            pg_schedule::GeneratorNorm::Pixel => GeneratorNorm::Pixel,
            pg_schedule::GeneratorNorm::Batch => GeneratorNorm::Batch,
            pg_schedule::GeneratorNorm::None => GeneratorNorm::None,
        },
        discriminator_norm: match settings.discriminator_norm {
            pg_schedule::DiscriminatorNorm::None => DiscriminatorNorm::None,
            pg_schedule::DiscriminatorNorm::Layer => DiscriminatorNorm::Layer,
            pg_schedule::DiscriminatorNorm::Spectral => DiscriminatorNorm::Spectral,
        },
        minibatch_stddev_group: settings.minibatch_stddev_group,
        minibatch_discrimination: settings.minibatch_discrimination,
        filtered_resampling: settings.resampling == Resampling::Bilinear,
        style: (settings.network == Network::Style).then_some(StyleArchitecture {
            mapping_layers: settings.mapping_layers,
            mapping_lr_multiplier: settings.mapping_lr_multiplier,
            constant_input: settings.style_input == StyleInput::Constant,
            noise_inputs: settings.layer_noise == LayerNoise::Pixel,
            w_average_decay: settings.w_average_decay,
        }),
    }
}

/// The number format of activations under `settings`.
pub(crate) fn activations(settings: &TrainingSettings) -> Kind {
    match settings.precision {
        Precision::Fp32 | Precision::Tf32 => Kind::Float,
        Precision::Bf16 => Kind::BFloat16,
    }
}

/// The networks' state at a level of detail.
pub(crate) fn growth_state(level: LevelOfDetail) -> GrowthState {
    GrowthState { resolution_px: level.resolution_px, fade_in: level.fade_in() }
}

/// Bytes `[N,C,R,R]` to reals in [-1, 1]; while a level fades in, the reals are mixed with their own
fn weights_of(seed: u64, stream: Stream) -> impl FnMut(usize) -> Vec<f32> {
    // One counter per tensor: a level's weights do not depend on how large the coarser ones are.
    let mut counter = 0;
    move |count| {
        counter += 1;
        normal_numbers(seed, stream, counter - 1, count)
    }
}

#[cfg(test)]
mod tests;
