//! Milliseconds an image of whole training steps (both networks, gradient penalty, Adam, average) at every
//! level, on random images: `step/32<TAB>ms`, and of its halves `D/32` and `G/32`; the best step counts.
//!
//! `cargo bench -p pg-training -- [--threads N] [--levels 4,8] [--seconds S] [PRESET] [KEY=VALUE]...`. With
//! `--values FILE` the losses of one step are printed as `value/NAME<TAB>value`, and weights and inputs
//! are written to FILE for the peer (benches/train_peer.py) to compute the same.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and stops on any error")]

use std::time::{Duration, Instant};

use pg_schedule::{LevelOfDetail, Preset, Round, TrainingSettings};
use pg_training::{Minibatch, Trainer};
use tch::{Device, Kind, Tensor};

struct Arguments {
    settings: TrainingSettings,
    levels: Vec<u32>,
    seconds: f64,
    values: Option<String>,
}

fn main() {
    let arguments = arguments();
    pg_training::keep_freed_memory();
    if let Some(file) = &arguments.values {
        values(&arguments.settings, arguments.levels[0], file);
        return;
    }
    for &px in &arguments.levels {
        measure(&arguments.settings, px, Duration::from_secs_f64(arguments.seconds));
    }
}

fn arguments() -> Arguments {
    // Cargo passes --bench.
    let mut rest = std::env::args().skip(1).filter(|a| a != "--bench");
    let (mut plain, mut levels, mut seconds, mut values) = (Vec::new(), None, 5.0, None);
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--threads" => pg_training::set_threads(rest.next().unwrap().parse().unwrap()).unwrap(),
            "--levels" => levels = rest.next(),
            "--seconds" => seconds = rest.next().unwrap().parse().unwrap(),
            "--values" => values = rest.next(),
            _ => plain.push(argument),
        }
    }
    let preset = plain.first().map_or("tiny", String::as_str);
    let mut settings = Preset::named(preset).unwrap().settings();
    for assignment in plain.iter().skip(1) {
        settings = settings.with_assignment(assignment).unwrap();
    }
    let all = || (2..=settings.resolution.ilog2()).map(|log2| 1 << log2).collect();
    let levels = levels.map_or_else(all, |list| list.split(',').map(|px| px.parse().unwrap()).collect());
    Arguments { settings, levels, seconds, values }
}

/// A trainer grown to `px` and nothing above it, with a round of one step there.
fn grown_to(settings: &TrainingSettings, px: u32) -> (Trainer, Round) {
    let trainer = Trainer::new(settings, px, 3, Device::Cpu).unwrap();
    let round = Round {
        images_shown: 0,
        level: LevelOfDetail { lod: 0.0, resolution_px: px },
        minibatch: settings.minibatch.at(px),
        repeats: 1,
        learning_rate: settings.learning_rate.at(px),
        reset_moments: false,
    };
    (trainer, round)
}

fn random_reals(round: &Round) -> Tensor {
    let side = i64::from(round.level.resolution_px);
    Tensor::randint(256, [i64::from(round.minibatch), 3, side, side], (Kind::Uint8, Device::Cpu))
}

fn measure(settings: &TrainingSettings, px: u32, budget: Duration) {
    let (mut trainer, round) = grown_to(settings, px);
    let images = random_reals(&round);
    let count = f64::from(round.minibatch);
    let mut step = |index: u64| {
        let images_shown = index * u64::from(round.minibatch);
        trainer
            .step(&round, &Minibatch { images_shown, images: images.shallow_clone(), labels: None })
            .unwrap()
    };
    for index in 0..2 {
        step(index);
    }
    let mut best = [f64::INFINITY; 3];
    let mut steps = 2;
    let started = Instant::now();
    while started.elapsed() < budget || steps == 2 {
        let statistics = step(steps);
        let (d, g) = (statistics.d_time.as_secs_f64(), statistics.g_time.as_secs_f64());
        for (best, seconds) in best.iter_mut().zip([d + g, d, g]) {
            *best = best.min(seconds);
        }
        steps += 1;
    }
    for (name, seconds) in ["step", "D", "G"].into_iter().zip(best) {
        println!("{name}/{px}\t{:.5}", seconds * 1e3 / count);
    }
}

/// One step's losses, and what they were computed from.
fn values(settings: &TrainingSettings, px: u32, file: &str) {
    // Styles of one latent each: whether and where they are mixed would be one more thing to hand over.
    let settings = TrainingSettings { mixing_probability: 0.0, ..settings.clone() };
    let (mut trainer, round) = grown_to(&settings, px);
    // What starts at 0, or the same everywhere, would hide how it is used.
    for index in 0..5 {
        let images_shown = index * u64::from(round.minibatch);
        let round = Round { learning_rate: 0.01, ..round };
        trainer
            .step(&round, &Minibatch { images_shown, images: random_reals(&round), labels: None })
            .unwrap();
    }
    let found = trainer
        .step_values(&round, &Minibatch { images_shown: 0, images: random_reals(&round), labels: None })
        .unwrap();
    for (name, value) in &found.values {
        println!("value/{name}\t{value:.9e}");
    }
    let tensors: Vec<(&str, Tensor)> =
        found.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.contiguous())).collect();
    Tensor::write_safetensors(&tensors, file).unwrap();
}
