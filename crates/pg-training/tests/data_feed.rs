//! What the data feed gives, and in which order.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use pg_image::Planar;
use pg_image::level_of_detail::pyramid;
use pg_networks::RowShare;
use pg_schedule::{ByResolution, Preset, Rounds, TrainingSettings};
use pg_shard::{BuildPlan, Dataset, DatasetBuilder, IndexLine, Opened};
use pg_training::{DataFeed, MinibatchBytes};
use serde_json::json;
use tch::{Device, Kind};

const IMAGES: usize = 23;
const SIDE: usize = 8;

/// Every pixel of image i is i, but for its left column, which is 100 + i.
fn image(index: usize) -> Planar<u8> {
    let pixel = |x: usize| if x == 0 { 100 + index as u8 } else { index as u8 };
    Planar::from_data(3, SIDE, SIDE, (0..3 * SIDE * SIDE).map(|k| pixel(k % SIDE)).collect()).unwrap()
}

fn dataset(folder: &Path) -> Dataset {
    let plan = BuildPlan {
        settings: serde_json::Map::new(),
        source_blake3: "ab".to_owned(),
        items: IMAGES,
        items_per_shard: 7,
        channels: 3,
        resolution: SIDE as u32,
    };
    let Opened::Building(builder) = DatasetBuilder::open(folder, plan).unwrap() else {
        panic!("the folder is new")
    };
    for shard in 0..builder.plan().shards() {
        let mut writer = builder.shard(shard).unwrap();
        for i in builder.items_of(shard) {
            let line =
                IndexLine { path: format!("{i}.png"), blake3: "0".repeat(64), geometry: json!({ "i": i }) };
            writer.push(&pyramid(&image(i), 4), &line).unwrap();
        }
        writer.finish().unwrap();
    }
    builder.complete(json!({ "tool": "test" })).unwrap();
    Dataset::open(folder).unwrap()
}

fn settings(minibatch: u32) -> TrainingSettings {
    TrainingSettings {
        progressive: false,
        minibatch: ByResolution::Everywhere(minibatch),
        total_kimg: 0.2,
        ..Preset::Tiny.settings()
    }
}

/// Which image each of a run's positions shows, and whether mirrored, from minibatch `first` on.
fn shown(dataset: &Dataset, minibatch: u32, mirror: bool, after_rounds: usize) -> Vec<(usize, bool)> {
    let settings = settings(minibatch);
    let rounds: Vec<_> = Rounds::from(&settings, SIDE as u32, 0, None).collect();
    let start = rounds.get(after_rounds).map_or(0, |round| round.images_shown);
    let before = after_rounds.checked_sub(1).map(|last| rounds[last].level);
    let from = Rounds::from(&settings, SIDE as u32, start, before);
    let mut feed = DataFeed::start(dataset, &from, &[SIDE as u32], 5, mirror, |_| RowShare::WHOLE).unwrap();
    let mut shown = Vec::new();
    let mut position = start;
    while let Ok(MinibatchBytes { images_shown, bytes, shape, .. }) = feed.next_bytes() {
        assert_eq!(images_shown, position, "minibatches come in order");
        position += shape[0] as u64;
        for pixels in bytes.chunks_exact(3 * SIDE * SIDE) {
            let mirrored = pixels[0] < 100;
            let index = usize::from(pixels[1]);
            let mut plain = pixels.to_vec();
            if mirrored {
                plain.chunks_exact_mut(SIDE).for_each(<[u8]>::reverse);
            }
            assert!(plain == image(index).data(), "image {index} is whole");
            shown.push((index, mirrored));
        }
    }
    shown
}

#[test]
fn every_epoch_shows_every_image_once_in_an_order_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset(folder.path());
    let all = shown(&dataset, 5, false, 0);
    assert!(all.len() >= 200 && all.iter().all(|(_, mirrored)| !mirrored));
    let epochs: Vec<Vec<usize>> =
        all.chunks_exact(IMAGES).map(|epoch| epoch.iter().map(|(index, _)| *index).collect()).collect();
    for epoch in &epochs {
        let mut sorted = epoch.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..IMAGES).collect::<Vec<_>>());
    }
    assert!(epochs[0] != epochs[1] && epochs[1] != epochs[2]);
}

#[test]
fn what_is_shown_depends_on_the_position_alone() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset(folder.path());
    let one = shown(&dataset, 4, true, 0);
    // Half of them mirrored, and within five standard deviations.
    let mirrored = one.iter().filter(|(_, mirrored)| *mirrored).count() as f64;
    assert!((mirrored / one.len() as f64 - 0.5).abs() < 2.5 / (one.len() as f64).sqrt(), "{mirrored}");
    // Whatever the minibatches, and wherever a resumed run begins.
    for (minibatch, after_rounds) in [(7, 0), (1, 0), (4, 3), (7, 2)] {
        let other = shown(&dataset, minibatch, true, after_rounds);
        let skipped = after_rounds * minibatch as usize * settings(minibatch).minibatch_repeats as usize;
        let count = other.len().min(one.len() - skipped);
        assert_eq!(one[skipped..skipped + count], other[..count], "minibatches of {minibatch}");
    }
}

#[test]
fn tensors_hold_the_bytes_scaled_to_the_networks_range() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = dataset(folder.path());
    let rounds = Rounds::from(&settings(4), SIDE as u32, 0, None);
    let feed = || DataFeed::start(&dataset, &rounds, &[SIDE as u32], 5, true, |_| RowShare::WHOLE).unwrap();
    let (mut tensors, mut bytes) = (feed(), feed());
    for _ in 0..6 {
        let (minibatch, plain) = (tensors.next_minibatch(Device::Cpu).unwrap(), bytes.next_bytes().unwrap());
        assert_eq!(minibatch.images.size(), plain.shape);
        let back = pg_training::images_to_u8(&minibatch.images).contiguous().flatten(0, -1);
        assert_eq!(Vec::<u8>::try_from(back.to_kind(Kind::Uint8)).unwrap(), plain.bytes);
    }
}
