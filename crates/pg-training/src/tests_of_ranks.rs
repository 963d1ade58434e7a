//! Several ranks make the steps that one would make.

use pg_networks::RowShare;
use pg_schedule::{LevelOfDetail, Preset, Round, TrainingSettings};
use tch::{Device, Tensor};

use crate::data_feed::Minibatch;
use crate::random_streams::{Stream, uniform_numbers};
use crate::ranks::in_process::on_ranks;
use crate::trainer::{StepStatistics, Trainer};

const MINIBATCH: u32 = 16;
const SIDE_PX: u32 = 16;
const LABELS: u32 = 3;

fn settings(assignments: &[&str]) -> TrainingSettings {
    let small = ["fmap_max=8", "latent_size=8", "minibatch=16"];
    small
        .iter()
        .chain(assignments)
        .fold(Preset::Tiny.settings(), |settings, assignment| settings.with_assignment(assignment).unwrap())
}

fn trainer(settings: &TrainingSettings) -> Trainer {
    // The count is each thread's own.
    tch::set_num_threads(1);
    Trainer::with_labels(settings, SIDE_PX, 3, LABELS, Device::Cpu).unwrap()
}

/// Step `index` on this trainer's share of its minibatch.
fn step(trainer: &mut Trainer, index: u64) -> StepStatistics {
    let images_shown = u64::from(MINIBATCH) * index;
    let round = Round {
        images_shown,
        level: LevelOfDetail { lod: 0.5, resolution_px: SIDE_PX },
        minibatch: MINIBATCH,
        repeats: 1,
        learning_rate: 0.001,
        reset_moments: index == 20,
    };
    let share = trainer.share_of(MINIBATCH).unwrap();
    let image_len = (3 * SIDE_PX * SIDE_PX) as usize;
    let numbers = uniform_numbers(5, Stream::Mirror, index, MINIBATCH as usize * image_len);
    let numbers = share.take(numbers, image_len);
    let bytes: Vec<u8> = numbers.into_iter().map(|u| (255.0 * u) as u8).collect();
    let side = i64::from(SIDE_PX);
    let images = Tensor::from_slice(&bytes).view([-1, 3, side, side]);
    let label = |row: usize| (0..LABELS as usize).map(move |k| f32::from(u8::from(row % 3 == k)));
    let labels: Vec<f32> = (0..MINIBATCH as usize).flat_map(label).collect();
    let labels = Tensor::from_slice(&share.take(labels, LABELS as usize)).view([-1, i64::from(LABELS)]);
    trainer.begin(&round);
    trainer.step(&round, &Minibatch { images_shown, images, labels: Some(labels) }).unwrap()
}

/// All numbers that training changes.
fn state(trainer: &Trainer) -> Vec<(String, Vec<f32>)> {
    let networks = [
        ("generator", trainer.generator.parameters()),
        ("discriminator", trainer.discriminator.parameters()),
        ("average", trainer.average().parameters()),
    ];
    let named = |(network, parameters): (&'static str, &pg_networks::Parameters)| {
        let numbers = |t: &Tensor| Vec::<f32>::try_from(t.detach().flatten(0, -1)).unwrap();
        parameters.iter().map(|(name, t)| (format!("{network}.{name}"), numbers(t))).collect::<Vec<_>>()
    };
    networks.into_iter().flat_map(named).collect()
}

/// The largest difference, and where.
fn largest_difference(one: &[(String, Vec<f32>)], other: &[(String, Vec<f32>)]) -> (f32, String) {
    assert_eq!(one.len(), other.len());
    let mut largest = (0.0, String::new());
    for ((name, a), (other_name, b)) in one.iter().zip(other) {
        assert_eq!(name, other_name);
        for (a, b) in a.iter().zip(b) {
            let difference = (a - b).abs();
            assert!(difference.is_finite(), "{name}");
            if difference > largest.0 {
                largest = (difference, name.clone());
            }
        }
    }
    largest
}

/// With the paper's epsilon of 1e-8 Adam takes a step of full size for a gradient that is rounding noise alone, and other
/// noise in other sums makes other runs within some twenty steps. An epsilon above the noise keeps them together.
const EPSILON_ABOVE_NOISE: &str = "adam_epsilon=0.01";

fn two_ranks_equal_one(assignments: &[&str], steps: u64) {
    let settings = settings(&[&[EPSILON_ABOVE_NOISE], assignments].concat());
    let mut whole = trainer(&settings);
    let expected: Vec<StepStatistics> = (0..steps).map(|index| step(&mut whole, index)).collect();
    let found = on_ranks(2, |rank| {
        let mut trainer = trainer(&settings).with_ranks(Box::new(rank));
        // Several buckets, that some weights fill alone.
        trainer.cut_sums_at(700);
        let measured: Vec<StepStatistics> = (0..steps).map(|index| step(&mut trainer, index)).collect();
        (state(&trainer), measured)
    });
    assert!(found[0].0 == found[1].0, "ranks differ from each other");
    let (difference, name) = largest_difference(&state(&whole), &found[0].0);
    let moved = largest_difference(&state(&trainer(&settings)), &state(&whole)).0;
    assert!(moved > 1e-3, "nothing was trained: {moved}");
    println!("{assignments:?}: {difference:e} in {name}, moved {moved}");
    assert!(difference <= 1e-5, "{difference} in {name} with {assignments:?}");
    for (one, two) in expected.iter().zip(&found[1].1) {
        assert!((one.d_loss - two.d_loss).abs() <= 1e-4 * one.d_loss.abs().max(1.0), "{one:?} {two:?}");
        assert_eq!(one.gradient_norm.is_some(), two.gradient_norm.is_some());
    }
}

#[test]
fn two_ranks_make_the_steps_of_one_with_progan_and_its_gradient_penalty() {
    two_ranks_equal_one(&[], 50);
}

#[test]
fn two_ranks_make_the_steps_of_one_with_styles_noise_mixing_and_lazy_r1() {
    two_ranks_equal_one(
        &[
            "network=style",
            "mapping_layers=2",
            "loss=non-saturating",
            "gp_lambda=0",
            "drift_weight=0",
            "r1_gamma=10",
            "r1_interval=3",
        ],
        50,
    );
}

#[test]
fn two_ranks_make_the_steps_of_one_with_labels_and_spectral_norm() {
    two_ranks_equal_one(&["labels=ac-gan", "loss=hinge", "discriminator_norm=spectral", "n_critic=2"], 50);
}

#[test]
fn noise_in_the_discriminator_is_that_of_the_whole_minibatch() {
    let settings = settings(&["loss=lsgan", "discriminator_noise=0.2"]);
    let growth = pg_networks::GrowthState { resolution_px: SIDE_PX, fade_in: 0.5 };
    let run = |mut trainer: Trainer| {
        let average = [("discriminator.score_average".to_owned(), Tensor::from_slice(&[0.95_f64]))];
        trainer.restore_optimizers(growth, (0, 0), &average).unwrap();
        let losses: Vec<f64> = (0..3).map(|index| step(&mut trainer, index).d_loss).collect();
        (state(&trainer), losses)
    };
    let (whole, losses) = run(trainer(&settings));
    let found = on_ranks(2, |rank| run(trainer(&settings).with_ranks(Box::new(rank))));
    let (difference, name) = largest_difference(&whole, &found[0].0);
    assert!(difference <= 1e-5, "{difference} in {name}");
    assert!((losses[2] - found[0].1[2]).abs() < 1e-5);
    // The noise is on: without it the first loss is another.
    let without = self::settings(&["loss=lsgan", "discriminator_noise=0"]);
    assert!((step(&mut trainer(&without), 0).d_loss - losses[0]).abs() > 1e-6);
}

#[test]
fn running_statistics_of_batch_norm_stay_the_same_on_all_ranks() {
    let settings = settings(&["generator_norm=batch"]);
    let found = on_ranks(2, |rank| {
        let mut trainer = trainer(&settings).with_ranks(Box::new(rank));
        for index in 0..3 {
            step(&mut trainer, index);
        }
        state(&trainer)
    });
    assert!(found[0] == found[1]);
    assert!(found[0].iter().any(|(name, _)| name.ends_with("norm.variance")));
}

#[test]
fn sums_after_the_backward_pass_give_the_same_bits() {
    let settings = settings(&[]);
    let run = |overlapping: bool| {
        on_ranks(2, |rank| {
            let mut trainer = trainer(&settings).with_ranks(Box::new(rank));
            trainer.cut_sums_at(700);
            trainer.overlap_sums(overlapping);
            for index in 0..3 {
                step(&mut trainer, index);
            }
            state(&trainer)
        })
    };
    assert!(run(true) == run(false));
}

#[test]
fn a_minibatch_without_whole_groups_for_every_rank_is_refused_by_name() {
    let messages = on_ranks(3, |rank| {
        let trainer = trainer(&settings(&[])).with_ranks(Box::new(rank));
        assert_ne!(trainer.share_of(24).unwrap(), RowShare::WHOLE);
        trainer.share_of(MINIBATCH).unwrap_err().to_string()
    });
    let message = &messages[2];
    for part in ["minibatch", "16", "minibatch_stddev_group, 4", "3 ranks", "multiple of 12"] {
        assert!(message.contains(part), "{message}");
    }
}
