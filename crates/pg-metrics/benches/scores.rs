//! Milliseconds of what scores are made of, on one thread, the best of five: descriptors of an image (pyramid
//! and patches), MS-SSIM of a pair, and the distance of two sets along 128 directions. Pictures are noise
//! over a gradient; nothing is decoded.
//!
//! `cargo bench -p pg-metrics --bench scores [-- FILTER]`
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and stops on any error")]

use std::hint::black_box;
use std::time::Instant;

use pg_image::Planar;
use pg_metrics::{
    DESCRIPTOR_LENGTH, DescriptorSet, Side, SwdSettings, draw_directions, ms_ssim, projected_distances,
};

fn main() {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().unwrap();
    let filter = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_default();
    let measure = |name: String, work: &mut dyn FnMut()| {
        if !name.contains(&filter) {
            return;
        }
        let ms = (0..5).map(|_| {
            let started = Instant::now();
            work();
            started.elapsed().as_secs_f64() * 1e3
        });
        println!("{name}\t{:.2}", ms.fold(f64::INFINITY, f64::min));
    };
    for side in [128, 256, 1024] {
        let (image, other) = (picture(side, 1), picture(side, 2));
        let set = DescriptorSet::new(Side::Real, side, 2, SwdSettings::default()).unwrap();
        measure(format!("descriptors/{side}"), &mut || drop(black_box(set.describe(0, &image).unwrap())));
        measure(format!("ms-ssim/{side}"), &mut || {
            black_box(ms_ssim(&image, &other).unwrap());
        });
    }
    let count = 1 << 18;
    let (real, fake) = (noise(count * DESCRIPTOR_LENGTH, 1), noise(count * DESCRIPTOR_LENGTH, 2));
    let directions = draw_directions(1, 128, 0, 128);
    measure("distance/2^18".to_owned(), &mut || {
        black_box(projected_distances(&real, &fake, &directions.view()).unwrap());
    });
}

fn bits(i: usize, seed: u32) -> u32 {
    (i as u32 ^ seed << 20).wrapping_mul(2_654_435_761).rotate_left(15).wrapping_mul(2_246_822_519)
}

fn picture(side: usize, seed: u32) -> Planar<u8> {
    let value = |i: usize| ((i % side * 200 / side) as u32 + (bits(i, seed) >> 26)) as u8;
    Planar::from_data(3, side, side, (0..3 * side * side).map(value).collect()).unwrap()
}

fn noise(count: usize, seed: u32) -> Vec<f32> {
    (0..count).map(|i| (bits(i, seed) >> 8) as f32 / 8_388_608.0 - 1.0).collect()
}
