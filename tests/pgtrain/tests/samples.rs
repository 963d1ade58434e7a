//! What sampling writes: folders, zips, datasets, sheets and films.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::io::BufReader;

use image::AnimationDecoder as _;
use pg_testkit::sandbox::Sandbox;
use serde_json::Value;
use support::{sandbox_with_faces, small_run};

/// A sandbox with the finished run `run` at 8 px.
fn sandbox_with_run() -> Sandbox {
    let sandbox = sandbox_with_faces();
    let _ = sandbox.run("pgtrain", small_run("run", "0.5")).with_status(0);
    sandbox
}

fn run(sandbox: &Sandbox, command: &[&str]) {
    let arguments: Vec<&str> = command.iter().copied().chain(["--device", "cpu"]).collect();
    let _ = sandbox.run("pgtrain", arguments).with_status(0);
}

#[test]
fn a_folder_a_zip_and_a_dataset_hold_the_same_images() {
    let sandbox = sandbox_with_run();
    run(&sandbox, &["sample", "run", "-o", "folder", "--seeds", "0-8,20"]);
    run(&sandbox, &["sample", "run", "-o", "fakes.zip", "--seeds", "0-8,20"]);
    run(&sandbox, &["sample", "run", "-o", "dataset", "--seeds", "0-8,20", "--format", "shards"]);
    assert!(!sandbox.path("fakes.zip.partial").exists());

    let verified = sandbox.run("pgprep", ["verify", "dataset"]).with_status(0);
    assert!(!verified.stderr.contains("error"), "{}", verified.stderr);
    let _ = sandbox.run("pgprep", ["extract", "dataset", "-o", "extracted"]).with_status(0);
    let _ = sandbox.run("pgprep", ["pack", "fakes.zip", "-o", "from-zip"]).with_status(0);
    let _ = sandbox.run("pgprep", ["extract", "from-zip", "-o", "unzipped"]).with_status(0);
    let pixels = |folder: &str| -> Vec<Vec<u8>> {
        let mut files: Vec<_> =
            fs::read_dir(sandbox.path(folder)).unwrap().map(|e| e.unwrap().path()).collect();
        files.retain(|file| file.extension().is_some_and(|e| e == "png"));
        files.sort();
        files.iter().map(|file| image::open(file).unwrap().into_rgb8().into_raw()).collect()
    };
    let sampled = pixels("folder");
    assert_eq!(sampled.len(), 10);
    assert!(sampled == pixels("extracted") && sampled == pixels("unzipped"));

    let manifest: Value =
        serde_json::from_slice(&fs::read(sandbox.path("dataset/dataset.json")).unwrap()).unwrap();
    assert_eq!(manifest["provenance"]["tool"], "pgtrain");
    // Once more is no work, and another selection is refused.
    run(&sandbox, &["sample", "run", "-o", "dataset", "--seeds", "0-8,20", "--format", "shards"]);
    let other = ["sample", "run", "-o", "dataset", "--count", "3", "--format", "shards", "--device", "cpu"];
    let _ = sandbox.run("pgtrain", other).with_status(2);
}

#[test]
fn a_sheet_is_the_same_by_either_command() {
    let sandbox = sandbox_with_run();
    run(&sandbox, &["grid", "run", "-o", "one.png", "--grid", "3x2"]);
    run(&sandbox, &["sample", "run", "-o", "other.png", "--grid", "3x2", "--seeds", "0-5"]);
    let read = |name: &str| fs::read(sandbox.path(name)).unwrap();
    assert!(read("one.png") == read("other.png"));
}

#[test]
fn a_film_repeats_and_its_frames_do_not_depend_on_the_batch() {
    let sandbox = sandbox_with_run();
    let film = ["--frames", "9", "--fps", "30", "--smoothing", "0.05", "--seed", "4"];
    let of = |grid: &'static str, output: &'static str| {
        let mut arguments = vec!["interpolate", "run", "-o", output, "--grid", grid];
        arguments.extend(film);
        arguments
    };
    run(&sandbox, &of("1x1", "small"));
    run(&sandbox, &of("3x2", "large"));
    run(&sandbox, &of("3x2", "film.gif"));
    assert_eq!(sandbox.contents("small").len(), 9);
    let open = |name: &str| image::open(sandbox.path(name)).unwrap().into_rgb8();
    let mut differing = 0;
    for frame in 0..9 {
        let small = open(&format!("small/{frame:06}.png"));
        let large = open(&format!("large/{frame:06}.png"));
        let side = small.width();
        assert_eq!(large.dimensions(), (3 * side, 2 * side));
        // The first cell walks alike, whatever walks beside it.
        let first = image::imageops::crop_imm(&large, 0, 0, side, side).to_image();
        assert!(small == first, "frame {frame}");
        differing += usize::from(frame > 0 && small != open("small/000000.png"));
    }
    assert_eq!(differing, 8);

    let file = BufReader::new(fs::File::open(sandbox.path("film.gif")).unwrap());
    let decoder = image::codecs::gif::GifDecoder::new(file).unwrap();
    let frames = decoder.into_frames().collect_frames().unwrap();
    let hundredths: u32 = frames.iter().map(|frame| frame.delay().numer_denom_ms().0 / 10).sum();
    assert_eq!((frames.len(), hundredths), (9, 30));
    let bytes = fs::read(sandbox.path("film.gif")).unwrap();
    assert!(bytes.windows(11).any(|window| window == b"NETSCAPE2.0"), "a loop");
}

#[test]
fn what_cannot_be_written_is_refused_and_nothing_is_lost() {
    let sandbox = sandbox_with_run();
    sandbox.write("photos.zip/inside", "a folder");
    sandbox.write("frames/thesis.tex", "mine");
    sandbox.write("file", "mine");
    let cases: [(&[&str], &str); 6] = [
        (&["sample", "run", "-o", "photos.zip", "--count", "2"], "is a folder"),
        (&["sample", "run", "-o", "file", "--count", "2"], "is a file"),
        (&["sample", "run", "-o", "frames", "--count", "2", "--format", "shards"], "frames"),
        (&["interpolate", "run", "-o", "frames", "--frames", "2"], "is there already"),
        (&["interpolate", "run", "-o", "film.mp4", "--frames", "2"], ".gif"),
        (&["interpolate", "run", "-o", "film.gif", "--fps", "90"], "0.1 to 50"),
    ];
    for (arguments, expected) in cases {
        let finished = sandbox.run("pgtrain", arguments.iter().chain(&["--device", "cpu"])).with_status(2);
        assert!(finished.stderr.contains(expected), "{arguments:?}: {}", finished.stderr);
    }
    assert_eq!(fs::read(sandbox.path("file")).unwrap(), b"mine");
    assert_eq!(sandbox.contents("frames").len(), 1);
}

#[test]
fn nothing_that_is_there_is_replaced_without_overwrite() {
    let sandbox = sandbox_with_run();
    let on_cpu = ["--device", "cpu"];
    let files: [(&[&str], &str, &[&str]); 6] = [
        (&["grid", "run", "-o", "sheet.png", "--grid", "2x2"], "sheet.png", &on_cpu),
        (&["sample", "run", "-o", "one.png", "--grid", "2x2", "--count", "4"], "one.png", &on_cpu),
        (&["sample", "run", "-o", "fakes.zip", "--count", "3"], "fakes.zip", &on_cpu),
        (&["sample", "run", "-o", "folder", "--count", "3"], "folder/000001.png", &on_cpu),
        (&["interpolate", "run", "-o", "film.gif", "--frames", "3"], "film.gif", &on_cpu),
        (
            &["export", "run", "-o", "generator.onnx", "--examples", "examples.safetensors"],
            "examples.safetensors",
            &[],
        ),
    ];
    for (command, file, more) in files {
        sandbox.write(file, "mine");
        let command = [command, more].concat();
        let refused = sandbox.run("pgtrain", &command).with_status(2);
        assert!(refused.stderr.contains("exists already"), "{command:?}: {}", refused.stderr);
        assert_eq!(fs::read(sandbox.path(file)).unwrap(), b"mine", "{command:?}");
        let _ = sandbox.run("pgtrain", [&command[..], &["--overwrite"]].concat()).with_status(0);
        assert_ne!(fs::read(sandbox.path(file)).unwrap(), b"mine", "{command:?}");
    }
    // The images of a folder again: they are what they would become.
    run(&sandbox, &["sample", "run", "-o", "folder", "--count", "5"]);

    run(&sandbox, &["sample", "run", "-o", "dataset", "--count", "3", "--format", "shards"]);
    run(&sandbox, &["sample", "run", "-o", "dataset", "--count", "4", "--format", "shards", "--overwrite"]);
    for folder in ["run", "run/snapshots/000000", "dataset"] {
        let before = sandbox.contents(folder);
        let command = ["sample", "run", "-o", folder, "--count", "3", "--device", "cpu", "--overwrite"];
        let refused = sandbox.run("pgtrain", command).with_status(2);
        assert!(refused.stderr.contains("it is the folder of a"), "{folder}: {}", refused.stderr);
        assert!(before == sandbox.contents(folder), "{folder}");
    }
}

#[test]
fn a_run_takes_the_place_of_another_one_only_with_overwrite_and_of_nothing_else() {
    let sandbox = sandbox_with_run();
    let other = small_run("run", "0.3");
    let with_overwrite = [&other[..], &["--overwrite"]].concat();
    let before = sandbox.contents("run");
    let _ = sandbox.run("pgtrain", &other).with_status(2);
    for foreign in ["notes.txt", "snapshots/notes.txt", "snapshots/000000/notes.txt", "fakes-mine.png"] {
        sandbox.write(format!("run/{foreign}"), "mine");
        let refused = sandbox.run("pgtrain", &with_overwrite).with_status(2);
        assert!(refused.stderr.contains(&format!("it holds {foreign}")), "{foreign}: {}", refused.stderr);
        fs::remove_file(sandbox.path(format!("run/{foreign}"))).unwrap();
        assert!(before == sandbox.contents("run"), "{foreign}");
    }
    let _ = sandbox.run("pgtrain", &with_overwrite).with_status(0);
    let settings = fs::read_to_string(sandbox.path("run/settings.toml")).unwrap();
    assert!(settings.contains("total_kimg = 0.3"), "{settings}");
    sandbox.write("pictures/a.jpg", "mine");
    let into_pictures = [&small_run("pictures", "0.3")[..], &["--overwrite"]].concat();
    let _ = sandbox.run("pgtrain", into_pictures).with_status(2);
    assert_eq!(sandbox.contents("pictures").len(), 1);
}
