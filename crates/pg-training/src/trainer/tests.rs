use super::*;
use crate::random_streams::uniform_numbers;
use pg_schedule::Preset;

fn settings(assignments: &[&str]) -> TrainingSettings {
    let small = ["fmap_max=8", "latent_size=8", "minibatch=8"];
    small
        .iter()
        .chain(assignments)
        .fold(Preset::Tiny.settings(), |settings, assignment| settings.with_assignment(assignment).unwrap())
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
