//! `align` without rotation, without padding, and with random shifts.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use std::fs;
use std::path::Path;

use pg_testkit::sandbox::Sandbox;
use serde_json::Value;
use support::{ALIGN, pgprep, with_portraits};

/// File name and geometry of every image of a dataset of one shard.
fn geometries(sandbox: &Sandbox, dataset: &str) -> Vec<(String, Value)> {
    let lines = fs::read_to_string(sandbox.path(dataset).join("index/shard-00000.jsonl")).unwrap();
    let line = |text: &str| {
        let line: Value = serde_json::from_str(text).unwrap();
        (line["path"].as_str().unwrap().to_owned(), line["geometry"].clone())
    };
    lines.lines().map(line).collect()
}

fn corner(geometry: &Value, i: usize) -> [f64; 2] {
    [0, 1].map(|axis| geometry["quad"][i][axis].as_f64().unwrap())
}

#[test]
fn without_rotation_crops_lie_along_rows_and_columns_with_either_preset() {
    let sandbox = with_portraits(4);
    let _ = pgprep(&sandbox, &format!("{ALIGN} --format shards -o turned")).with_status(0);
    let _ = pgprep(&sandbox, &format!("{ALIGN} --format shards --no-rotation -o level")).with_status(0);
    for ((_, turned), (_, level)) in geometries(&sandbox, "turned").iter().zip(&geometries(&sandbox, "level"))
    {
        let [nw, sw, se, ne] = [0, 1, 2, 3].map(|i| corner(level, i));
        assert_eq!((nw[0], ne[0], nw[1], sw[1]), (sw[0], se[0], ne[1], se[1]));
        let zoom = |g: &Value| g["zoom"].as_f64().unwrap();
        assert!((zoom(level) / zoom(turned) - 1.0).abs() < 1e-5, "the same size");
    }
}

/// The corner of a photo as a face: its crop reaches from -50 to 110.
fn with_a_face_in_the_corner() -> Sandbox {
    let sandbox = Sandbox::new();
    let photo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/photos/coffee.png");
    sandbox.write("photos/coffee.png", fs::read(photo).unwrap());
    sandbox.write(
        "points.csv",
        "file,left_eye_x,left_eye_y,right_eye_x,right_eye_y,nose_x,nose_y,left_mouth_x,left_mouth_y,right_mouth_x,right_mouth_y\ncoffee.png,10,12,50,12,30,25,14,45,46,45\n",
    );
    sandbox
}

#[test]
fn without_padding_what_lies_outside_the_photo_is_black() {
    let sandbox = with_a_face_in_the_corner();
    let align = "align photos --landmarks points.csv --size 64";
    let _ = pgprep(&sandbox, &format!("{align} -o padded")).with_status(0);
    let _ = pgprep(&sandbox, &format!("{align} --no-padding -o bare")).with_status(0);
    let picture = |folder: &str| image::open(sandbox.path(folder).join("coffee.png")).unwrap().to_rgb8();
    let (padded, bare) = (picture("padded"), picture("bare"));
    let black = |x: u32, y: u32| bare.get_pixel(x, y).0 == [0; 3];
    // The photo begins a little left of and above the middle.
    for i in 0..64 {
        assert!(black(i, 0) && black(0, i) && black(i, 20) && black(15, i), "{i}");
    }
    assert!(padded.get_pixel(0, 0).0 != [0; 3], "made up with padding");
    // Inside the photo both show the same.
    for (x, y) in [(40, 40), (50, 45), (62, 62)] {
        let apart = |c: usize| padded.get_pixel(x, y).0[c].abs_diff(bare.get_pixel(x, y).0[c]);
        assert!((0..3).all(|c| apart(c) <= 2), "{x},{y}");
        assert!(!black(x, y));
    }
    let _ = pgprep(&sandbox, &format!("{align} --no-padding --format shards -o ds")).with_status(0);
    assert_eq!(geometries(&sandbox, "ds")[0].1["pad"], Value::Null);
}

#[test]
fn random_shifts_follow_from_seed_and_name_alone() {
    let sandbox = with_portraits(6);
    let align = format!("{ALIGN} --format shards --random-shift 0.05");
    let _ = pgprep(&sandbox, &format!("{align} --seed 3 --threads 1 -o one")).with_status(0);
    let _ = pgprep(&sandbox, &format!("{align} --seed 3 --threads 4 -o four")).with_status(0);
    let whole = geometries(&sandbox, "one");
    assert_eq!(whole, geometries(&sandbox, "four"));
    let _ = pgprep(&sandbox, "compare one four").with_status(0);
    // Some of the photos: each is where it was.
    sandbox.write("ids.txt", "000005\n000002\n");
    let _ = pgprep(&sandbox, &format!("{align} --seed 3 --ids ids.txt -o some")).with_status(0);
    let some = geometries(&sandbox, "some");
    assert!(some.len() == 2 && some.iter().all(|face| whole.contains(face)));
    // Another seed, or none, is elsewhere; sizes stay.
    let _ = pgprep(&sandbox, &format!("{align} --seed 4 -o other")).with_status(0);
    let _ = pgprep(&sandbox, &format!("{ALIGN} --format shards -o plain")).with_status(0);
    for other in ["other", "plain"] {
        for ((_, a), (_, b)) in whole.iter().zip(&geometries(&sandbox, other)) {
            assert_ne!(a["quad"], b["quad"], "{other}");
            assert_eq!(a["zoom"], b["zoom"], "{other}");
        }
    }
    let manifest: Value =
        serde_json::from_slice(&fs::read(sandbox.path("one/dataset.json")).unwrap()).unwrap();
    let provenance = &manifest["provenance"];
    assert_eq!((&provenance["seed"], &provenance["settings"]["random_shift"]), (&3.into(), &0.05.into()));
    assert_eq!(provenance["settings"]["rotation"], true);
}

#[test]
fn another_choice_is_another_build() {
    let sandbox = with_portraits(2);
    let align = format!("{ALIGN} --format shards -o ds");
    let _ = pgprep(&sandbox, &align).with_status(0);
    for flags in ["--no-rotation", "--no-padding", "--random-shift 0.1"] {
        let refused = pgprep(&sandbox, &format!("{align} {flags}")).with_status(2);
        assert!(refused.stderr.contains("already holds a finished dataset"), "{}", refused.stderr);
    }
    // No shift is no choice.
    let _ = pgprep(&sandbox, &format!("{align} --random-shift 0 --seed 9")).with_status(0);
    // Damage is repaired with the flags of the first time.
    let shifted = format!("{ALIGN} --format shards --no-rotation --no-padding --random-shift 0.1 -o shifted");
    let _ = pgprep(&sandbox, &shifted).with_status(0);
    fs::remove_file(sandbox.path("shifted/r0032/shard-00000.safetensors")).unwrap();
    let _ = pgprep(&sandbox, "verify shifted --repair").with_status(0);
}

#[test]
fn flags_that_mean_nothing_are_refused() {
    let sandbox = with_portraits(1);
    for (flags, message) in [
        ("--seed 1", "--random-shift"),
        ("--random-shift 1.5", "expected a number from 0 to 1"),
        ("--random-shift nan", "expected a number from 0 to 1"),
    ] {
        let refused = pgprep(&sandbox, &format!("{ALIGN} {flags} -o out")).with_status(2);
        assert!(refused.stderr.contains(message), "{}", refused.stderr);
    }
}
