//! The two losses of a step, and the random numbers that they are computed from.

use pg_networks::{GeneratorInputs, GrowthState, MultiplicativeNoise, Phase, downscale_box, upscale_nearest};
use pg_schedule::Network;
use tch::{Kind, Tensor};

use super::Trainer;
use crate::TrainingError;
use crate::data_feed::Minibatch;
use crate::image_range::reals_to_f32;
use crate::layer_noise::{NoiseSource, noise_of_step};
use crate::losses::{DiscriminatorLoss, label_terms};
use crate::random_streams::{Stream, normal_numbers, normal_source, uniform_numbers};

/// Where the numbers of one network's step come from.
pub(super) struct StepStreams {
    latents: Stream,
    pub(super) noise: Stream,
    mixing: Stream,
    mixed_latents: Stream,
}

pub(super) const OF_DISCRIMINATOR: StepStreams = StepStreams {
    latents: Stream::DiscriminatorLatents,
    noise: Stream::DiscriminatorLayerNoise,
    mixing: Stream::DiscriminatorMixing,
    mixed_latents: Stream::DiscriminatorMixedLatents,
};
pub(super) const OF_GENERATOR: StepStreams = StepStreams {
    latents: Stream::GeneratorLatents,
    noise: Stream::GeneratorLayerNoise,
    mixing: Stream::GeneratorMixing,
    mixed_latents: Stream::GeneratorMixedLatents,
};

impl Trainer {
    pub(super) fn discriminator_loss(
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

    pub(super) fn generator_loss(
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

    /// The minibatch's labels `[N,L]`, where the networks have labels.
    fn labels_of(&self, minibatch: &Minibatch) -> Result<Option<Tensor>, TrainingError> {
        if self.generator.architecture().label_size == 0 {
            return Ok(None);
        }
        let labels = minibatch.labels.as_ref().ok_or(TrainingError::NoLabels)?;
        Ok(Some(labels.to_device(self.device)))
    }

    /// `[N,latent_size]` from N(0, 1), the labels behind where there are some.
    pub(super) fn latents(
        &self,
        stream: Stream,
        images_shown: u64,
        labels: Option<&Tensor>,
        count: i64,
    ) -> Tensor {
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

/// halved and doubled copies in the same way as the generator's images.
fn reals_at(bytes: &Tensor, state: GrowthState) -> Tensor {
    let reals = reals_to_f32(bytes);
    if state.is_fading() {
        upscale_nearest(&downscale_box(&reals)).lerp(&reals, state.fade_in)
    } else {
        reals
    }
}
