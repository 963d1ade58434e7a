//! Milliseconds of the metrics of features 2048 wide, without the network, on N threads; the best of three:
//! the covariance of 10000 images, the Frechet distance of two Gaussians, a subset of the kernel distance, precision
//! and recall of 2048 images a side.
//!
//! `cargo bench -p pg-metrics --bench features [-- [--threads N] [FILTER]]`
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and stops on any error")]

use std::hint::black_box;
use std::time::Instant;

use ndarray::Array2;
use pg_metrics::{FeatureGaussian, KernelDistance, frechet_distance, precision_recall};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use rand_distr::{Distribution as _, StandardNormal};

const WIDTH: usize = 2048;
const ROUNDS: usize = 3;

fn main() {
    let (mut threads, mut filter) = (1, String::new());
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--threads" => threads = words.next().unwrap().parse().unwrap(),
            // Cargo adds --bench.
            option if option.starts_with('-') => {}
            _ => filter = word,
        }
    }
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().unwrap();
    let measure = |name: &str, work: &dyn Fn() -> f64| {
        if name.contains(&filter) {
            let ms = (0..ROUNDS).map(|_| {
                let started = Instant::now();
                black_box(work());
                started.elapsed().as_secs_f64() * 1e3
            });
            println!("{name}\t{:.1}", ms.fold(f64::INFINITY, f64::min));
        }
    };
    let sets = [1, 2].map(|seed| features(seed, 10_000));
    measure("covariance/10000", &|| FeatureGaussian::of(&sets[0]).unwrap().covariance[[0, 0]]);
    let gaussians = sets.each_ref().map(|set| FeatureGaussian::of(set).unwrap());
    measure("frechet/2048", &|| frechet_distance(&gaussians[0], &gaussians[1]).unwrap().distance);
    let subset: Vec<usize> = (0..1000).collect();
    measure("kernel-subset/1000", &|| {
        let mut distance = KernelDistance::new(&sets[0], &sets[1]).unwrap();
        distance.add(&subset, &subset).unwrap();
        distance.finish().unwrap().mean
    });
    let few = sets.each_ref().map(|set| set.slice(ndarray::s![..2048, ..]).to_owned());
    measure("precision-recall/2048", &|| {
        precision_recall(&few[0], &few[1], 3, &mut || Ok(())).unwrap().precision.value
    });
}

/// Deviations from 1 to 0.05, mixed, as features of images are.
fn features(seed: u64, images: usize) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let shift = 1 + rng.next_u32() as usize % 7;
    let mut rows = Array2::zeros((images, WIDTH));
    for mut row in rows.rows_mut() {
        for (j, value) in row.iter_mut().enumerate() {
            let normal: f32 = StandardNormal.sample(&mut rng);
            *value = normal * 0.05_f32.powf(j as f32 / WIDTH as f32);
        }
        for j in (shift..WIDTH).rev() {
            row[j] += 0.5 * row[j - shift];
        }
    }
    rows
}
