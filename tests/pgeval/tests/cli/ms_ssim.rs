//! `pgeval ms-ssim` as a user meets it.

use crate::support::{draw_folder, json_of, pgeval, save, waves};
use pg_testkit::golden;
use pg_testkit::sandbox::Sandbox;

#[test]
fn identical_images_score_one() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("same")).unwrap();
    for i in 0..6 {
        save(&sandbox.path(format!("same/{i}.png")), &waves(3, 40, 24));
    }
    for arguments in [&["ms-ssim", "same", "--json"][..], &["ms-ssim", "same", "--consecutive", "--json"]] {
        let result = json_of(&sandbox, arguments);
        assert_eq!(result["value"], 1.0);
        assert_eq!((&result["interval"]["low"], &result["interval"]["high"]), (&1.0.into(), &1.0.into()));
    }
}

#[test]
fn the_json_has_the_members_that_scripts_rely_on() {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "images", 7, 32, 0);
    let result = json_of(&sandbox, &["ms-ssim", "images", "--pairs", "5", "--seed", "3", "--json"]);
    let members: Vec<&str> = result.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        members,
        ["metric", "value", "unit", "direction", "interval", "counts", "protocol", "provenance"]
    );
    assert_eq!((result["metric"].as_str(), result["unit"].as_str()), (Some("ms-ssim"), Some("1")));
    assert_eq!(result["counts"]["pairs"], 5);
    assert_eq!((&result["protocol"]["pairing"], &result["protocol"]["seed"]), (&"drawn".into(), &3.into()));
    assert_eq!(result["provenance"]["seed"], 3);
}

#[test]
fn the_reference_program_s_pairs_are_met() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("pairs")).unwrap();
    for entry in std::fs::read_dir(golden::fixture("msssim")).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with("r064") {
            std::fs::copy(entry.path(), sandbox.path(format!("pairs/{name}"))).unwrap();
        }
    }
    let result = json_of(&sandbox, &["ms-ssim", "pairs", "--consecutive", "--json"]);
    let expected = golden::json("msssim/expected.json")["batches"]["r064"].as_f64().unwrap();
    assert!((result["value"].as_f64().unwrap() - expected).abs() < 1e-5);
    assert_eq!(result["counts"]["pairs"], 12);
}

#[test]
fn the_bytes_do_not_depend_on_the_number_of_threads() {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "images", 20, 32, 0);
    let run = |threads| {
        let arguments = ["ms-ssim", "images", "--pairs", "150", "--json", "--threads", threads];
        pgeval(&sandbox, &arguments).with_status(0).stdout
    };
    let expected = run("1");
    assert_eq!(run("2"), expected);
    assert_eq!(run("3"), expected);
}

#[test]
fn the_table_shows_value_interval_and_counts() {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "images", 4, 32, 0);
    let finished = pgeval(&sandbox, &["ms-ssim", "images"]).with_status(0);
    for expected in ["95 % interval", "6 pairs, drawn with seed 0", "4 images of 32x32 pixels, images"] {
        assert!(finished.stdout.contains(expected), "{expected} not in\n{}", finished.stdout);
    }
}

#[test]
fn more_pairs_than_there_are_is_an_error() {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "images", 4, 32, 0);
    let finished = pgeval(&sandbox, &["ms-ssim", "images", "--pairs", "7"]).with_status(2);
    assert!(finished.stderr.contains("--pairs 7") && finished.stderr.contains("only 6 distinct pairs"));
    let finished = pgeval(&sandbox, &["ms-ssim", "images", "--pairs", "3", "--consecutive"]).with_status(2);
    assert!(finished.stderr.contains("only 2 consecutive pairs"), "{}", finished.stderr);
    let finished = pgeval(&sandbox, &["ms-ssim", "images", "--seed", "3", "--consecutive"]).with_status(2);
    assert!(finished.stderr.contains("cannot be used with"), "{}", finished.stderr);
}
