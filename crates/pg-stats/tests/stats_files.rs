//! Statistics files through the public interface: what was put comes back, parts merge, damage is found.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2};
use pg_image::Planar;
use pg_metrics::{FeatureGaussian, FeatureRows as _, Side, SwdDescriber, SwdLayout, SwdSettings};
use pg_stats::{
    NetworkProtocol, NetworkRow, Stats, StatsError, StatsProtocol, StatsWriter, SwdProtocol, merge,
};
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

fn protocol(layout: &SwdLayout, seed: u64) -> StatsProtocol {
    StatsProtocol { swd: Some(SwdProtocol::new(layout, seed)), network: None }
}

fn written(path: &Path, layout: &SwdLayout, seed: u64, pictures: &[usize]) -> Stats {
    written_by(path, protocol(layout, seed), pictures)
}

/// In any order. Picture p has the features p, p + 1, ...
fn written_by(path: &Path, protocol: StatsProtocol, pictures: &[usize]) -> Stats {
    let network = protocol.network.clone();
    let provenance = json!({ "tool": "test" });
    let writer = StatsWriter::create(path, protocol, pictures.len(), provenance).unwrap();
    for (i, &p) in pictures.iter().enumerate().rev() {
        let numbers = |count: usize| (p..p + count).map(|value| value as f32).collect::<Vec<_>>();
        let said = network.as_ref().map(|network| (numbers(network.feature_width), numbers(network.classes)));
        let row = said.as_ref().map(|(features, logits)| NetworkRow { features, logits });
        writer.put(i, &format!("{p}.png"), &picture(p), row).unwrap();
    }
    writer.finish().unwrap()
}

fn network(classes: usize) -> NetworkProtocol {
    NetworkProtocol {
        sha256: "ab".repeat(32),
        input_size: 299,
        resize: "tf1-bilinear".to_owned(),
        range: [0.0, 255.0],
        features: "features".to_owned(),
        feature_width: 4,
        logits: (classes > 0).then(|| "logits".to_owned()),
        classes,
        fit: "strict".to_owned(),
        resolution: None,
        moments_only: false,
    }
}

#[test]
fn features_come_back_with_or_without_descriptors() {
    let folder = tempfile::tempdir().unwrap();
    let swd = Some(SwdProtocol::new(&layout(5), SEED));
    for (swd, classes) in [(None, 0), (None, 2), (swd.clone(), 2), (swd, 0)] {
        let path = folder.path().join("a.pgstats");
        let protocol = StatsProtocol { swd: swd.clone(), network: Some(network(classes)) };
        written_by(&path, protocol.clone(), &[7, 8, 9]);
        let opened = Stats::open(&path).unwrap();
        assert_eq!(opened.protocol(), &protocol);
        let features = opened.features().unwrap();
        assert_eq!((features.count(), features.width()), (3, 4));
        let mut values = [0.0; 8];
        features.read(&[2, 0], &mut values).unwrap();
        assert_eq!(values, [9.0, 10.0, 11.0, 12.0, 7.0, 8.0, 9.0, 10.0]);
        assert!(features.first(2).read(&[2], &mut values[..4]).is_err());
        assert_eq!(opened.logits().map(|logits| logits.width()), (classes > 0).then_some(classes));
        assert_eq!(opened.descriptors(32, &[0]).is_ok(), swd.is_some());
        assert!(opened.moments().is_none());
    }
}

#[test]
fn features_of_another_length_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let protocol = StatsProtocol { swd: None, network: Some(network(2)) };
    let writer = StatsWriter::create(&folder.path().join("a"), protocol, 1, json!(null)).unwrap();
    for (features, logits) in [(3, 2), (4, 0), (4, 3)] {
        let (features, logits) = (vec![0.0; features], vec![0.0; logits]);
        let row = NetworkRow { features: &features, logits: &logits };
        let error = writer.put(0, "a", &picture(0), Some(row)).unwrap_err();
        assert!(error.to_string().contains("as many numbers as its protocol has"), "{error}");
    }
    assert!(writer.put(0, "a", &picture(0), None).is_err());
}

#[test]
fn what_a_network_says_that_is_not_finite_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let protocol = StatsProtocol { swd: None, network: Some(network(2)) };
    let writer = StatsWriter::create(&folder.path().join("a"), protocol, 4, json!(null)).unwrap();
    for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for (output, at) in [("features", 3), ("logits", 1)] {
            let (mut features, mut logits) = (vec![0.0; 4], vec![0.0; 2]);
            if output == "features" {
                features[at] = wrong;
            } else {
                logits[at] = wrong;
            }
            let row = NetworkRow { features: &features, logits: &logits };
            let error = writer.put(2, "a", &picture(0), Some(row)).unwrap_err().to_string();
            let expected =
                format!("cannot keep image 2: output `{output}` of the network is {wrong} at place {at}");
            assert!(error.starts_with(&expected), "{error}");
        }
    }
}

/// `bytes` of a statistics file with `planted` at byte `at` of the tensor `name`, and all its digests as if it had been
/// written so.
fn planted(bytes: &[u8], name: &str, at: usize, planted: &[u8]) -> Vec<u8> {
    let length = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let (header, data) = (&bytes[8..8 + length], &mut bytes[8 + length..].to_vec());
    let mut header: serde_json::Value = serde_json::from_slice(header).unwrap();
    let offsets = |header: &serde_json::Value, name: &str| {
        let ends = header[name]["data_offsets"].as_array().unwrap();
        [0, 1].map(|end| ends[end].as_u64().unwrap() as usize)
    };
    let [start, _] = offsets(&header, name);
    data[start + at..][..planted.len()].copy_from_slice(planted);
    // The tables, in the order of the tensors of records.
    let count = header["images.key"]["shape"][0].as_u64().unwrap() as usize;
    let mut tensors: Vec<String> = header.as_object().unwrap().keys().cloned().collect();
    tensors.retain(|name| {
        name.starts_with("swd.") || ["network.features", "network.logits"].contains(&name.as_str())
    });
    tensors.sort_by_key(|name| offsets(&header, name));
    let [table, _] = offsets(&header, "records.blake3");
    for (kind, name) in tensors.iter().enumerate() {
        let [start, end] = offsets(&header, name);
        let bytes = (end - start) / count.max(1);
        for image in 0..count {
            let digest = blake3::hash(&data[start + image * bytes..][..bytes]);
            data[table + (image * tensors.len() + kind) * 32..][..32].copy_from_slice(digest.as_bytes());
        }
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(header["__metadata__"]["protocol"].as_str().unwrap().as_bytes());
    hasher.update(&data[..offsets(&header, "records.blake3")[1]]);
    if header.get("network.mean").is_some() {
        hasher.update(&data[offsets(&header, "network.mean")[0]..]);
    }
    header["__metadata__"]["content"] = hasher.finalize().to_hex().as_str().into();
    let mut text = header.to_string();
    assert!(text.len() <= length);
    text.extend(std::iter::repeat_n(' ', length - text.len()));
    let old = header["__metadata__"]["header_blake3"].as_str().unwrap();
    let text = text.replace(old, &"0".repeat(64));
    let text = text.replace(&"0".repeat(64), blake3::hash(text.as_bytes()).to_hex().as_str());
    [&(length as u64).to_le_bytes(), text.as_bytes(), data].concat()
}

#[test]
fn a_planted_number_that_is_not_finite_is_found_though_every_digest_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let (path, merged) = (folder.path().join("a.pgstats"), folder.path().join("b.pgstats"));
    let protocol = StatsProtocol { swd: Some(SwdProtocol::new(&layout(5), SEED)), network: Some(network(2)) };
    written_by(&path, protocol, &[0, 1]);
    let good = fs::read(&path).unwrap();
    // Planting what is there changes nothing.
    fs::write(&path, planted(&good, "network.logits", 0, &0.0_f32.to_le_bytes())).unwrap();
    read_everything(&path).unwrap();
    for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for (tensor, at, what) in [
            ("network.features", 16 + 8, "`network.features` (output `features`) of image 1"),
            ("network.logits", 8 + 4, "`network.logits` (output `logits`) of image 1"),
            ("swd.64.patches", 4, "`swd.64.patches` of image 0"),
            ("swd.16.patches", 5 * 588 + 4, "`swd.16.patches` of image 1"),
        ] {
            fs::write(&path, planted(&good, tensor, at, &wrong.to_le_bytes())).unwrap();
            let error = read_everything(&path).unwrap_err();
            assert!(error.contains(&format!("{what} is {wrong} at place ")), "{error}");
            let parts = [Stats::open(&path).unwrap()];
            let error = merge(&parts, &merged, json!(null), &mut || {}).unwrap_err();
            assert!(matches!(error, StatsError::NotFinite { .. }), "{error}");
            assert!(!merged.exists());
        }
    }
}

#[test]
fn planted_means_and_covariances_that_are_not_finite_are_found_on_opening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pgstats");
    let protocol =
        StatsProtocol { swd: None, network: Some(NetworkProtocol { moments_only: true, ..network(0) }) };
    let moments = FeatureGaussian { images: None, mean: Array1::zeros(4), covariance: Array2::eye(4) };
    let writer = || StatsWriter::create(&path, protocol.clone(), 0, json!(null)).unwrap();
    writer().finish_moments(moments.clone()).unwrap();
    let good = fs::read(&path).unwrap();
    for (tensor, at) in [("network.mean", 8), ("network.covariance", 40)] {
        fs::write(&path, planted(&good, tensor, at, &f64::NAN.to_le_bytes())).unwrap();
        let error = Stats::open(&path).unwrap_err();
        assert!(matches!(error, StatsError::NotFinite { .. }), "{error}");
    }
    for wrong in [f64::NAN, f64::INFINITY] {
        let mut bad = moments.clone();
        bad.covariance[[2, 1]] = wrong;
        let error = writer().finish_moments(bad).unwrap_err();
        assert!(matches!(error, StatsError::NotFinite { place: 9, .. }), "{error}");
    }
}

/// Every record of a file; what is wrong with the first that is.
fn read_everything(path: &Path) -> Result<(), String> {
    let stats = Stats::open(path).map_err(|error| error.to_string())?;
    let all: Vec<usize> = (0..stats.image_count()).collect();
    for rows in [stats.features(), stats.logits()].into_iter().flatten() {
        let mut values = vec![0.0; rows.count() * rows.width()];
        rows.read(&all, &mut values).map_err(|error| error.to_string())?;
    }
    for px in stats.protocol().swd.clone().map(|swd| swd.levels).unwrap_or_default() {
        stats.descriptors(px, &all).map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[test]
fn mean_and_covariance_alone_come_back_and_damage_to_them_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pgstats");
    let covariance = Array2::from_shape_fn((4, 4), |(i, j)| if i == j { 2.0 } else { 0.25 * (i + j) as f64 });
    let moments = FeatureGaussian { images: None, mean: Array1::from(vec![1.0, 2.0, -3.0, 0.1]), covariance };
    let protocol =
        StatsProtocol { swd: None, network: Some(NetworkProtocol { moments_only: true, ..network(0) }) };
    let writer = StatsWriter::create(&path, protocol, 0, json!(null)).unwrap();
    writer.finish_moments(moments.clone()).unwrap();
    let opened = Stats::open(&path).unwrap();
    assert_eq!((opened.moments(), opened.image_count()), (Some(&moments), 0));
    assert!(opened.features().is_none_or(|rows| rows.count() == 0));
    let merged = merge(&[opened], &folder.path().join("b"), json!(null), &mut || {});
    assert!(matches!(merged, Err(StatsError::MomentsOnly { .. })));
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 3;
    bytes[last] ^= 4;
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(Stats::open(&path), Err(StatsError::Damaged { .. })));
}

#[test]
fn merged_features_are_the_bytes_of_one_run_too_and_other_networks_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let protocol = StatsProtocol { swd: Some(SwdProtocol::new(&layout(5), SEED)), network: Some(network(2)) };
    written_by(&path("whole"), protocol.clone(), &[0, 1, 2]);
    let parts =
        [written_by(&path("a"), protocol.clone(), &[0]), written_by(&path("b"), protocol.clone(), &[1, 2])];
    merge(&parts, &path("merged"), json!({ "tool": "test" }), &mut || {}).unwrap();
    assert_eq!(fs::read(path("merged")).unwrap(), fs::read(path("whole")).unwrap());
    let resized = NetworkProtocol { resize: "pil-bicubic".to_owned(), ..network(2) };
    let other = StatsProtocol { network: Some(resized), ..protocol.clone() };
    let parts = [written_by(&path("a"), protocol, &[0]), written_by(&path("b"), other, &[1])];
    let error = merge(&parts, &path("merged"), json!(null), &mut || {}).unwrap_err().to_string();
    assert!(error.ends_with("its resize is pil-bicubic, expected tf1-bilinear"), "{error}");
}

#[test]
fn descriptors_come_back_as_the_images_were_described() {
    let folder = tempfile::tempdir().unwrap();
    for patches_per_image in [5, 60, 400] {
        let path = folder.path().join("a.pgstats");
        let finished = written(&path, &layout(patches_per_image), SEED, &[0, 1, 2]);
        let opened = Stats::open(&path).unwrap();
        assert_eq!(opened.file_bytes(), fs::metadata(&path).unwrap().len());
        assert_eq!(opened.content(), finished.content());
        assert_eq!(opened.provenance(), &json!({ "tool": "test" }));
        assert_eq!(opened.protocol().swd.as_ref().unwrap().levels, [64, 32, 16]);
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
    let whole = written(&path("whole"), &layout(60), SEED, &[0, 1, 2, 3, 4]);
    written(&path("a"), &layout(60), SEED, &[0, 1]);
    written(&path("b"), &layout(60), SEED, &[2]);
    written(&path("c"), &layout(60), SEED, &[3, 4]);
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
    let a = || written(&path("a"), &layout(60), SEED, &[0, 1]);
    let refused = |b: Stats| {
        let error = merge(&[a(), b], &path("merged"), json!(null), &mut || {}).unwrap_err().to_string();
        assert!(!path("merged").exists() && !path("merged.partial").exists());
        error.replace(&format!("{}/", folder.path().display()), "")
    };
    let other_seed = written(&path("b"), &layout(60), 4, &[2]);
    assert_eq!(refused(other_seed), "b cannot be merged with a: its seed is 4, expected 3");
    let other_patches = written(&path("b"), &layout(61), SEED, &[2]);
    assert_eq!(refused(other_patches), "b cannot be merged with a: its patches per image is 61, expected 60");
    let overlapping = written(&path("b"), &layout(60), SEED, &[2, 1]);
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
    for px in stats.protocol().swd.clone().unwrap().levels {
        stats.descriptors(px, &all)?;
    }
    Ok(())
}

fn file_of_two(folder: &Path) -> (PathBuf, Vec<u8>) {
    let path = folder.join("a.pgstats");
    written(&path, &layout(2), SEED, &[0, 1]);
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
    let mark = br#"version":"3""#;
    let at = bytes.windows(mark.len()).position(|window| window == mark).unwrap() + mark.len() - 2;
    let newer = [&bytes[..at], b"4", &bytes[at + 1..]].concat();
    assert!(refused(&newer).contains(r#"version "4", expected "pgstats" version "3""#));
}

#[test]
fn every_flipped_bit_of_the_header_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (path, mut bytes) = file_of_two(folder.path());
    let header = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    for at in 0..header {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            fs::write(&path, &bytes).unwrap();
            assert!(read_all(&path).is_err(), "byte {at}, bit {bit}");
            bytes[at] ^= 1 << bit;
        }
    }
}

#[test]
fn files_of_the_version_before_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let (path, bytes) = file_of_two(folder.path());
    let end = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let mut header: serde_json::Value = serde_json::from_slice(&bytes[8..end]).unwrap();
    let metadata = header["__metadata__"].as_object_mut().unwrap();
    metadata.insert("version".to_owned(), json!("2"));
    metadata.remove("header_blake3").unwrap();
    let text = header.to_string();
    let text = format!("{text:width$}", width = text.len().next_multiple_of(8));
    fs::write(&path, [&(text.len() as u64).to_le_bytes()[..], text.as_bytes(), &bytes[end..]].concat())
        .unwrap();
    read_all(&path).unwrap();
}

#[test]
fn what_is_not_finished_leaves_nothing_behind_and_what_was_there_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (path, bytes) = file_of_two(folder.path());
    let writer = StatsWriter::create(&path, protocol(&layout(2), SEED), 7, json!(null)).unwrap();
    writer.put(0, "a", &picture(0), None).unwrap();
    assert!(matches!(writer.put(7, "b", &picture(1), None), Err(StatsError::Metrics(_))));
    drop(writer);
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_scratch_file_has_no_name() {
    let folder = tempfile::tempdir().unwrap();
    let writer = StatsWriter::scratch(folder.path(), protocol(&layout(5), SEED), Side::Fake, 2).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    for p in [0, 1] {
        writer.put(p, "a", &picture(p), None).unwrap();
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
