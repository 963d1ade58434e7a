//! Networks, optimisers and the two steps of adversarial training.

use std::time::{Duration, Instant};

use pg_networks::{Architecture, Discriminator, Generator, GrowthState, downscale_box, upscale_nearest};
use pg_schedule::{LevelOfDetail, Round, TrainingSettings};
use tch::{Device, Tensor};

use crate::data_feed::Minibatch;
use crate::image_range::reals_to_f32;
use crate::random_streams::{Stream, normal_numbers, uniform_numbers};
use crate::{Adam, AdamSettings, GeneratorAverage, TrainingError, WganGp};

/// What one minibatch's two steps measured.
#[derive(Debug, Clone, Copy, Default)]
pub struct StepStatistics {
    /// The discriminator's loss.
    pub d_loss: f64,
    /// The generator's loss.
    pub g_loss: f64,
    /// Mean of D(real).
    pub real_score: f64,
    /// Mean of D(fake).
    pub fake_score: f64,
    /// Mean norm of the discriminator's gradient at the mixed images.
    pub gradient_norm: f64,
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
    pub(crate) generator_adam: Adam,
    pub(crate) discriminator_adam: Adam,
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
        let architecture = architecture(settings, resolution_px, image_channels);
        let seed = settings.seed;
        let generator =
            Generator::new(&architecture, device, &mut weights_of(seed, Stream::GeneratorWeights));
        let discriminator =
            Discriminator::new(&architecture, device, &mut weights_of(seed, Stream::DiscriminatorWeights));
        let average = GeneratorAverage::new(&generator, settings.ema_decay, device)?;
        let adam = AdamSettings {
            beta1: settings.adam_beta1,
            beta2: settings.adam_beta2,
            epsilon: settings.adam_epsilon,
        };
        Ok(Self {
            settings: settings.clone(),
            device,
            generator,
            discriminator,
            average,
            generator_adam: Adam::new(adam),
            discriminator_adam: Adam::new(adam),
        })
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
            self.generator_adam.reset();
            self.discriminator_adam.reset();
        }
    }

    /// One discriminator step and one generator step (arXiv:1710.10196, appendix A.1: n_critic = 1).
    ///
    /// # Errors
    /// libtorch's; [`TrainingError::Diverged`] for a loss that is not finite.
    pub fn step(&mut self, round: &Round, minibatch: &Minibatch) -> Result<StepStatistics, TrainingError> {
        let started = Instant::now();
        let state = growth_state(round.level);
        let shown = minibatch.images_shown;
        let count = minibatch.images.size()[0];
        let loss = WganGp {
            lambda: self.settings.gp_lambda,
            target: self.settings.gp_target,
            drift: self.settings.drift_weight,
        };

        let reals = reals_at(&minibatch.images.to_device(self.device), state);
        let latents = self.latents(Stream::DiscriminatorLatents, shown, count);
        let fakes = tch::no_grad(|| self.generator.forward(&latents, state))?;
        let mix = uniform_numbers(self.settings.seed, Stream::PenaltyMix, shown, count as usize);
        let mix = Tensor::from_slice(&mix).to_device(self.device);
        let d = loss.discriminator_loss(&self.discriminator.at(state)?, &reals, &fakes, &mix)?;
        let weights = self.discriminator.active(state);
        let gradients = gradients_of(&d.total, &weights)?;
        self.discriminator_adam.step(&weights, &gradients, round.learning_rate)?;
        self.average.update(&self.generator, state)?;
        let d_time = started.elapsed();

        let latents = self.latents(Stream::GeneratorLatents, shown, count);
        let fakes = self.generator.forward(&latents, state)?;
        let g_loss = loss.generator_loss(&self.discriminator.at(state)?, &fakes);
        let weights = self.generator.active(state);
        let gradients = gradients_of(&g_loss, &weights)?;
        self.generator_adam.step(&weights, &gradients, round.learning_rate)?;

        let statistics = StepStatistics {
            d_loss: d.total.double_value(&[]),
            g_loss: g_loss.double_value(&[]),
            real_score: d.real_score.double_value(&[]),
            fake_score: d.fake_score.double_value(&[]),
            gradient_norm: d.gradient_norm.double_value(&[]),
            d_time,
            g_time: started.elapsed().saturating_sub(d_time),
        };
        for (what, value) in
            [("the discriminator's loss", statistics.d_loss), ("the generator's loss", statistics.g_loss)]
        {
            if !value.is_finite() {
                return Err(TrainingError::Diverged { what, value, images_shown: shown, snapshot: None });
            }
        }
        Ok(statistics)
    }

    fn latents(&self, stream: Stream, images_shown: u64, count: i64) -> Tensor {
        let size = i64::from(self.settings.latent_size);
        let numbers = normal_numbers(self.settings.seed, stream, images_shown, (count * size) as usize);
        Tensor::from_slice(&numbers).reshape([count, size]).to_device(self.device)
    }
}

/// The networks' shape under `settings`.
pub(crate) fn architecture(
    settings: &TrainingSettings,
    resolution_px: u32,
    image_channels: u32,
) -> Architecture {
    Architecture {
        resolution_px,
        image_channels,
        latent_size: settings.latent_size,
        fmap_base: settings.fmap_base,
        fmap_max: settings.fmap_max,
        minibatch_stddev_group: settings.minibatch_stddev_group,
    }
}

/// The networks' state at a level of detail.
pub(crate) fn growth_state(level: LevelOfDetail) -> GrowthState {
    GrowthState { resolution_px: level.resolution_px, fade_in: level.fade_in() }
}

/// Bytes `[N,C,R,R]` to reals in [-1, 1]; while a level fades in, the reals are mixed with their own
/// halved and doubled copies in the same way as the generator's images.
pub(crate) fn reals_at(bytes: &Tensor, state: GrowthState) -> Tensor {
    let reals = reals_to_f32(bytes);
    if state.is_fading() {
        upscale_nearest(&downscale_box(&reals)).lerp(&reals, state.fade_in)
    } else {
        reals
    }
}

fn gradients_of(loss: &Tensor, weights: &[(&str, &Tensor)]) -> Result<Vec<Tensor>, TrainingError> {
    let inputs: Vec<&Tensor> = weights.iter().map(|(_, weight)| *weight).collect();
    Ok(Tensor::f_run_backward(&[loss], &inputs, false, false)?)
}

fn weights_of(seed: u64, stream: Stream) -> impl FnMut(usize) -> Vec<f32> {
    // One counter per tensor: a level's weights do not depend on how large the coarser ones are.
    let mut counter = 0;
    move |count| {
        counter += 1;
        normal_numbers(seed, stream, counter - 1, count)
    }
}
