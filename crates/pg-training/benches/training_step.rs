//! Images per second of whole training steps (both networks, gradient penalty, Adam, average) at every
//! level of a preset, on random images.
//!
//! `cargo bench -p pg-training -- [PRESET] [KEY=VALUE]...`; `OMP_NUM_THREADS` sets the threads.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and stops on any error")]

use std::time::{Duration, Instant};

use pg_schedule::{LevelOfDetail, Preset, Round, TrainingSettings};
use pg_training::{Minibatch, Trainer};
use tch::{Device, Kind, Tensor};

/// Time spent on a level after its warm-up.
const PER_LEVEL: Duration = Duration::from_secs(5);

fn main() {
    // Cargo passes --bench.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let preset = arguments.first().map_or("tiny", String::as_str);
    let mut settings = Preset::named(preset).unwrap().settings();
    for assignment in arguments.iter().skip(1) {
        settings = settings.with_assignment(assignment).unwrap();
    }
    println!("{preset}, {} threads of libtorch", tch::get_num_threads());
    println!("{:>6} {:>6} {:>10} {:>12} {:>8} {:>8}", "px", "fade", "minibatch", "images/s", "D ms", "G ms");
    let mut px = 4;
    while px <= settings.resolution {
        for fade_in in [0.5, 1.0] {
            if px > 4 || fade_in == 1.0 {
                measure(&settings, px, fade_in);
            }
        }
        px *= 2;
    }
}

fn measure(settings: &TrainingSettings, px: u32, fade_in: f64) {
    let mut trainer = Trainer::new(settings, settings.resolution, 3, Device::Cpu).unwrap();
    let count = settings.minibatch.at(px);
    let side = i64::from(px);
    let levels_below = f64::from(settings.resolution.ilog2() - px.ilog2());
    let images = Tensor::randint(256, [i64::from(count), 3, side, side], (Kind::Uint8, Device::Cpu));
    let round = Round {
        images_shown: 0,
        level: LevelOfDetail { lod: levels_below + 1.0 - fade_in, resolution_px: px },
        minibatch: count,
        repeats: 1,
        learning_rate: settings.learning_rate.at(px),
        reset_moments: false,
    };
    let mut step = |index: u64| {
        let images_shown = index * u64::from(count);
        trainer.step(&round, &Minibatch { images_shown, images: images.shallow_clone() }).unwrap()
    };
    for index in 0..3 {
        step(index);
    }
    let (mut steps, mut d_time, mut g_time) = (0_u32, Duration::ZERO, Duration::ZERO);
    let started = Instant::now();
    while started.elapsed() < PER_LEVEL {
        let statistics = step(u64::from(3 + steps));
        d_time += statistics.d_time;
        g_time += statistics.g_time;
        steps += 1;
    }
    let rate = f64::from(steps * count) / started.elapsed().as_secs_f64();
    let ms = |time: Duration| time.as_secs_f64() * 1e3 / f64::from(steps);
    println!("{px:>6} {fade_in:>6} {count:>10} {rate:>12.1} {:>8.1} {:>8.1}", ms(d_time), ms(g_time));
}
