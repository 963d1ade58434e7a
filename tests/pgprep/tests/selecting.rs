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
    assert!(sandbox.path("stopped/pgkit-build/scores-00000.jsonl").is_file());
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
    assert!(run.stdout.contains("1 failed (1 png), see best/failed.jsonl"), "{}", run.stdout);
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

/// `photos/` with files whose names become one when they are made text with `/`, each of other bytes.
#[cfg(unix)]
fn with_names_alike() -> (Sandbox, Vec<Vec<u8>>) {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("photos/a")).unwrap();
    let names: [&[u8]; 6] =
        [b"ok.png", b"\xff.png", b"\xfe.png", "\u{fffd}.png".as_bytes(), b"a/b.png", b"a\\b.png"];
    let mut contents = Vec::new();
    for (number, name) in names.into_iter().enumerate() {
        let picture = image::RgbImage::from_fn(32, 32, |x, y| {
            image::Rgb([x, y, x * y].map(|v| (v * 7 + number as u32 * 40) as u8))
        });
        let path = sandbox.path("photos").join(OsStr::from_bytes(name));
        picture.save_with_format(&path, image::ImageFormat::Png).unwrap();
        contents.push(fs::read(path).unwrap());
    }
    contents.sort();
    (sandbox, contents)
}

#[cfg(unix)]
#[test]
fn files_whose_names_become_one_are_all_kept_under_names_of_their_own() {
    let (sandbox, expected) = with_names_alike();
    let run = pgprep(&sandbox, "select photos --keep 6 -o best").with_status(0);
    assert!(run.stdout.starts_with("6 of 6 images in best"), "{}", run.stdout);
    let kept = sandbox.contents("best").into_iter().filter(|(name, _)| name != "select.json");
    let mut contents: Vec<Vec<u8>> = kept.map(|(_, bytes)| bytes).collect();
    contents.sort();
    assert_eq!(contents, expected);
    // Nor does one stand for another where some are kept: what is there is what the report says.
    let _ = pgprep(&sandbox, "select photos --keep 2 -o two --report report").with_status(0);
    assert_eq!(names(&sandbox, "two").len(), 3);
}

#[cfg(unix)]
#[test]
fn files_whose_names_become_one_are_told_apart_in_a_dataset() {
    let (sandbox, expected) = with_names_alike();
    let _ = pgprep(&sandbox, "pack photos -o ds").with_status(0);
    let index = fs::read_to_string(sandbox.path("ds/index/shard-00000.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> =
        index.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: std::collections::BTreeSet<&str> =
        lines.iter().map(|line| line["path"].as_str().unwrap()).collect();
    assert_eq!((lines.len(), told.len()), (expected.len(), expected.len()), "{told:?}");
    // Such a dataset can be selected from, extracted and exported: files are numbered.
    let _ = pgprep(&sandbox, "select ds --keep 6 -o best").with_status(0);
    let _ = pgprep(&sandbox, "extract ds -o pngs").with_status(0);
    for folder in ["best", "pngs"] {
        let pictures = names(&sandbox, folder).into_iter().filter(|name| name.contains(".png")).count();
        assert_eq!(pictures, 6, "{folder}");
    }
}

#[cfg(unix)]
#[test]
fn two_files_that_cannot_be_told_apart_are_refused_by_name() {
    let (sandbox, _) = with_names_alike();
    // The escaped name of another.
    fs::copy(sandbox.path("photos/ok.png"), sandbox.path("photos/%FF.png")).unwrap();
    for command in ["select photos --keep 3 -o out", "pack photos -o out", "view photos -o out.png"] {
        let run = pgprep(&sandbox, command).with_status(2);
        assert!(run.stderr.contains("would both be called \"%FF.png\""), "{}", run.stderr);
        assert!(run.stderr.contains("rename one of them"), "{}", run.stderr);
        assert!(!sandbox.path("out").exists() && !sandbox.path("out.png").exists());
    }
}

#[test]
fn names_in_a_zip_that_are_one_path_are_refused_with_both() {
    use std::io::Write as _;
    let sandbox = with_good_and_bad();
    for (first, second, expected) in
        [("a//b.png", "a/b.png", "both would become"), ("a.png", "a.png/b.png", "a file and a folder")]
    {
        let mut zip = zip::ZipWriter::new(fs::File::create(sandbox.path("photos.zip")).unwrap());
        for name in [first, second] {
            zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(&fs::read(sandbox.path("photos/chelsea.png")).unwrap()).unwrap();
        }
        zip.finish().unwrap();
        let run = pgprep(&sandbox, "select photos.zip --keep 2 -o best").with_status(2);
        assert!(run.stderr.contains(expected), "{}", run.stderr);
        assert!(run.stderr.contains(first) && run.stderr.contains(second), "{}", run.stderr);
        assert!(!sandbox.path("best").exists());
    }
}

#[test]
fn a_report_whose_pictures_could_replace_images_is_refused() {
    let sandbox = with_good_and_bad();
    for report in ["photos", "photos/soft/new", "best", "best/report"] {
        let run =
            pgprep(&sandbox, &format!("select photos --keep 3 -o best --report {report}")).with_status(2);
        let expected = format!("cannot write the report to `{report}` (--report): it lies inside");
        assert!(run.stderr.contains(&expected), "{}", run.stderr);
    }
}
