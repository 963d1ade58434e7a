//! Several ranks make the steps that one would make.

use pg_networks::{GrowthState, RowShare};
use pg_schedule::{LevelOfDetail, Preset, Round, TrainingSettings};
use tch::{Device, Tensor};

use crate::data_feed::Minibatch;
use crate::random_streams::{Stream, uniform_numbers};
use crate::ranks::in_process::on_ranks;
use crate::trainer::{StepStatistics, Trainer};

const MINIBATCH: u32 = 16;
const SIDE_PX: u32 = 16;
const LABELS: u32 = 3;
const STEPS: u64 = 50;
/// Where both levels are active, half faded in.
const GROWTH: GrowthState = GrowthState { resolution_px: SIDE_PX, fade_in: 0.5 };

/// Of arXiv:1710.10196, appendix A.1.
const PAPER_RATE: f64 = 0.001;
/// Rounding noise grows as a run goes on, whatever made it: at the paper's rate and epsilon, a change of every weight by
/// 1e-7 makes weights differ by 7e-3 after 50 steps. Steps a tenth as long, an epsilon above the noise (Adam makes full
/// steps for gradients that are nothing else) and weights off their symmetric start keep two runs together.
const QUIET_RATE: f64 = 0.0001;
const QUIET_EPSILON: &str = "adam_epsilon=0.01";
const QUIET_SCATTER: f64 = 0.2;

const PROGAN: &[&str] = &[];
const STYLES: &[&str] = &[
    "network=style",
    "mapping_layers=2",
    "loss=non-saturating",
    "gp_lambda=0",
    "drift_weight=0",
    "r1_gamma=10",
    "r1_interval=3",
];
const WITH_LABELS: &[&str] = &["labels=ac-gan", "loss=hinge", "discriminator_norm=spectral", "n_critic=2"];

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
    step_at(trainer, index, PAPER_RATE)
}

fn step_at(trainer: &mut Trainer, index: u64, learning_rate: f64) -> StepStatistics {
    let images_shown = u64::from(MINIBATCH) * index;
    let round = Round {
        images_shown,
        level: LevelOfDetail { lod: 0.5, resolution_px: SIDE_PX },
        minibatch: MINIBATCH,
        repeats: 1,
        learning_rate,
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

/// The largest difference, and where: of numbers above one, as a share of their tensor's largest.
fn largest_difference(one: &[(String, Vec<f32>)], other: &[(String, Vec<f32>)]) -> (f32, String) {
    assert_eq!(one.len(), other.len());
    let mut largest = (0.0, String::new());
    for ((name, a), (other_name, b)) in one.iter().zip(other) {
        assert_eq!(name, other_name);
        let scale = a.iter().fold(1.0_f32, |largest, number| largest.max(number.abs()));
        for (a, b) in a.iter().zip(b) {
            let difference = (a - b).abs() / scale;
            assert!(difference.is_finite(), "{name}");
            if difference > largest.0 {
                largest = (difference, name.clone());
            }
        }
    }
    largest
}

/// Adds uniform numbers in [-scatter, scatter] to all weights.
fn scatter_weights(trainer: &Trainer, scatter: f64) {
    for (index, weight) in weights(trainer) {
        let drawn = uniform_numbers(6, Stream::Mirror, index, weight.numel());
        let added = (Tensor::from_slice(&drawn) * 2.0 - 1.0) * scatter;
        let _ = weight.detach().g_add_(&added.view(weight.size().as_slice()));
    }
}

fn weights(trainer: &Trainer) -> impl Iterator<Item = (u64, &Tensor)> {
    let networks = [trainer.discriminator.parameters(), trainer.generator.parameters()];
    (0..).zip(networks.into_iter().flat_map(pg_networks::Parameters::iter).map(|(_, weight)| weight))
}

/// Most by which [`disturb`] changes a weight, as a share of it: some of its last bits.
const ROUNDING: f64 = 3e-7;

/// Multiplies each layer's weights by a factor next to one, another for each `draw`. All that is computed with them is
/// then rounded otherwise. Equal weights stay equal: an instance norm of equal pixels would make much of their
/// differences.
fn disturb(trainer: &Trainer, draw: u64) {
    for (index, weight) in weights(trainer) {
        let drawn = uniform_numbers(7, Stream::Mirror, 1000 * draw + index, 1)[0];
        let _ = weight.detach().g_mul_scalar_(1.0 + (2.0 * f64::from(drawn) - 1.0) * ROUNDING);
    }
}

fn two_ranks_equal_one(assignments: &[&str]) {
    let settings = settings(&[&[QUIET_EPSILON], assignments].concat());
    let start = || {
        let trainer = trainer(&settings);
        scatter_weights(&trainer, QUIET_SCATTER);
        trainer
    };
    let run = |mut trainer: Trainer| {
        let measured: Vec<StepStatistics> =
            (0..STEPS).map(|index| step_at(&mut trainer, index, QUIET_RATE)).collect();
        (state(&trainer), measured)
    };
    let before = state(&start());
    let (whole, expected) = run(start());
    let disturbed = start();
    disturb(&disturbed, 0);
    let (floor, _) = largest_difference(&whole, &run(disturbed).0);
    let found = on_ranks(2, |rank| {
        let mut trainer = start().with_ranks(Box::new(rank));
        // Several buckets, that some weights fill alone.
        trainer.cut_sums_at(700);
        run(trainer)
    });
    assert!(found[0].0 == found[1].0, "ranks differ from each other");
    let (difference, name) = largest_difference(&whole, &found[0].0);
    println!("{assignments:?}: {difference:e} in {name}, by rounding {floor:e}");
    assert!((1e-8..1e-4).contains(&floor), "rounding makes {floor}");
    assert!(difference <= 8.0 * floor, "{difference} in {name} with {assignments:?}, by rounding {floor}");
    for network in ["generator.", "discriminator."] {
        let of = |state: &[(String, Vec<f32>)]| -> Vec<_> {
            let is_weight = |name: &str| name.starts_with(network) && name.ends_with("weight");
            state.iter().filter(|(name, _)| is_weight(name)).cloned().collect()
        };
        let moved = largest_difference(&of(&before), &of(&whole)).0;
        assert!(moved > 1e-5 && moved > 100.0 * difference, "nothing was trained: {network} {moved}");
    }
    for (one, two) in expected.iter().zip(&found[1].1) {
        let far = (one.d_loss - two.d_loss).abs();
        assert!(far <= 100.0 * f64::from(floor) * one.d_loss.abs().max(1.0), "{one:?} {two:?}");
        assert_eq!(one.gradient_norm.is_some(), two.gradient_norm.is_some());
    }
}

/// Beside a gradient, so little of the first moment before it is nothing in f32: the moment is the gradient, as with
/// the paper's 0, and is kept.
const KEEP_GRADIENTS: &str = "adam_beta1=1e-30";

/// Gradients of both networks' last steps.
fn last_gradients(trainer: &Trainer) -> [Vec<f32>; 2] {
    ["generator", "discriminator"].map(|network| {
        let moments = trainer.optimizer_state();
        let is_first_moment = |name: &str| name.starts_with(network) && name.rsplit('.').next() == Some("m");
        let of_network = moments.iter().filter(|(name, _)| is_first_moment(name));
        of_network.flat_map(|(_, moment)| Vec::<f32>::try_from(moment.flatten(0, -1)).unwrap()).collect()
    })
}

/// Length of the difference over the length of `one`.
fn relative_difference(one: &[f32], other: &[f32]) -> f64 {
    assert_eq!(one.len(), other.len());
    let length = |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|x| x * x).sum::<f64>().sqrt();
    let difference = length(&mut one.iter().zip(other).map(|(&a, &b)| f64::from(a) - f64::from(b)));
    let whole = length(&mut one.iter().map(|&x| f64::from(x)));
    if difference == 0.0 { 0.0 } else { difference / whole }
}

/// Everything that `of` would take into its next step.
fn copy_state(of: &Trainer, to: &mut Trainer) {
    for (from, to) in [
        (of.generator.parameters(), to.generator.parameters()),
        (of.discriminator.parameters(), to.discriminator.parameters()),
        (of.average().parameters(), to.average().parameters()),
    ] {
        to.copy_from(from).unwrap();
    }
    let steps = (of.generator_optimizer.steps(), of.discriminator_optimizer.steps());
    let state: Vec<_> =
        of.optimizer_state().into_iter().map(|(name, tensor)| (name, tensor.copy())).collect();
    if steps.0 > 0 {
        to.restore_optimizers(GROWTH, steps, &state).unwrap();
    }
}

/// Differences between the gradients of steps, sorted: those of two ranks from those of one, and those of one rank from
/// itself when its weights are changed by [`disturb`].
struct Differences {
    of_ranks: Vec<f64>,
    of_rounding: Vec<f64>,
}

/// Along 50 steps with the paper's learning rate and epsilon, each from the weights of the single rank.
fn differences_of_gradients(settings: &TrainingSettings) -> Differences {
    let mut found = on_ranks(2, |rank| {
        let mut whole = trainer(settings);
        let mut disturbed = trainer(settings);
        let mut shared = trainer(settings).with_ranks(Box::new(rank));
        let differences = (0..STEPS).map(|index| {
            copy_state(&whole, &mut shared);
            copy_state(&whole, &mut disturbed);
            disturb(&disturbed, index);
            for trainer in [&mut whole, &mut disturbed, &mut shared] {
                step(trainer, index);
            }
            let [one, other, two] = [&whole, &disturbed, &shared].map(last_gradients);
            assert!(two[1].len() > 1000);
            let far = |found: &[Vec<f32>; 2]| {
                relative_difference(&one[0], &found[0]).max(relative_difference(&one[1], &found[1]))
            };
            (far(&two), far(&other))
        });
        let (mut of_ranks, mut of_rounding): (Vec<f64>, Vec<f64>) = differences.unzip();
        of_ranks.sort_by(f64::total_cmp);
        of_rounding.sort_by(f64::total_cmp);
        Differences { of_ranks, of_rounding }
    });
    found.swap_remove(0)
}

/// The step in the middle of sorted differences, and their largest.
fn middle_and_largest(differences: &[f64]) -> (f64, f64) {
    (differences[differences.len() / 2], differences[differences.len() - 1])
}

/// Ranks round differently from one process, and so does one process with weights that differ by rounding. The second
/// measures what rounding does on this processor, so that the bounds hold on any.
///
/// Most steps differ by rounding alone. In some, rounding turns the sign of an activation, whose slope is then another
/// one: gradients jump by a share of what that pixel adds to them. How often that happens is chance, so steps that jump
/// are counted, with room for the chance, and are not bounded one by one.
fn every_gradient_of_two_ranks_is_that_of_one(assignments: &[&str]) {
    let settings = settings(&[&[KEEP_GRADIENTS], assignments].concat());
    let Differences { of_ranks, of_rounding } = differences_of_gradients(&settings);
    let text =
        |differences: &[f64]| differences.iter().map(|d| format!("{d:.1e}")).collect::<Vec<_>>().join(" ");
    println!("{assignments:?}\nranks    {}\nrounding {}", text(&of_ranks), text(&of_rounding));
    let ((middle, largest), (floor, jump)) =
        (middle_and_largest(&of_ranks), middle_and_largest(&of_rounding));
    // An instance norm of nearly equal pixels makes much of rounding, by some convolutions more than by others. Half of the
    // minibatch left out would be a difference of about one, far beyond any floor here.
    assert!((1e-9..1e-2).contains(&floor), "rounding makes {floor}");
    assert!(middle <= 4.0 * floor, "half of all steps differ by {middle}, by rounding {floor}");
    let jumps = |differences: &[f64]| differences.iter().filter(|&&d| d > 20.0 * floor).count();
    let (found, expected) = (jumps(&of_ranks), jumps(&of_rounding));
    assert!(found <= 2 * expected + 10, "{found} steps jump, by rounding {expected}");
    // A jump is one activation's; an error in the sums of ranks would be in every step.
    assert!(largest <= (20.0 * jump).max(1e-2), "{largest}, by rounding {jump}");
}

#[test]
fn fifty_steps_of_two_ranks_are_those_of_one_with_progan_and_its_gradient_penalty() {
    two_ranks_equal_one(PROGAN);
}

#[test]
fn fifty_steps_of_two_ranks_are_those_of_one_with_styles_noise_mixing_and_lazy_r1() {
    two_ranks_equal_one(STYLES);
}

#[test]
fn fifty_steps_of_two_ranks_are_those_of_one_with_labels_and_spectral_norm() {
    two_ranks_equal_one(WITH_LABELS);
}

#[test]
fn gradients_of_two_ranks_are_those_of_one_with_progan_and_its_gradient_penalty() {
    every_gradient_of_two_ranks_is_that_of_one(PROGAN);
}

#[test]
fn gradients_of_two_ranks_are_those_of_one_with_styles_noise_mixing_and_lazy_r1() {
    every_gradient_of_two_ranks_is_that_of_one(STYLES);
}

#[test]
fn gradients_of_two_ranks_are_those_of_one_with_labels_and_spectral_norm() {
    every_gradient_of_two_ranks_is_that_of_one(WITH_LABELS);
}

#[test]
fn noise_in_the_discriminator_is_that_of_the_whole_minibatch() {
    let settings = settings(&["loss=lsgan", "discriminator_noise=0.2"]);
    let run = |mut trainer: Trainer| {
        let average = [("discriminator.score_average".to_owned(), Tensor::from_slice(&[0.95_f64]))];
        trainer.restore_optimizers(GROWTH, (0, 0), &average).unwrap();
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
