//! Seconds of the planes of linear separability, on N threads, the best of three: 100000 latents of 512 numbers, an
//! attribute that one direction decides but for noise. Beside it: benches/separability_peer.py.
//!
//! `cargo bench -p pg-metrics --bench separability [-- --threads N]`
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and stops on any error")]

use std::hint::black_box;
use std::time::Instant;

use ndarray::Array2;
use pg_metrics::{LatentSpace, LinearSvm};

const POINTS: usize = 100_000;
const SPACE: LatentSpace = LatentSpace { size: 512, classes: 0 };
const ROUNDS: usize = 3;

fn main() {
    let mut threads = 1;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--threads" {
            threads = words.next().unwrap().parse().unwrap();
        }
    }
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().unwrap();
    let drawn: Vec<_> = (0..POINTS).map(|index| SPACE.latent(1, index)).collect();
    let noise: Vec<f32> = (0..POINTS).map(|index| SPACE.latent(2, index).normal[0]).collect();
    let z = SPACE.rows(&drawn);
    // Styles: few directions matter, the rest is 100 times as small.
    let w = Array2::from_shape_fn(z.raw_dim(), |(i, j)| 0.01_f32.powf(j as f32 / 512.0) * z[[i, j]] + 0.2);
    let direction = &SPACE.latent(3, 0).normal;
    let has: Vec<bool> = z
        .outer_iter()
        .zip(&noise)
        .map(|(z, noise)| z.iter().zip(direction).map(|(a, b)| a * b).sum::<f32>() + 10.0 * noise > 0.0)
        .collect();
    for (name, points) in [("z", &z), ("w", &w)] {
        let mut right = 0;
        let seconds = (0..ROUNDS).map(|_| {
            let started = Instant::now();
            let machine = black_box(LinearSvm::fit(points, &has).unwrap());
            let seconds = started.elapsed().as_secs_f64();
            right = points.outer_iter().zip(&has).filter(|(p, has)| machine.is_of_class(p) == **has).count();
            seconds
        });
        let best = seconds.fold(f64::INFINITY, f64::min);
        println!("plane/{name}\t{best:.2}\t{:.3} % told rightly", 100.0 * right as f64 / POINTS as f64);
    }
}
