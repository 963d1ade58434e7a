//! Milliseconds per RGB image of each input recipe to 299 x 299, and of its plan, the best of many on one thread.
//! `network_resize/traffic/SIZE` reads the same image and writes as many values without computing anything: what
//! memory alone would allow. Pictures are noise over a gradient; nothing is decoded.
//!
//! `cargo bench -p pg-image --bench network_resize [-- FILTER]`
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and stops on any error")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use pg_image::{NetworkResize, Planar};

const SIDE: usize = 299;
const SIZES: [usize; 3] = [128, 256, 1024];
/// How long each is measured.
const PATIENCE: Duration = Duration::from_millis(600);
/// Images in turn, so that they come from memory as they would from a decoder.
const IMAGES: u32 = 8;

fn main() {
    // Cargo adds --bench.
    let filter = std::env::args().skip(1).find(|word| !word.starts_with('-')).unwrap_or_default();
    let mut out = vec![0.0_f32; 3 * SIDE * SIDE];
    for size in SIZES {
        let images: Vec<_> = (0..IMAGES).map(|seed| picture(size, seed)).collect();
        measure(&filter, &format!("network_resize/traffic/{size}"), |turn| {
            let image = &images[turn % images.len()];
            out.fill(read(image.data()));
            black_box(&mut out);
        });
        for recipe in NetworkResize::ALL {
            let Ok(plan) = recipe.plan(size, size, SIDE) else { continue };
            measure(&filter, &format!("network_resize/{}/{size}", recipe.name()), |turn| {
                plan.resize_into(&images[turn % images.len()], &mut out).unwrap();
                black_box(&mut out);
            });
            measure(&filter, &format!("network_resize_plan/{}/{size}", recipe.name()), |_| {
                black_box(recipe.plan(size, size, SIDE).unwrap());
            });
        }
    }
}

fn measure(filter: &str, name: &str, mut work: impl FnMut(usize)) {
    if !name.contains(filter) {
        return;
    }
    let (start, mut best) = (Instant::now(), Duration::MAX);
    for turn in 0.. {
        let started = Instant::now();
        work(turn);
        best = best.min(started.elapsed());
        if start.elapsed() > PATIENCE {
            break;
        }
    }
    println!("{name}\t{:.3}", best.as_secs_f64() * 1e3);
}

/// Something that needs every byte.
fn read(bytes: &[u8]) -> f32 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mixed = words.iter().fold(0_u64, |mixed, &word| mixed ^ u64::from_le_bytes(word));
    (mixed as u8 ^ rest.iter().fold(0, |mixed, byte| mixed ^ byte)).into()
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
