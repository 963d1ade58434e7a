//! Reading shards: microseconds an image of minibatches in random order out of the page cache, as
//! `feed/256<TAB>us`, with the conversion to f32 as `feed-f32/256`; and `copy/256`, the same bytes copied by
//! two threads from one place in memory to another, which bounds it.
//!
//! `cargo bench -p pg-training --bench data_feed -- DATASET [--levels 64,256] [--seconds S]`.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and stops on any error")]

use std::path::Path;
use std::time::{Duration, Instant};

use pg_networks::RowShare;
use pg_schedule::{ByResolution, Preset, Rounds, TrainingSettings};
use pg_shard::Dataset;
use pg_training::DataFeed;
use tch::Device;

const MINIBATCH: u32 = 16;

fn main() {
    let mut rest = std::env::args().skip(1).filter(|a| a != "--bench");
    let (mut path, mut levels, mut seconds) = (None, "64,128,256,512,1024".to_owned(), 2.0);
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--levels" => levels = rest.next().unwrap(),
            "--seconds" => seconds = rest.next().unwrap().parse().unwrap(),
            _ => path = Some(argument),
        }
    }
    let dataset = Dataset::open(Path::new(&path.unwrap())).unwrap();
    pg_training::set_threads(2).unwrap();
    pg_training::keep_freed_memory();
    let budget = Duration::from_secs_f64(seconds);
    for side in levels.split(',').map(|px| px.parse::<u32>().unwrap()) {
        if dataset.level_of_side(side).is_err() {
            continue;
        }
        let bytes = dataset.channels() * (side * side) as usize;
        print(&format!("copy/{side}"), copied(bytes * MINIBATCH as usize, budget) / f64::from(MINIBATCH));
        print(&format!("feed/{side}"), read(&dataset, side, budget, false));
        print(&format!("feed-f32/{side}"), read(&dataset, side, budget, true));
    }
}

fn print(name: &str, seconds_an_image: f64) {
    println!("{name}\t{:.4}", seconds_an_image * 1e6);
}

/// Seconds an image, the best run of 64 minibatches.
fn read(dataset: &Dataset, side: u32, budget: Duration, convert: bool) -> f64 {
    let settings = TrainingSettings {
        progressive: false,
        minibatch: ByResolution::Everywhere(MINIBATCH),
        total_kimg: 1e9,
        ..Preset::Tiny.settings()
    };
    let rounds = Rounds::from(&settings, side, 0, None);
    let mut feed = DataFeed::start(dataset, &rounds, &[side], 1, true, |_| RowShare::WHOLE).unwrap();
    let mut take = |count: u32| {
        for _ in 0..count {
            if convert {
                feed.next_minibatch(Device::Cpu).unwrap();
            } else {
                let minibatch = feed.next_bytes().unwrap();
                feed.recycle(minibatch);
            }
        }
    };
    // The whole level once, so that it is in the page cache.
    take((dataset.len() as u32).div_ceil(MINIBATCH) + 4);
    let mut best = f64::INFINITY;
    let started = Instant::now();
    while started.elapsed() < budget {
        let run = Instant::now();
        take(64);
        best = best.min(run.elapsed().as_secs_f64());
    }
    best / f64::from(64 * MINIBATCH)
}

/// Seconds for `len` bytes copied by two threads at once, half each, between places that no cache holds.
fn copied(len: usize, budget: Duration) -> f64 {
    let total = (256_usize << 20).max(len);
    let half = total / 2;
    let source = vec![7_u8; total];
    let mut target = vec![0_u8; total];
    let mut best = f64::INFINITY;
    let started = Instant::now();
    while started.elapsed() < budget {
        let run = Instant::now();
        std::thread::scope(|scope| {
            for (to, from) in target.chunks_mut(half).zip(source.chunks(half)) {
                scope.spawn(move || to.copy_from_slice(from));
            }
        });
        best = best.min(run.elapsed().as_secs_f64());
    }
    best * len as f64 / total as f64
}
