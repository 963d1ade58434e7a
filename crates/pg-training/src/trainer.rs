//! Networks, optimisers and the two kinds of steps of adversarial training.

use std::time::{Duration, Instant};

use pg_networks::{
    Architecture, Discriminator, DiscriminatorNorm, Generator, GeneratorInputs, GeneratorNorm, GrowthState,
    MultiplicativeNoise, Phase, RowShare, StyleArchitecture, downscale_box, upscale_nearest,
};
use pg_schedule::{
    Labels, LayerNoise, LevelOfDetail, Network, Precision, Resampling, Round, StyleInput, TrainingSettings,
};
use tch::{Device, Kind, Tensor};

use crate::data_feed::Minibatch;
use crate::gradient_sums::GradientSums;
use crate::image_range::reals_to_f32;
use crate::layer_noise::{NoiseSource, noise_of_step};
use crate::losses::{DiscriminatorLoss, Objective, label_terms};
use crate::random_streams::{Stream, normal_numbers, normal_source, uniform_numbers};
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

/// One step's numbers, and what they were computed from.
#[derive(Debug)]
pub struct StepValues {
    /// Losses, mean scores, norms of the penalised gradient and of both networks' weight gradients, by name.
    pub values: Vec<(&'static str, f64)>,
    /// Weights of both networks and the step's inputs, by name.
    pub tensors: Vec<(String, Tensor)>,
}

/// Where the numbers of one network's step come from.
struct StepStreams {
    latents: Stream,
    noise: Stream,
    mixing: Stream,
    mixed_latents: Stream,
}

const OF_DISCRIMINATOR: StepStreams = StepStreams {
    latents: Stream::DiscriminatorLatents,
    noise: Stream::DiscriminatorLayerNoise,
    mixing: Stream::DiscriminatorMixing,
    mixed_latents: Stream::DiscriminatorMixedLatents,
};
const OF_GENERATOR: StepStreams = StepStreams {
    latents: Stream::GeneratorLatents,
    noise: Stream::GeneratorLayerNoise,
    mixing: Stream::GeneratorMixing,
    mixed_latents: Stream::GeneratorMixedLatents,
};

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
        let group = self.settings.minibatch_stddev_group;
        let (rank, ranks) = (self.ranks.rank(), self.ranks.count());
        let share = RowShare::of(minibatch as usize, group as usize, rank, ranks);
        share.ok_or_else(|| {
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
        let whole = count as usize * self.ranks.count();
        let group = self.settings.minibatch_stddev_group as usize;
        let share = RowShare::of(whole, group, self.ranks.rank(), self.ranks.count());
        // Alone, any number of images is a minibatch, if not of whole groups.
        share.unwrap_or(RowShare::WHOLE)
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

    fn discriminator_loss(
        &self,
        state: GrowthState,
        minibatch: &Minibatch,
    ) -> Result<DiscriminatorLoss, TrainingError> {
        let noise_strength = self.noise.strength();
        let shown = minibatch.images_shown;
        let count = minibatch.images.size()[0];
        let reals = reals_at(&minibatch.images.to_device(self.device), state);
        let labels = self.labels_of(minibatch)?;
        let fakes = tch::no_grad(|| self.fakes(&OF_DISCRIMINATOR, state, minibatch, labels.as_ref()))?;

        let discriminator = self.discriminator.at(state)?;
        let mut draw = normal_source(self.settings.seed, Stream::DiscriminatorNoise, shown);
        let share = self.share(count);
        let noise = (noise_strength > 0.0)
            .then(|| MultiplicativeNoise::new(noise_strength, &mut draw).of_share(share));
        let objective = self.objective.at_step(self.discriminator_optimizer.steps());
        let (reals, (of_reals, of_fakes)) = if objective.r1_gamma > 0.0 && noise.is_none() {
            // Apart: R1 goes back and forth through the half with the reals only.
            let reals = reals.set_requires_grad(true);
            let judged = (discriminator.judge(&reals, None), discriminator.judge(&fakes, None));
            (reals, judged)
        } else {
            let judged = discriminator.judge_both(&reals, &fakes, noise);
            (reals, judged)
        };
        let mix = || {
            let whole = count as usize * share.ranks();
            let mix = uniform_numbers(self.settings.seed, Stream::PenaltyMix, shown, whole);
            Tensor::from_slice(&share.take(mix, 1)).to_device(self.device)
        };
        let mut loss = objective.discriminator_loss(
            &|images| discriminator.forward(images),
            (&reals, &of_reals.scores),
            (&fakes, &of_fakes.scores),
            mix,
        )?;
        if let Some(labels) = &labels {
            let terms =
                label_terms(&of_reals.label_logits, labels) + label_terms(&of_fakes.label_logits, labels);
            loss.total = &loss.total + terms.mean(Kind::Float) * self.settings.label_weight;
        }
        Ok(loss)
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

    fn generator_loss(
        &self,
        state: GrowthState,
        minibatch: &Minibatch,
        noise_strength: f64,
    ) -> Result<Tensor, TrainingError> {
        let shown = minibatch.images_shown;
        let labels = self.labels_of(minibatch)?;
        let fakes = self.fakes(&OF_GENERATOR, state, minibatch, labels.as_ref())?;
        let mut draw = normal_source(self.settings.seed, Stream::GeneratorNoise, shown);
        let share = self.share(minibatch.images.size()[0]);
        let noise = (noise_strength > 0.0)
            .then(|| MultiplicativeNoise::new(noise_strength, &mut draw).of_share(share));
        let judgement = self.discriminator.at(state)?.judge(&fakes, noise);
        let loss = self.objective.generator_loss(&judgement.scores);
        Ok(match &labels {
            Some(labels) => {
                let terms = label_terms(&judgement.label_logits, labels);
                loss + terms.mean(Kind::Float) * self.settings.label_weight
            }
            None => loss,
        })
    }

    /// The generator's images for a step.
    fn fakes(
        &self,
        streams: &StepStreams,
        state: GrowthState,
        minibatch: &Minibatch,
        labels: Option<&Tensor>,
    ) -> Result<Tensor, TrainingError> {
        let (shown, count) = (minibatch.images_shown, minibatch.images.size()[0]);
        let generator = self.generator.at(state, Phase::Training)?;
        let latents = self.latents(streams.latents, shown, labels, count);
        let sides = generator.noise_sides_px();
        let source = NoiseSource { seed: self.settings.seed, stream: streams.noise, counter: shown };
        let noise = noise_of_step(source, &sides, count, self.share(count), self.device);
        let others = (self.settings.network == Network::Style)
            .then(|| self.mixed_from(streams.mixing, shown, generator.layers()))
            .flatten()
            .map(|from| (self.latents(streams.mixed_latents, shown, labels, count), from));
        let mixed = others.as_ref().map(|(latents, from)| (latents, *from));
        Ok(generator.draw(&GeneratorInputs { latents: &latents, mixed, noise: &noise })?)
    }

    /// From which of `layers` on a minibatch takes the styles of other latents, if any: mixing regularisation
    /// (arXiv:1812.04948, section 3.1).
    fn mixed_from(&self, stream: Stream, images_shown: u64, layers: usize) -> Option<usize> {
        let drawn = uniform_numbers(self.settings.seed, stream, images_shown, 2);
        let others = layers - 1; // The first layer keeps its style.
        let from = 1 + ((f64::from(drawn[1]) * others as f64) as usize).min(others.saturating_sub(1));
        (f64::from(drawn[0]) < self.settings.mixing_probability && others > 0).then_some(from)
    }

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

    /// The minibatch's labels `[N,L]`, where the networks have labels.
    fn labels_of(&self, minibatch: &Minibatch) -> Result<Option<Tensor>, TrainingError> {
        if self.generator.architecture().label_size == 0 {
            return Ok(None);
        }
        let labels = minibatch.labels.as_ref().ok_or(TrainingError::NoLabels)?;
        Ok(Some(labels.to_device(self.device)))
    }

    /// `[N,latent_size]` from N(0, 1), the labels behind where there are some.
    fn latents(&self, stream: Stream, images_shown: u64, labels: Option<&Tensor>, count: i64) -> Tensor {
        let (size, share) = (i64::from(self.settings.latent_size), self.share(count));
        let whole = (count * size) as usize * share.ranks();
        let numbers = normal_numbers(self.settings.seed, stream, images_shown, whole);
        let numbers = share.take(numbers, size as usize);
        let latents = Tensor::from_slice(&numbers).reshape([count, size]).to_device(self.device);
        match labels {
            Some(labels) => Tensor::cat(&[&latents, labels], 1),
            None => latents,
        }
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
/// halved and doubled copies in the same way as the generator's images.
pub(crate) fn reals_at(bytes: &Tensor, state: GrowthState) -> Tensor {
    let reals = reals_to_f32(bytes);
    if state.is_fading() {
        upscale_nearest(&downscale_box(&reals)).lerp(&reals, state.fade_in)
    } else {
        reals
    }
}

/// The gradients of `loss` `[]` for `weights`, one by one.
pub(crate) fn gradients_of(loss: &Tensor, weights: &[(&str, &Tensor)]) -> Result<Vec<Tensor>, TrainingError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use pg_schedule::Preset;

    fn settings(assignments: &[&str]) -> TrainingSettings {
        let small = ["fmap_max=8", "latent_size=8", "minibatch=8"];
        small.iter().chain(assignments).fold(Preset::Tiny.settings(), |settings, assignment| {
            settings.with_assignment(assignment).unwrap()
        })
    }

    fn trainer(settings: &TrainingSettings) -> Trainer {
        Trainer::new(settings, 8, 3, Device::Cpu).unwrap()
    }

    /// A minibatch of the run's start on, half faded in at 8 px.
    fn step(trainer: &mut Trainer, index: u64) -> StepStatistics {
        let images_shown = 8 * index;
        let round = Round {
            images_shown,
            level: LevelOfDetail { lod: 0.5, resolution_px: 8 },
            minibatch: 8,
            repeats: 1,
            learning_rate: 0.001,
            reset_moments: false,
        };
        let numbers = uniform_numbers(5, Stream::Mirror, index, 8 * 3 * 64);
        let bytes: Vec<u8> = numbers.into_iter().map(|u| (255.0 * u) as u8).collect();
        let images = Tensor::from_slice(&bytes).view([8, 3, 8, 8]);
        trainer.step(&round, &Minibatch { images_shown, images, labels: None }).unwrap()
    }

    fn assert_same_weights(one: &Trainer, other: &Trainer) {
        for (a, b) in [
            (one.generator.parameters(), other.generator.parameters()),
            (one.discriminator.parameters(), other.discriminator.parameters()),
        ] {
            for ((name, a), (_, b)) in a.iter().zip(b.iter()) {
                assert_eq!(a, b, "{name}");
            }
        }
    }

    #[test]
    fn the_generator_steps_after_every_nth_step_of_the_discriminator() {
        let mut trainer = trainer(&settings(&["n_critic=3"]));
        let stepped: Vec<bool> = (0..7).map(|k| step(&mut trainer, k).g_loss.is_some()).collect();
        assert_eq!(stepped, [false, false, true, false, false, true, false]);
        let steps = (trainer.generator_optimizer.steps(), trainer.discriminator_optimizer.steps());
        assert_eq!(steps, (2, 7));
    }

    #[test]
    fn a_restored_trainer_with_noise_and_n_critic_goes_on_bit_for_bit() {
        for assignments in [["loss=lsgan", "n_critic=3"], ["loss=wgan", "n_critic=2"]] {
            let settings = settings(&assignments);
            let mut whole = trainer(&settings);
            // As after a while of a discriminator that is sure.
            whole.noise.restore(1.0);
            for index in 0..4 {
                step(&mut whole, index);
            }
            assert_eq!(whole.noise.strength() > 0.0, assignments[0] == "loss=lsgan");
            let mut resumed = trainer(&settings);
            resumed.generator.parameters().copy_from(whole.generator.parameters()).unwrap();
            resumed.discriminator.parameters().copy_from(whole.discriminator.parameters()).unwrap();
            let steps = (whole.generator_optimizer.steps(), whole.discriminator_optimizer.steps());
            let state: Vec<_> =
                whole.optimizer_state().into_iter().map(|(name, tensor)| (name, tensor.copy())).collect();
            let growth = GrowthState { resolution_px: 8, fade_in: 0.5 };
            resumed.restore_optimizers(growth, steps, &state).unwrap();
            for index in 4..9 {
                step(&mut whole, index);
                step(&mut resumed, index);
            }
            assert_same_weights(&whole, &resumed);
            if whole.noise.is_on() {
                assert_eq!(whole.noise, resumed.noise);
            }
        }
    }

    #[test]
    fn noise_changes_a_step_and_without_strength_it_does_not() {
        let with = |average: f64, factor: &str| {
            let mut trainer = trainer(&settings(&["loss=lsgan", factor]));
            trainer.noise.restore(average);
            step(&mut trainer, 0).d_loss
        };
        let plain = with(0.9, "discriminator_noise=0");
        assert_eq!(with(0.5, "discriminator_noise=0.2"), plain);
        assert!((with(0.9, "discriminator_noise=0.2") - plain).abs() > 1e-6);
    }

    #[test]
    fn clipped_weights_stay_in_their_bounds() {
        let mut trainer = trainer(&settings(&["loss=wgan"]));
        step(&mut trainer, 0);
        for (name, bias) in trainer.discriminator.parameters().iter().filter(|(n, _)| n.ends_with("bias")) {
            assert!(bias.abs().max().double_value(&[]) <= 0.01 + 1e-9, "{name}");
        }
        // The score's layer: scale 1 / sqrt(inputs).
        let score = trainer.discriminator.parameters().iter().find(|(n, _)| *n == "r0004.score.weight");
        let weight = score.unwrap().1;
        let largest = (weight / (weight.size()[1] as f64).sqrt()).abs().max().double_value(&[]);
        assert!((largest - 0.01).abs() < 1e-6, "{largest}");
        let generator = trainer.generator.parameters().iter().next().unwrap().1;
        assert!(generator.abs().max().to_kind(Kind::Double).double_value(&[]) > 1.0);
    }
}
