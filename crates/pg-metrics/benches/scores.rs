//! Milliseconds of what scores are made of: descriptors of an image (pyramid and patches) and MS-SSIM of a pair,
//! the best of five on one thread; the distance of two sets along 512 directions, on N threads, the best of two.
//! Pictures are noise over a gradient; nothing is decoded. The lines `value/...` hold results on small inputs
//! instead: `benches/eval_peer.py` must print the same.
//!
//! `cargo bench -p pg-metrics --bench scores [-- [--threads N] [--full] [FILTER]]`; --full adds a distance of
//! 2^21 descriptors a side, once, which takes 6 GB of memory.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and stops on any error")]

use std::hint::black_box;
use std::time::Instant;

use ndarray::Array2;
use pg_image::Planar;
use pg_metrics::{
    DESCRIPTOR_LENGTH, PatchCentre, Side, SwdDescriber, SwdLayout, SwdSettings, draw_directions,
    extract_descriptors, laplacian_pyramid, ms_ssim, projected_distances,
};

const ROUNDS: usize = 5;
/// Descriptors a side, as a power of two, and how often their distance is measured: it takes seconds.
const DISTANCES: [(usize, usize); 2] = [(18, 2), (21, 1)];

fn main() {
    let arguments = Arguments::read();
    rayon::ThreadPoolBuilder::new().num_threads(arguments.threads).build_global().unwrap();
    arguments.value("value/descriptors", value_of_descriptors);
    arguments.value("value/ms-ssim", || ms_ssim(&picture(128, 1), &picture(128, 2)).unwrap());
    arguments.value("value/distance", value_of_distance);
    for side in [128, 256, 1024] {
        let (image, other) = (picture(side, 1), picture(side, 2));
        // Every level as descriptors, as the peer makes them.
        let layout = SwdLayout::new(side, &[], &SwdSettings::default()).unwrap();
        let describer = SwdDescriber::new(layout, Side::Real, 0);
        arguments.measure(&format!("descriptors/{side}"), ROUNDS, || {
            let record = describer.describe(0, "0", &image).unwrap();
            let kept = describer.layout().kept().iter().zip(&record.levels).enumerate();
            let cut = kept.map(|(i, (kept, level))| {
                describer.descriptors(kept.px, record.key, level, record.levels.get(i + 1))
            });
            cut.collect::<Vec<_>>()
        });
        arguments.measure(&format!("ms-ssim/{side}"), ROUNDS, || ms_ssim(&image, &other).unwrap());
    }
    for (exponent, rounds) in DISTANCES.into_iter().take(if arguments.full { 2 } else { 1 }) {
        let name = format!("distance/2^{exponent}");
        if arguments.want(&name) {
            let count = DESCRIPTOR_LENGTH << exponent;
            let (real, fake) = (noise(count, 1), noise(count, 2));
            let directions = draw_directions(1, 128, 0, 4 * 128);
            arguments
                .measure(&name, rounds, || projected_distances(&real, &fake, &directions.view()).unwrap());
        }
    }
}

struct Arguments {
    threads: usize,
    full: bool,
    filter: String,
}

impl Arguments {
    fn read() -> Self {
        let mut read = Self { threads: 1, full: false, filter: String::new() };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--threads" => read.threads = words.next().unwrap().parse().unwrap(),
                "--full" => read.full = true,
                // Cargo adds --bench.
                option if option.starts_with('-') => {}
                _ => read.filter = word,
            }
        }
        read
    }

    fn want(&self, name: &str) -> bool {
        name.contains(&self.filter)
    }

    fn value(&self, name: &str, value: impl Fn() -> f64) {
        if self.want(name) {
            println!("{name}\t{}", value());
        }
    }

    fn measure<T>(&self, name: &str, rounds: usize, work: impl Fn() -> T) {
        if !self.want(name) {
            return;
        }
        let ms = (0..rounds).map(|_| {
            let started = Instant::now();
            drop(black_box(work()));
            started.elapsed().as_secs_f64() * 1e3
        });
        println!("{name}\t{:.2}", ms.fold(f64::INFINITY, f64::min));
    }
}

/// Every place of a descriptor has its own weight, so that their order counts.
fn value_of_descriptors() -> f64 {
    let levels = laplacian_pyramid(&picture(64, 1)).unwrap();
    let mean = |level: &Planar<f32>| {
        let at = |i: usize| 3 + bits(i, 3) as usize % (level.width() - 6);
        let centres: Vec<_> = (0..32).map(|i| PatchCentre { x: at(2 * i), y: at(2 * i + 1) }).collect();
        let descriptors = extract_descriptors(level, &centres);
        let weighted = |(i, v): (usize, &f32)| f64::from(v.abs()) * (1 + i % DESCRIPTOR_LENGTH) as f64;
        descriptors.iter().enumerate().map(weighted).sum::<f64>() / descriptors.len() as f64
    };
    levels.iter().map(mean).sum::<f64>() / levels.len() as f64
}

fn value_of_distance() -> f64 {
    let set = |seed| noise(500 * DESCRIPTOR_LENGTH, seed);
    let drawn = noise(DESCRIPTOR_LENGTH * 64, 3);
    let mut directions = Array2::from_shape_vec((DESCRIPTOR_LENGTH, 64), drawn).unwrap();
    for mut direction in directions.columns_mut() {
        let length = direction.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
        direction.mapv_inplace(|v| (f64::from(v) / length) as f32);
    }
    let distances = projected_distances(&set(1), &set(2), &directions.view()).unwrap();
    distances.iter().sum::<f64>() / distances.len() as f64
}

fn bits(i: usize, seed: u32) -> u32 {
    (i as u32 ^ seed.wrapping_mul(2_654_435_769))
        .wrapping_mul(2_654_435_761)
        .rotate_left(15)
        .wrapping_mul(2_246_822_519)
}

fn picture(side: usize, seed: u32) -> Planar<u8> {
    let value = |i: usize| ((i % side * 200 / side) as u32 + (bits(i, seed) >> 26)) as u8;
    Planar::from_data(3, side, side, (0..3 * side * side).map(value).collect()).unwrap()
}

fn noise(count: usize, seed: u32) -> Vec<f32> {
    (0..count).map(|i| (bits(i, seed) >> 8) as f32 / 8_388_608.0 - 1.0).collect()
}
