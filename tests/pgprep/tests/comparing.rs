//! `compare`: what is the same, what differs, what cannot be compared.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use std::fs;

use pg_testkit::sandbox::Sandbox;
use support::{ALIGN, pgprep, with_portraits};

/// Datasets `a` and `b` of the same photos, and `c` in which one pixel of the second image is other.
fn with_datasets() -> Sandbox {
    let sandbox = with_portraits(3);
    let _ = pgprep(&sandbox, &format!("{ALIGN} -o pngs")).with_status(0);
    let _ = pgprep(&sandbox, "pack pngs -o a").with_status(0);
    let _ = pgprep(&sandbox, "pack pngs -o b --images-per-shard 2").with_status(0);
    let path = sandbox.path("pngs/000002.png");
    let mut picture = image::open(&path).unwrap().to_rgb8();
    let value = &mut picture.get_pixel_mut(5, 9).0[1];
    *value = if *value >= 128 { *value - 40 } else { *value + 40 };
    picture.save(&path).unwrap();
    let _ = pgprep(&sandbox, "pack pngs -o c").with_status(0);
    sandbox
}

#[test]
fn the_same_pixels_in_other_shards_are_the_same() {
    let sandbox = with_datasets();
    let run = pgprep(&sandbox, "compare a b").with_status(0);
    assert_eq!(run.stdout, "same: 3 images at 4, 8, 16, 32 px, equal pixels\n");
    let run = pgprep(&sandbox, "compare a a --json").with_status(0);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&run.stdout).unwrap()["same"], true);
}

#[test]
fn the_first_difference_and_the_largest_per_level_are_reported() {
    let sandbox = with_datasets();
    let run = pgprep(&sandbox, "compare b c").with_status(1);
    let line = run.stdout.lines().find(|line| line.starts_with("32 px")).unwrap();
    assert!(
        line.starts_with(
            "32 px: 1 image differs by up to 40; the first is image 1 (000002.png): channel 1, row 9, column 5"
        ),
        "{line}"
    );
    let json = pgprep(&sandbox, "compare b c --json --threads 1").with_status(1).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let levels: Vec<(u64, u64)> = json["levels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| (l["resolution"].as_u64().unwrap(), l["largest_difference"].as_u64().unwrap()))
        .collect();
    assert_eq!((levels.len(), levels[3]), (4, (32, 40)));
    assert!((9..=11).contains(&levels[2].1), "a mean of four pixels: {levels:?}");
}

#[test]
fn other_counts_levels_and_labels_are_differences() {
    let sandbox = with_datasets();
    fs::remove_file(sandbox.path("pngs/000003.png")).unwrap();
    sandbox.write("labels.csv", "file,age\n000001.png,1\n000002.png,2\n");
    sandbox.write("others.csv", "file,age\n000001.png,1\n000002.png,3\n");
    let pack = "pack pngs --resolution 16 --fit crop";
    let _ = pgprep(&sandbox, &format!("{pack} --labels labels.csv -o two")).with_status(0);
    let _ = pgprep(&sandbox, &format!("{pack} --labels others.csv -o relabeled")).with_status(0);
    let run = pgprep(&sandbox, "compare c two").with_status(1);
    for expected in [
        "A has 3 images, B 2 images; the first 2 are compared",
        "A has levels of 4, 8, 16, 32 px, B of 4, 8, 16 px",
        "A has no labels, B 1 label column (age)",
    ] {
        assert!(run.stdout.contains(expected), "{}", run.stdout);
    }
    let run = pgprep(&sandbox, "compare two relabeled").with_status(1);
    assert_eq!(run.stdout, "labels of 1 image differ, the first is that of image 1\n");
}

#[test]
fn what_is_no_dataset_cannot_be_compared() {
    let sandbox = with_portraits(1);
    let run = pgprep(&sandbox, "compare in nowhere").with_status(2);
    assert!(run.stderr.contains("cannot open the dataset in"), "{}", run.stderr);
}
