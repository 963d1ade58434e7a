//! Written datasets read back, whatever happened in between.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use std::fs;
use std::path::Path;

use pg_image::level_of_detail::pyramid;
use pg_image::{Planar, Resolution};
use pg_shard::{
    BuildPlan, DamageKind, Dataset, DatasetBuilder, FailedItem, IndexLine, Manifest, Opened, ShardError,
    check_file,
};
use serde_json::json;

const ITEMS: usize = 11;

fn plan(items_per_shard: usize) -> BuildPlan {
    BuildPlan {
        settings: serde_json::Map::new(),
        source_blake3: "ab".to_owned(),
        items: ITEMS,
        items_per_shard,
        channels: 3,
        resolution: 16,
    }
}

/// Item 5 fails; the others are images of their own.
fn item(i: usize) -> Option<Planar<u8>> {
    let data = (0..3 * 256).map(|k| ((k * 7 + i * 31) % 256) as u8).collect();
    (i != 5).then(|| Planar::from_data(3, 16, 16, data).unwrap())
}

fn builder(folder: &Path, items_per_shard: usize) -> DatasetBuilder {
    match DatasetBuilder::open(folder, plan(items_per_shard)).unwrap() {
        Opened::Building(builder) => *builder,
        Opened::Complete(_) => panic!("nothing was built yet"),
    }
}

fn write_shard(builder: &DatasetBuilder, shard: usize) {
    let mut writer = builder.shard(shard).unwrap();
    for i in builder.items_of(shard) {
        match item(i) {
            Some(image) => {
                let line = IndexLine {
                    path: format!("{i}.png"),
                    blake3: "0".repeat(64),
                    geometry: json!({ "i": i }),
                };
                writer.push(&pyramid(&image, 4), &line).unwrap();
            }
            None => writer.fail(FailedItem::new(format!("{i}.png"), "broken")),
        }
    }
    writer.finish().unwrap();
}

fn build(folder: &Path, items_per_shard: usize) -> Manifest {
    let builder = builder(folder, items_per_shard);
    for shard in 0..builder.plan().shards() {
        write_shard(&builder, shard);
    }
    builder.complete(json!({ "tool": "test" })).unwrap()
}

fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            found.extend(contents(&entry.path()));
        } else {
            found.push((
                entry.path().file_name().unwrap().to_string_lossy().into_owned(),
                fs::read(entry.path()).unwrap(),
            ));
        }
    }
    found.sort();
    found
}

#[test]
fn every_image_of_every_level_comes_back() {
    for items_per_shard in [1, 3, 4, 100] {
        let folder = tempfile::tempdir().unwrap();
        let manifest = build(folder.path(), items_per_shard);
        assert_eq!((manifest.images, manifest.failed), (10, 1));
        let dataset = Dataset::open(folder.path()).unwrap();
        let kept: Vec<usize> = (0..ITEMS).filter(|&i| i != 5).collect();
        for &r in dataset.resolutions() {
            let level = dataset.level(r).unwrap();
            assert_eq!(level.len(), kept.len());
            for (index, &i) in kept.iter().enumerate() {
                let expected =
                    pyramid(&item(i).unwrap(), 4).into_iter().find(|p| p.width() == r.pixels()).unwrap();
                assert_eq!(level.image(index).unwrap(), expected.data(), "image {i} at {r}");
            }
            assert!(matches!(level.image(kept.len()), Err(ShardError::NoImage { .. })));
        }
        let lines: Vec<String> = (0..manifest.shards.len())
            .flat_map(|s| dataset.index_of_shard(s).unwrap())
            .map(|line| line.path)
            .collect();
        assert_eq!(lines, kept.iter().map(|i| format!("{i}.png")).collect::<Vec<_>>());
        let failed = fs::read_to_string(folder.path().join("failed.jsonl")).unwrap();
        assert_eq!(failed, "{\"path\":\"5.png\",\"reason\":\"broken\"}\n");
    }
}

#[test]
fn the_fingerprint_depends_on_the_pixels_only() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    build(a.path(), 4);
    build(b.path(), 4);
    let print = |folder: &Path| Dataset::open(folder).unwrap().fingerprint();
    assert_eq!(print(a.path()), print(b.path()));
    let c = tempfile::tempdir().unwrap();
    build(c.path(), 3);
    assert_ne!(print(a.path()), print(c.path()));
}

#[test]
fn an_interrupted_build_ends_with_the_same_bytes_in_any_order_of_shards() {
    let (straight, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    build(straight.path(), 4);
    {
        let builder = builder(broken.path(), 4);
        write_shard(&builder, 2);
        // A shard in hand that is dropped leaves nothing; one whose process dies leaves partial files.
        let mut writer = builder.shard(0).unwrap();
        let line = IndexLine { path: "x".to_owned(), blake3: String::new(), geometry: json!(null) };
        writer.push(&pyramid(&item(0).unwrap(), 4), &line).unwrap();
        drop(writer);
        fs::write(broken.path().join("r0016/shard-00001.safetensors.partial"), b"half").unwrap();
        fs::write(broken.path().join("r0016/shard-00001.safetensors"), b"renamed, but not finished").unwrap();
    }
    let builder = builder(broken.path(), 4);
    assert!(builder.is_resumed());
    assert_eq!([0, 1, 2].map(|s| builder.is_finished(s)), [false, false, true]);
    write_shard(&builder, 1);
    write_shard(&builder, 0);
    builder.complete(json!({ "tool": "test" })).unwrap();
    assert_eq!(contents(straight.path()), contents(broken.path()));
}

#[test]
fn a_finished_shard_whose_file_was_cut_is_redone() {
    let folder = tempfile::tempdir().unwrap();
    write_shard(&builder(folder.path(), 4), 0);
    fs::write(folder.path().join("r0008/shard-00000.safetensors"), b"cut").unwrap();
    assert!(!builder(folder.path(), 4).is_finished(0));
}

#[test]
fn a_finished_dataset_is_recognised_and_another_plan_refused() {
    let folder = tempfile::tempdir().unwrap();
    build(folder.path(), 4);
    assert!(matches!(DatasetBuilder::open(folder.path(), plan(4)), Ok(Opened::Complete(_))));
    assert!(matches!(DatasetBuilder::open(folder.path(), plan(5)), Err(ShardError::OtherDataset { .. })));
}

#[test]
fn an_unfinished_dataset_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    write_shard(&builder(folder.path(), 4), 0);
    assert!(matches!(Dataset::open(folder.path()), Err(ShardError::Unfinished { .. })));
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(Dataset::open(empty.path()), Err(ShardError::NotADataset { .. })));
}

#[test]
fn a_level_that_is_not_there_is_refused_with_those_that_are() {
    let folder = tempfile::tempdir().unwrap();
    build(folder.path(), 4);
    let error = Dataset::open(folder.path()).unwrap().level(Resolution::new(64).unwrap()).unwrap_err();
    assert!(error.to_string().ends_with("has no level of 64 px: it has 4, 8, 16"), "{error}");
}

#[test]
fn missing_cut_and_changed_files_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = build(folder.path(), 4);
    let damage = |path: &str| {
        let file = manifest.files.iter().find(|f| f.path == path).unwrap();
        check_file(folder.path(), &manifest, file).map(|d| (d.kind, d.images))
    };
    assert_eq!(damage("r0016/shard-00001.safetensors"), None);
    let path = folder.path().join("r0016/shard-00001.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    bytes[300] ^= 1;
    fs::write(&path, &bytes).unwrap();
    // Shard 1 covers items 4..8 without item 5: images 4, 5, 6.
    assert_eq!(damage("r0016/shard-00001.safetensors"), Some((DamageKind::Content, 4..7)));
    assert!(Dataset::open(folder.path()).is_ok(), "opening reads no pixels");

    bytes.pop();
    fs::write(&path, &bytes).unwrap();
    let length = |n: u64| DamageKind::Length { expected: n, found: n - 1 };
    assert_eq!(damage("r0016/shard-00001.safetensors"), Some((length(256 + 3 * 768), 4..7)));
    assert!(matches!(Dataset::open(folder.path()), Err(ShardError::FileLength { .. })));

    fs::remove_file(&path).unwrap();
    assert_eq!(damage("r0016/shard-00001.safetensors"), Some((DamageKind::Missing, 4..7)));
    assert!(matches!(Dataset::open(folder.path()), Err(ShardError::Missing { .. })));
}

#[test]
fn a_shard_with_another_header_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    build(folder.path(), 4);
    let path = folder.path().join("r0004/shard-00000.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(4).position(|w| w == b"\"U8\"").unwrap();
    bytes[at..at + 4].copy_from_slice(b"\"I8\"");
    fs::write(&path, bytes).unwrap();
    let error = Dataset::open(folder.path()).unwrap_err();
    assert!(matches!(error, ShardError::Header { .. }), "{error}");
}

#[test]
fn a_manifest_that_does_not_add_up_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    build(folder.path(), 4);
    let path = folder.path().join("dataset.json");
    let whole: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let message = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut changed = whole.clone();
        change(&mut changed);
        fs::write(&path, changed.to_string()).unwrap();
        Dataset::open(folder.path()).unwrap_err().to_string()
    };
    assert!(message(&|m| m["format_version"] = json!(3)).contains("format version 3"));
    assert!(message(&|m| m["format_version"] = json!(2)).contains("do not go together"));
    assert!(message(&|m| m["format"] = json!("zip")).contains("expected \"format\": \"pgkit-dataset\""));
    assert!(message(&|m| m["images"] = json!(9)).contains("expected the sum over the shards"));
    assert!(message(&|m| m["channels"] = json!(4)).contains("expected 1 or 3"));
    assert!(message(&|m| m["resolutions"] = json!([4, 8, 16, 24])).contains("24 is not a power of two"));
    assert!(message(&|m| m["resolutions"] = json!([16, 8, 4])).contains("ascending"));
    assert!(message(&|m| m["shards"][0]["shard"] = json!(9)).contains("ascending shard numbers"));
    assert!(message(&|m| m["surprise"] = json!(1)).contains("unknown field `surprise`"));
    assert!(message(&|m| drop(m["files"].as_array_mut().unwrap().remove(0))).contains("files lacks"));
    assert!(message(&|m| m["files"][0]["path"] = json!("../../etc/passwd")).contains("files lacks"));
    assert!(message(&|m| m["files"][0]["blake3"] = json!("xyz")).contains("64 hexadecimal digits"));
    assert!(message(&|m| m["label_names"] = json!(["age"])).contains("files lacks labels/shard-00000"));
    assert!(
        message(&|m| m["label_names"] = json!([])).contains("0 label_names, expected null or 1 to 65536")
    );
    assert!(message(&|m| m["label_names"] = json!(["a", "a"])).contains("all different"));
    fs::write(&path, b"{").unwrap();
    assert!(matches!(Dataset::open(folder.path()), Err(ShardError::Malformed { .. })));
}

/// As `build`, with labels `[i, -0.5]`, item 5 failing as ever.
fn build_with_labels(folder: &Path, items_per_shard: usize) -> Manifest {
    let names = vec!["number".to_owned(), "half".to_owned()];
    let builder = builder(folder, items_per_shard).with_labels(names).unwrap();
    for shard in 0..builder.plan().shards() {
        let mut writer = builder.shard(shard).unwrap();
        for i in builder.items_of(shard) {
            let line = IndexLine { path: format!("{i}.png"), blake3: String::new(), geometry: json!(null) };
            match item(i) {
                Some(image) => writer.push_labeled(&pyramid(&image, 4), &line, &[i as f32, -0.5]).unwrap(),
                None => writer.fail(FailedItem::new(line.path, "broken".to_owned())),
            }
        }
        writer.finish().unwrap();
    }
    builder.complete(json!({ "tool": "test" })).unwrap()
}

#[test]
fn labels_come_back_with_their_images() {
    for items_per_shard in [1, 3, 100] {
        let folder = tempfile::tempdir().unwrap();
        build_with_labels(folder.path(), items_per_shard);
        let dataset = Dataset::open(folder.path()).unwrap();
        assert_eq!(dataset.label_names().unwrap(), ["number", "half"]);
        let kept = (0..ITEMS).filter(|&i| i != 5);
        for (index, i) in kept.enumerate() {
            assert_eq!(dataset.label(index), Some(vec![i as f32, -0.5]), "image {index}");
        }
        assert_eq!(dataset.label(10), None);
    }
    let folder = tempfile::tempdir().unwrap();
    build(folder.path(), 4);
    let without = Dataset::open(folder.path()).unwrap();
    assert_eq!((without.label_names(), without.label(0)), (None, None));
}

#[test]
fn any_safetensors_reader_opens_a_label_shard() {
    let folder = tempfile::tempdir().unwrap();
    build_with_labels(folder.path(), 4);
    let bytes = fs::read(folder.path().join("labels/shard-00001.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let labels = tensors.tensor("labels").unwrap();
    assert_eq!((labels.dtype(), labels.shape()), (safetensors::Dtype::F32, &[3, 2][..]));
    assert_eq!(labels.data()[..8], [4.0_f32.to_le_bytes(), (-0.5_f32).to_le_bytes()].concat());
}

#[test]
fn damaged_and_missing_labels_are_found_and_move_the_fingerprint() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = build_with_labels(folder.path(), 4);
    let plain = tempfile::tempdir().unwrap();
    build(plain.path(), 4);
    let print = |folder: &Path| Dataset::open(folder).unwrap().fingerprint();
    assert_ne!(print(folder.path()), print(plain.path()));
    let path = folder.path().join("labels/shard-00001.safetensors");
    let file = manifest.files.iter().find(|f| f.path == "labels/shard-00001.safetensors").unwrap();
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, &bytes).unwrap();
    let damage = check_file(folder.path(), &manifest, file).unwrap();
    assert_eq!((damage.kind, damage.images), (DamageKind::Content, 4..7));
    let at = bytes.windows(5).position(|w| w == b"[3,2]").unwrap();
    bytes[at..at + 5].copy_from_slice(b"[2,3]");
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(Dataset::open(folder.path()), Err(ShardError::Header { .. })));
    fs::remove_file(&path).unwrap();
    assert!(matches!(Dataset::open(folder.path()), Err(ShardError::Missing { .. })));
}

#[test]
fn a_finished_shard_whose_labels_are_gone_is_redone() {
    let folder = tempfile::tempdir().unwrap();
    let names = || vec!["x".to_owned()];
    {
        let builder = builder(folder.path(), 4).with_labels(names()).unwrap();
        let mut writer = builder.shard(0).unwrap();
        let line = IndexLine { path: "0".to_owned(), blake3: String::new(), geometry: json!(null) };
        writer.push_labeled(&pyramid(&item(0).unwrap(), 4), &line, &[1.0]).unwrap();
        writer.finish().unwrap();
    }
    assert!(builder(folder.path(), 4).is_finished(0));
    fs::remove_file(folder.path().join("labels/shard-00000.safetensors")).unwrap();
    assert!(!builder(folder.path(), 4).is_finished(0));
}

#[test]
fn label_rows_and_names_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let twice = vec!["x".to_owned(), "x".to_owned()];
    for names in [Vec::new(), twice] {
        let error = builder(folder.path(), 4).with_labels(names).unwrap_err();
        assert!(matches!(error, ShardError::LabelNames { .. }), "{error}");
    }
    let builder = builder(folder.path(), 4).with_labels(vec!["x".to_owned()]).unwrap();
    let line = IndexLine { path: "0".to_owned(), blake3: String::new(), geometry: json!(null) };
    let levels = pyramid(&item(0).unwrap(), 4);
    let mut writer = builder.shard(0).unwrap();
    assert!(matches!(writer.push(&levels, &line), Err(ShardError::LabelRow { expected: 1, found: 0 })));
    let two = writer.push_labeled(&levels, &line, &[1.0, 2.0]);
    assert!(matches!(two, Err(ShardError::LabelRow { expected: 1, found: 2 })));
}

#[test]
fn a_dataset_is_told_from_other_folders_with_a_dataset_json() {
    let folder = tempfile::tempdir().unwrap();
    assert!(!Manifest::is_in(folder.path()));
    fs::write(folder.path().join("dataset.json"), r#"{"labels": [["a.png", 1]]}"#).unwrap();
    assert!(!Manifest::is_in(folder.path()), "StyleGAN2-ADA's labels");
    fs::write(folder.path().join("dataset.json"), r#"{"format": "pgkit-dataset", "broken": 1}"#).unwrap();
    assert!(Manifest::is_in(folder.path()));
    let real = tempfile::tempdir().unwrap();
    build(real.path(), 4);
    assert!(Manifest::is_in(real.path()));
}

#[test]
fn an_image_of_another_shape_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let builder = builder(folder.path(), 4);
    let line = IndexLine { path: "x".to_owned(), blake3: String::new(), geometry: json!(null) };
    let grey = Planar::filled(1, 16, 16, 0_u8);
    let error = builder.shard(0).unwrap().push(&pyramid(&grey, 4), &line).unwrap_err();
    assert!(matches!(error, ShardError::ImageShape { .. }), "{error}");
}

#[test]
fn a_plan_beyond_the_limits_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let huge = BuildPlan { items: 1_000_000, items_per_shard: 1, ..plan(1) };
    let error = DatasetBuilder::open(folder.path(), huge).unwrap_err();
    assert!(error.to_string().contains("the number of shards would be 1000000"), "{error}");
}
