//! The loop on a toy dataset.

use pg_networks::ToyMlp;
use pg_schedule::{ByResolution, Loss, OptimizerKind, Preset, TrainingSettings};
use tch::{Device, Tensor};

use super::ToyDataset;
use crate::gradient_sums::gradients_of;
use crate::losses::Objective;
use crate::random_streams::{Stream, normal_numbers, normal_source, uniform_numbers};
use crate::{Optimizer, TrainingError};

/// Components of the latent and of a point.
const PLANE: i64 = 2;
/// Hidden layers of either network (arXiv:1704.00028).
const HIDDEN_LAYERS: usize = 3;

/// What shapes a toy run.
#[derive(Debug, Clone, PartialEq)]
pub struct ToySettings {
    /// The data.
    pub dataset: ToyDataset,
    /// Units of each of the three hidden layers of both networks; 512 in the paper.
    pub width: u32,
    /// Keep the generator's distribution fixed at the data plus Gaussian noise of unit variance, as for the
    /// value surfaces of arXiv:1704.00028, section 3, which show critics alone.
    pub fixed_generator: bool,
    /// Loss, regularisers, optimiser, learning rate, minibatch, n_critic and seed; nothing else of it
    /// counts.
    pub training: TrainingSettings,
}

impl ToySettings {
    /// The loss with its companions, but for the drift term and the noise in the discriminator; n_critic 5
    /// for the Wasserstein losses and 1 for the others; RMSProp at 5e-5 for wgan, Adam (0.5, 0.9) at
    /// 1e-3 for the others.
    ///
    /// The paper's runs take 100 000 steps with Adam at 1e-4 and a penalty of weight 10. Runs of a few
    /// thousand steps want a higher rate and, measured, a smaller weight: 1.
    #[must_use]
    pub fn new(dataset: ToyDataset, loss: Loss) -> Self {
        let companions = loss.with_companions(&Preset::Tiny.settings());
        let rate = if companions.optimizer == OptimizerKind::Rmsprop { 5e-5 } else { 1e-3 };
        let training = TrainingSettings {
            gp_lambda: companions.gp_lambda.min(1.0),
            drift_weight: 0.0,
            discriminator_noise: 0.0,
            learning_rate: ByResolution::Everywhere(rate),
            adam_beta1: 0.5,
            adam_beta2: 0.9,
            n_critic: if matches!(loss, Loss::WganGp | Loss::Wgan) { 5 } else { 1 },
            minibatch: ByResolution::Everywhere(256),
            ..companions
        };
        Self { dataset, width: 128, fixed_generator: false, training }
    }

    /// The learning rate of both networks.
    #[must_use]
    pub fn learning_rate(&self) -> f64 {
        self.training.learning_rate.at(0)
    }

    /// Points in a minibatch.
    #[must_use]
    pub fn minibatch(&self) -> u32 {
        self.training.minibatch.at(0)
    }
}

/// Both networks in training, on the CPU.
#[derive(Debug)]
pub struct ToyGan {
    settings: ToySettings,
    objective: Objective,
    generator: ToyMlp,
    critic: ToyMlp,
    generator_optimizer: Optimizer,
    critic_optimizer: Optimizer,
    /// Discriminator steps so far: the counter of all that is random.
    steps: u64,
}

impl ToyGan {
    /// Fresh networks, their weights drawn from the settings' seed.
    #[must_use]
    pub fn new(settings: ToySettings) -> Self {
        let width = i64::from(settings.width);
        let network = |stream, outputs| {
            let mut sizes = vec![PLANE];
            sizes.extend([width; HIDDEN_LAYERS]);
            sizes.push(outputs);
            ToyMlp::new(&sizes, Device::Cpu, &mut normal_source(settings.training.seed, stream, 0))
        };
        Self {
            objective: Objective::of(&settings.training),
            generator: network(Stream::GeneratorWeights, PLANE),
            critic: network(Stream::DiscriminatorWeights, 1),
            generator_optimizer: Optimizer::of(&settings.training),
            critic_optimizer: Optimizer::of(&settings.training),
            steps: 0,
            settings,
        }
    }

    /// `n_critic` steps of the discriminator, then one of the generator unless it is fixed; the losses of
    /// the last two, the discriminator's first (the generator's is 0 where it is fixed).
    ///
    /// # Errors
    /// libtorch's; [`TrainingError::Diverged`] for a loss that is not finite.
    pub fn step(&mut self) -> Result<(f64, f64), TrainingError> {
        let mut critic_loss = 0.0;
        for _ in 0..self.settings.training.n_critic {
            critic_loss = self.critic_step()?;
        }
        let generator_loss = if self.settings.fixed_generator { 0.0 } else { self.generator_step()? };
        for (what, value) in
            [("the discriminator's loss", critic_loss), ("the generator's loss", generator_loss)]
        {
            if !value.is_finite() {
                let images_shown = self.steps * u64::from(self.settings.minibatch());
                return Err(TrainingError::Diverged { what, value, images_shown, snapshot: None });
            }
        }
        Ok((critic_loss, generator_loss))
    }

    /// `count` points of the generator's distribution from latents of their own: x and y in turn.
    ///
    /// # Errors
    /// libtorch's.
    pub fn samples(&self, count: usize) -> Result<Vec<f32>, TrainingError> {
        let samples = tch::no_grad(|| self.fakes(Stream::SampleLatents, 0, count));
        Ok(Vec::try_from(samples.flatten(0, -1))?)
    }

    /// The discriminator's scores of `points`: x and y of each in turn.
    ///
    /// # Errors
    /// libtorch's.
    pub fn scores(&self, points: &[f32]) -> Result<Vec<f32>, TrainingError> {
        let points = Tensor::from_slice(points).view([-1, PLANE]);
        let scores = tch::no_grad(|| self.critic_scores(&points));
        Ok(Vec::try_from(scores)?)
    }

    fn critic_step(&mut self) -> Result<f64, TrainingError> {
        let (seed, count) = (self.settings.training.seed, self.settings.minibatch() as usize);
        let counter = self.steps;
        let reals = Tensor::from_slice(&self.settings.dataset.points(seed, counter, count)).view([-1, PLANE]);
        let fakes = tch::no_grad(|| self.fakes(Stream::DiscriminatorLatents, counter, count));
        let scores = self.critic_scores(&Tensor::cat(&[&reals, &fakes], 0));
        let (real_scores, fake_scores) =
            (scores.narrow(0, 0, count as i64), scores.narrow(0, count as i64, count as i64));
        let loss = self.objective.discriminator_loss(
            &|points| self.critic_scores(points),
            (&reals, &real_scores),
            (&fakes, &fake_scores),
            || Tensor::from_slice(&uniform_numbers(seed, Stream::PenaltyMix, counter, count)),
        )?;
        let weights: Vec<_> = self.critic.parameters().iter().collect();
        let gradients = gradients_of(&loss.total, &weights)?;
        self.critic_optimizer.step(&weights, &gradients, self.settings.learning_rate())?;
        let bound = self.settings.training.weight_clip;
        if bound > 0.0 {
            tch::no_grad(|| {
                weights
                    .iter()
                    .try_for_each(|(_, weight)| weight.shallow_clone().f_clamp_(-bound, bound).map(|_| ()))
            })?;
        }
        self.steps += 1;
        Ok(loss.total.double_value(&[]))
    }

    fn generator_step(&mut self) -> Result<f64, TrainingError> {
        let count = self.settings.minibatch() as usize;
        let fakes = self.fakes(Stream::GeneratorLatents, self.steps, count);
        let loss = self.objective.generator_loss(&self.critic_scores(&fakes));
        let weights: Vec<_> = self.generator.parameters().iter().collect();
        let gradients = gradients_of(&loss, &weights)?;
        self.generator_optimizer.step(&weights, &gradients, self.settings.learning_rate())?;
        Ok(loss.double_value(&[]))
    }

    /// `count` points of the generator's distribution, `[count,2]`.
    fn fakes(&self, stream: Stream, counter: u64, count: usize) -> Tensor {
        let seed = self.settings.training.seed;
        let latents = Tensor::from_slice(&normal_numbers(seed, stream, counter, 2 * count)).view([-1, PLANE]);
        if self.settings.fixed_generator {
            // Data of their own: the real points of the same counter would be the fakes' centres.
            let data = self.settings.dataset.points(seed, u64::MAX - counter, count);
            Tensor::from_slice(&data).view([-1, PLANE]) + latents
        } else {
            self.generator.forward(&latents)
        }
    }

    fn critic_scores(&self, points: &Tensor) -> Tensor {
        self.critic.forward(points).flatten(0, -1)
    }
}
