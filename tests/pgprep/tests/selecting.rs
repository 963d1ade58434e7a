//! `select`: the best images, the report, resuming.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

#[allow(dead_code, reason = "these tests draw no portraits")]
mod support;

use std::fs;
use std::path::PathBuf;

use pg_image::files::{DecodeLimits, decode, write_png};
use pg_image::resize_lanczos;
use pg_testkit::sandbox::Sandbox;
use support::pgprep;

const PHOTOS: [&str; 3] = ["chelsea.png", "coffee.png", "rocket.jpg"];

/// `photos/` with three photographs, and in `photos/soft/` their enlarged copies.
fn with_good_and_bad() -> Sandbox {
    let sandbox = Sandbox::new();
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/photos");
    for name in PHOTOS {
        sandbox.write(format!("photos/{name}"), fs::read(fixtures.join(name)).unwrap());
        let photo = decode(&fixtures.join(name), &DecodeLimits::default()).unwrap();
        let small = resize_lanczos(&photo, photo.width() / 4, photo.height() / 4);
        let soft = resize_lanczos(&small, photo.width(), photo.height());
        fs::create_dir_all(sandbox.path("photos/soft")).unwrap();
        write_png(&sandbox.path(format!("photos/soft/{name}.png")), &soft).unwrap();
    }
    sandbox
}

fn names(sandbox: &Sandbox, folder: &str) -> Vec<String> {
    sandbox.contents(folder).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn the_sharp_photographs_are_kept_under_their_names_with_their_bytes() {
    let sandbox = with_good_and_bad();
    let run = pgprep(&sandbox, "select photos --keep 3 -o best --report report").with_status(0);
    assert!(run.stdout.starts_with("3 of 6 images in best, scores 0."), "{}", run.stdout);
    assert_eq!(names(&sandbox, "best"), ["chelsea.png", "coffee.png", "rocket.jpg", "select.json"]);
    for name in PHOTOS {
        let bytes = |folder: &str| fs::read(sandbox.path(folder).join(name)).unwrap();
        assert_eq!(bytes("photos"), bytes("best"));
    }
    assert_eq!(names(&sandbox, "report"), ["best.png", "scores.jsonl", "worst.png"]);
    let scores = fs::read_to_string(sandbox.path("report/scores.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = scores.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 6);
    assert!(lines.is_sorted_by(|a, b| a["score"].as_f64() >= b["score"].as_f64()));
    assert!(lines.iter().enumerate().all(|(i, line)| line["kept"] == (i < 3) && line["rank"] == i + 1));
    // The same command again does nothing, another one is refused.
    let again = pgprep(&sandbox, "select photos --keep 3 -o best --report report").with_status(0);
    assert!(again.stderr.contains("best is complete already") && again.stdout == run.stdout);
    let other = pgprep(&sandbox, "select photos --keep 2 -o best").with_status(2);
    assert!(other.stderr.contains("was already filled by another command"), "{}", other.stderr);
}

#[test]
fn scores_do_not_depend_on_the_threads() {
    let sandbox = with_good_and_bad();
    for threads in ["1", "3"] {
        let run =
            format!("select photos --keep 6 -o kept{threads} --report report{threads} --threads {threads}");
        let _ = pgprep(&sandbox, &run).with_status(0);
    }
    assert_eq!(sandbox.contents("report1"), sandbox.contents("report3"));
}

#[test]
fn a_stopped_run_goes_on_from_the_scores_it_wrote() {
    let sandbox = with_good_and_bad();
    let select = "select photos --keep 5 -o stopped --report report/below";
    // A file in the way of the report stops the run after the scores are written.
    sandbox.write("report", "in the way");
    let run = pgprep(&sandbox, select).with_status(2);
    assert!(run.stderr.contains("(--report)"), "{}", run.stderr);
    assert!(sandbox.path("stopped/build/scores-00000.jsonl").is_file());
    fs::remove_file(sandbox.path("report")).unwrap();
    let _ = pgprep(&sandbox, select).with_status(0);
    let _ = pgprep(&sandbox, "select photos --keep 5 -o whole").with_status(0);
    assert_eq!(names(&sandbox, "stopped"), names(&sandbox, "whole"));
}

#[test]
fn images_that_cannot_be_read_are_listed_and_make_the_status_1() {
    let sandbox = with_good_and_bad();
    sandbox.write("photos/broken.png", "no image");
    let run = pgprep(&sandbox, "select photos --keep 2 -o best").with_status(1);
    assert!(run.stdout.contains("1 failed, see best/failed.jsonl"), "{}", run.stdout);
    assert!(fs::read_to_string(sandbox.path("best/failed.jsonl")).unwrap().contains("broken.png"));
    let inside = pgprep(&sandbox, "select photos --keep 2 -o photos/best").with_status(2);
    assert!(inside.stderr.contains("lies inside photos"), "{}", inside.stderr);
}

#[test]
fn pixels_of_a_dataset_become_png_files() {
    let sandbox = with_good_and_bad();
    let _ = pgprep(&sandbox, "pack photos -o ds --fit crop --resolution 128").with_status(0);
    let _ = pgprep(&sandbox, "select ds --keep 1 -o best").with_status(0);
    let kept = names(&sandbox, "best");
    assert_eq!((kept.len(), kept[1].as_str()), (2, "select.json"));
    let picture = image::open(sandbox.path("best").join(&kept[0])).unwrap();
    assert_eq!((picture.width(), picture.height()), (128, 128));
}
