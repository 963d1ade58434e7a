//! Datasets as input: levels, order, agreement with the same pictures in a folder.

use pg_image::level_of_detail::pyramid;
use pg_image::{Planar, Raster};
use pg_shard::{BuildPlan, DatasetBuilder, IndexLine, Opened};
use pg_testkit::sandbox::Sandbox;
use serde_json::{Map, Value};

use crate::support::{draw_folder, json_of, pgeval, waves};

/// The folder `images` of five pictures, and the dataset `set` with the same.
fn packed() -> Sandbox {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "images", 5, 64, 0);
    pack(&sandbox, "set", Value::Null);
    sandbox
}

/// The dataset `name` of five pictures, made as `provenance` says.
pub(crate) fn pack(sandbox: &Sandbox, name: &str, provenance: Value) {
    let plan = BuildPlan {
        settings: Map::new(),
        source_blake3: String::new(),
        items: 5,
        items_per_shard: 3,
        channels: 3,
        resolution: 64,
    };
    let Ok(Opened::Building(builder)) = DatasetBuilder::open(&sandbox.path(name), plan) else {
        panic!("a new dataset can be built")
    };
    for shard in 0..2 {
        let mut writer = builder.shard(shard).unwrap();
        for i in builder.items_of(shard) {
            let picture = waves(i as u32, 64, 64);
            let raster = Raster::from_data(64, 64, 3, picture.into_raw()).unwrap();
            let path = format!("{i:03}.png");
            let line = IndexLine { path, blake3: String::new(), geometry: Value::Null };
            writer.push(&pyramid(&Planar::from_raster(&raster), 4), &line).unwrap();
        }
        writer.finish().unwrap();
    }
    let _ = builder.complete(provenance).unwrap();
}

#[test]
fn a_dataset_scores_as_the_folder_that_it_was_packed_from() {
    let sandbox = packed();
    for images in ["set", "set@64"] {
        let dataset = json_of(&sandbox, &["ms-ssim", images, "--json"]);
        let folder = json_of(&sandbox, &["ms-ssim", "images", "--json"]);
        assert_eq!(dataset["value"], folder["value"]);
        assert_eq!(dataset["interval"], folder["interval"]);
    }
    let protocol = ["--json", "--patches-per-image", "16", "--repeats", "1"];
    let score = |real| {
        let arguments: Vec<&str> = ["swd", real, "images"].into_iter().chain(protocol).collect();
        json_of(&sandbox, &arguments)["levels"].clone()
    };
    assert_eq!(score("set"), score("images"));
}

#[test]
fn a_level_is_picked_with_an_at_sign() {
    let sandbox = packed();
    let result = json_of(&sandbox, &["swd", "set@32", "set@32", "--json", "--repeats", "1"]);
    assert_eq!(result["protocol"]["resolution"], 32);
    let finished = pgeval(&sandbox, &["swd", "set", "set@32"]).with_status(2);
    assert!(finished.stderr.contains("score both at one size"), "{}", finished.stderr);
}

#[test]
fn a_level_that_is_not_there_is_named_with_those_that_are() {
    let sandbox = packed();
    let finished = pgeval(&sandbox, &["ms-ssim", "set@128"]).with_status(2);
    assert!(finished.stderr.contains("128") && finished.stderr.contains("64"), "{}", finished.stderr);
}

#[test]
fn an_unfinished_dataset_is_called_that() {
    let sandbox = packed();
    std::fs::remove_file(sandbox.path("set/dataset.json")).unwrap();
    sandbox.write("set/pgkit-build.json", "{}");
    let finished = pgeval(&sandbox, &["ms-ssim", "set"]).with_status(2);
    assert!(finished.stderr.contains("unfinished dataset"), "{}", finished.stderr);
}

#[test]
fn a_truncated_shard_is_refused_with_its_name() {
    let sandbox = packed();
    let shard = sandbox.path("set/r0064/shard-00001.safetensors");
    let bytes = std::fs::read(&shard).unwrap();
    std::fs::write(&shard, &bytes[..bytes.len() - 100]).unwrap();
    let finished = pgeval(&sandbox, &["swd", "images", "set"]).with_status(2);
    let expected = ["FAKE set", "r0064/shard-00001.safetensors", "bytes"];
    assert!(expected.iter().all(|text| finished.stderr.contains(text)), "{}", finished.stderr);
}

#[test]
fn the_dataset_json_of_another_program_leaves_a_folder_of_images() {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "images", 4, 32, 0);
    let alone = json_of(&sandbox, &["ms-ssim", "images", "--pairs", "2", "--json"]);
    sandbox.write("images/dataset.json", r#"{"labels": null}"#);
    let beside = json_of(&sandbox, &["ms-ssim", "images", "--pairs", "2", "--json"]);
    assert_eq!(alone["value"], beside["value"]);
}
