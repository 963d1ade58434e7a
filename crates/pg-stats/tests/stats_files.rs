//! Statistics files through the public interface: what was put comes back, parts merge, damage is found.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use pg_image::Planar;
use pg_metrics::{Side, SwdDescriber, SwdLayout, SwdSettings};
use pg_stats::{Stats, StatsError, StatsWriter, merge};
use proptest::prelude::*;
use serde_json::json;

const SEED: u64 = 3;

fn picture(seed: usize) -> Planar<u8> {
    let data = (0..3 * 64 * 64).map(|i| ((i * 31 + seed * 7) ^ (i * i / (77 + seed))) as u8).collect();
    Planar::from_data(3, 64, 64, data).unwrap()
}

fn layout(patches_per_image: usize) -> SwdLayout {
    let settings = SwdSettings { patches_per_image, ..SwdSettings::default() };
    SwdLayout::new(64, &[], &settings).unwrap()
}

fn written(path: &Path, layout: SwdLayout, seed: u64, pictures: &[usize]) -> Stats {
    let provenance = json!({ "tool": "test" });
    let writer = StatsWriter::create(path, layout, seed, pictures.len(), provenance).unwrap();
    // In any order.
    for (i, &p) in pictures.iter().enumerate().rev() {
        writer.put(i, &format!("{p}.png"), &picture(p)).unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn descriptors_come_back_as_the_images_were_described() {
    let folder = tempfile::tempdir().unwrap();
    for patches_per_image in [5, 60, 400] {
        let path = folder.path().join("a.pgstats");
        let finished = written(&path, layout(patches_per_image), SEED, &[0, 1, 2]);
        let opened = Stats::open(&path).unwrap();
        assert_eq!(opened.file_bytes(), fs::metadata(&path).unwrap().len());
        assert_eq!(opened.content(), finished.content());
        assert_eq!(opened.provenance(), &json!({ "tool": "test" }));
        assert_eq!(opened.protocol().levels, [64, 32, 16]);
        let describer = SwdDescriber::new(layout(patches_per_image), Side::Real, SEED);
        for (level, px) in [64, 32, 16].into_iter().enumerate() {
            let expected: Vec<f32> = [2, 0]
                .into_iter()
                .flat_map(|p| {
                    let record = describer.describe(p, &format!("{p}.png"), &picture(p)).unwrap();
                    let next = record.levels.get(level + 1);
                    describer.descriptors(px, record.key, &record.levels[level], next)
                })
                .collect();
            assert_eq!(finished.descriptors(px, &[2, 0]).unwrap(), expected);
            assert_eq!(opened.descriptors(px, &[2, 0]).unwrap(), expected);
        }
        assert!(matches!(opened.descriptors(8, &[0]), Err(StatsError::Metrics(_))));
    }
}

#[test]
fn merged_parts_are_the_bytes_of_one_run_over_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let whole = written(&path("whole"), layout(60), SEED, &[0, 1, 2, 3, 4]);
    written(&path("a"), layout(60), SEED, &[0, 1]);
    written(&path("b"), layout(60), SEED, &[2]);
    written(&path("c"), layout(60), SEED, &[3, 4]);
    let parts = ["a", "b", "c"].map(|name| Stats::open(&path(name)).unwrap());
    let mut images = 0;
    let merged = merge(&parts, &path("merged"), json!({ "tool": "test" }), &mut || images += 1).unwrap();
    assert_eq!(images, 5);
    assert_eq!(merged.content(), whole.content());
    assert_eq!(fs::read(path("merged")).unwrap(), fs::read(path("whole")).unwrap());
}

#[test]
fn parts_that_do_not_belong_together_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let a = || written(&path("a"), layout(60), SEED, &[0, 1]);
    let refused = |b: Stats| {
        let error = merge(&[a(), b], &path("merged"), json!(null), &mut || {}).unwrap_err().to_string();
        assert!(!path("merged").exists() && !path("merged.partial").exists());
        error.replace(&format!("{}/", folder.path().display()), "")
    };
    let other_seed = written(&path("b"), layout(60), 4, &[2]);
    assert_eq!(refused(other_seed), "b cannot be merged with a: its seed is 4, expected 3");
    let other_patches = written(&path("b"), layout(61), SEED, &[2]);
    assert_eq!(refused(other_patches), "b cannot be merged with a: its patches per image is 61, expected 60");
    let overlapping = written(&path("b"), layout(60), SEED, &[2, 1]);
    assert_eq!(
        refused(overlapping),
        "image 1 of b is image 1 of a, by name and pixels: parts must not overlap"
    );
    assert!(matches!(merge(&[], &path("merged"), json!(null), &mut || {}), Err(StatsError::Nothing)));
}

/// Opens a file and reads all that it holds.
fn read_all(path: &Path) -> Result<(), StatsError> {
    let stats = Stats::open(path)?;
    let all: Vec<usize> = (0..stats.image_count()).collect();
    for px in stats.protocol().levels.clone() {
        stats.descriptors(px, &all)?;
    }
    Ok(())
}

fn file_of_two(folder: &Path) -> (PathBuf, Vec<u8>) {
    let path = folder.join("a.pgstats");
    written(&path, layout(2), SEED, &[0, 1]);
    let bytes = fs::read(&path).unwrap();
    (path, bytes)
}

#[test]
fn every_flipped_bit_of_tables_and_records_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (path, mut bytes) = file_of_two(folder.path());
    read_all(&path).unwrap();
    let header = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    for at in header..bytes.len() {
        bytes[at] ^= 1 << (at % 8);
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(read_all(&path), Err(StatsError::Damaged { .. })), "byte {at}");
        bytes[at] ^= 1 << (at % 8);
    }
}

#[test]
fn other_files_and_cut_ones_are_refused_with_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let (path, bytes) = file_of_two(folder.path());
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        Stats::open(&path).unwrap_err().to_string()
    };
    assert!(refused(b"").contains("it has only 0 bytes"));
    assert!(refused(b"\x89PNG\r\n\x1a\n and so on").contains("expected a safetensors header"));
    let cut = refused(&bytes[..bytes.len() - 1]);
    assert!(cut.contains(&format!("it has {} bytes, expected {}", bytes.len() - 1, bytes.len())), "{cut}");
    let mark = br#"version":"1""#;
    let at = bytes.windows(mark.len()).position(|window| window == mark).unwrap() + mark.len() - 2;
    let newer = [&bytes[..at], b"2", &bytes[at + 1..]].concat();
    assert!(refused(&newer).contains(r#"version "2", expected "pgstats" version "1""#));
}

#[test]
fn what_is_not_finished_leaves_nothing_behind_and_what_was_there_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (path, bytes) = file_of_two(folder.path());
    let writer = StatsWriter::create(&path, layout(2), SEED, 7, json!(null)).unwrap();
    writer.put(0, "a", &picture(0)).unwrap();
    assert!(matches!(writer.put(7, "b", &picture(1)), Err(StatsError::Metrics(_))));
    drop(writer);
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_scratch_file_has_no_name() {
    let folder = tempfile::tempdir().unwrap();
    let writer = StatsWriter::scratch(folder.path(), layout(5), Side::Fake, SEED, 2).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    for p in [0, 1] {
        writer.put(p, "a", &picture(p)).unwrap();
    }
    let stats = writer.finish().unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    assert_eq!(stats.descriptors(16, &[0, 1]).unwrap().len(), 2 * 5 * 147);
}

proptest! {
    #[test]
    fn no_damage_to_the_header_makes_it_panic(at in 0_usize..1200, byte in any::<u8>(), cut in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let (path, mut bytes) = file_of_two(folder.path());
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        fs::write(&path, &bytes).unwrap();
        let _ = read_all(&path);
    }
}
