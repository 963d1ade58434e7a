//! `pack` from every source, `export`, and back again.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use pg_image::Resolution;
use pg_shard::Dataset;
use pg_testkit::sandbox::Sandbox;
use support::{ALIGN, pgprep, with_portraits};

fn fixture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name);
    path.canonicalize().unwrap().display().to_string()
}

fn dataset(sandbox: &Sandbox, name: &str) -> Dataset {
    Dataset::open(&sandbox.path(name)).unwrap()
}

/// Images of a level, `[C,R,R]` each.
fn level(dataset: &Dataset, pixels: u64) -> Vec<Vec<u8>> {
    let level = dataset.level(Resolution::new(pixels).unwrap()).unwrap();
    (0..level.len()).map(|i| level.image(i).unwrap().into_owned()).collect()
}

fn labels(dataset: &Dataset) -> Option<(Vec<String>, Vec<Vec<f32>>)> {
    let names = dataset.label_names()?.to_vec();
    Some((names, (0..dataset.len()).map(|i| dataset.label(i).unwrap()).collect()))
}

/// The class of each image.
fn classes(dataset: &Dataset) -> Vec<usize> {
    let (_, rows) = labels(dataset).unwrap();
    rows.iter().map(|row| row.iter().position(|&v| v == 1.0).unwrap()).collect()
}

/// `[C,H,W]` of a picture file.
fn planes(path: &Path) -> Vec<u8> {
    let picture = image::open(path).unwrap().to_rgb8();
    (0..3).flat_map(|c| picture.pixels().map(move |p| p.0[c]).collect::<Vec<_>>()).collect()
}

/// Two 8x8 pictures in each of two folders.
fn write_classes(sandbox: &Sandbox) {
    for (i, name) in ["cat/a.png", "cat/b.png", "dog/c.png", "dog/d.png"].into_iter().enumerate() {
        let picture =
            image::RgbImage::from_fn(8, 8, |x, y| image::Rgb([x as u8 * 30, y as u8 * 30, i as u8 * 60]));
        let path = sandbox.path("classes").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        picture.save(path).unwrap();
    }
}

#[test]
fn cifar_is_packed_with_its_classes_from_every_form_of_it() {
    let sandbox = Sandbox::new();
    let mut pixels = Vec::new();
    for (i, form) in ["cifar10_binary", "cifar10_python", "cifar10_python.tar.gz"].into_iter().enumerate() {
        let source = fixture(&format!("sources/{form}"));
        let run = pgprep(&sandbox, &format!("pack {source} -o ds{i} --json")).with_status(0);
        let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(json["provenance"]["settings"]["source_format"], "cifar");
        let packed = dataset(&sandbox, &format!("ds{i}"));
        assert_eq!(packed.label_names().unwrap()[9], "truck");
        assert_eq!(classes(&packed), [9, 2, 5, 8, 1, 4], "the order is that of the files");
        pixels.push(level(&packed, 32));
    }
    assert!(pixels[0] == pixels[1] && pixels[1] == pixels[2]);
    let _ = pgprep(&sandbox, "verify ds0").with_status(0);
    let info = pgprep(&sandbox, "info ds0").with_status(0).stdout;
    assert!(info.contains("labels       10 (airplane, automobile, bird,"), "{info}");
    let coarse = format!("pack {} -o ds100", fixture("sources/cifar100_python"));
    let _ = pgprep(&sandbox, &coarse).with_status(0);
    assert_eq!(classes(&dataset(&sandbox, "ds100")), [99, 0, 50, 7]);
}

#[test]
fn mnist_is_packed_grey_with_a_border() {
    let sandbox = Sandbox::new();
    let _ = pgprep(&sandbox, &format!("pack {} -o ds", fixture("sources/mnist"))).with_status(0);
    let packed = dataset(&sandbox, "ds");
    assert_eq!((packed.channels(), packed.len()), (1, 3));
    assert_eq!(classes(&packed), [7, 0, 4]);
    let digit = &level(&packed, 32)[2];
    assert_eq!((digit[32 + 15], digit[2 * 32 + 3]), (0, 2 * 31 + 3));
}

#[test]
fn lsun_is_packed_from_its_database_without_a_trace() {
    let sandbox = Sandbox::new();
    let source = fixture("sources/lsun_lmdb");
    let run = pgprep(&sandbox, &format!("pack {source} -o ds --resolution 8 --fit crop")).with_status(0);
    assert!(run.stdout.starts_with("300 images at 8, 4 px"), "{}", run.stdout);
    assert_eq!(fs::read_dir(&source).unwrap().count(), 1, "no lock file");
    let line = fs::read_to_string(sandbox.path("ds/index/shard-00000.jsonl")).unwrap();
    assert!(line.starts_with(&format!("{{\"path\":\"{:040x}\"", 0)), "{line:.80}");
    let _ = pgprep(&sandbox, &format!("view {source} -o sheet.png --count 4")).with_status(0);
}

#[test]
fn the_authors_tfrecords_are_packed_and_exported_to_the_same_records() {
    let sandbox = Sandbox::new();
    let _ = pgprep(&sandbox, &format!("pack {} -o ds", fixture("lod/tfr"))).with_status(0);
    let packed = dataset(&sandbox, "ds");
    // Our levels, made from the finest one, are those that the authors' program made.
    for side in [64, 32, 16, 8, 4] {
        for (i, image) in level(&packed, side).iter().enumerate() {
            assert_eq!(*image, planes(Path::new(&fixture(&format!("lod/img{i}_lod_{side}.png")))), "{side}");
        }
    }
    let run = pgprep(&sandbox, "export ds --format tfrecord -o out/tfr").with_status(0);
    assert!(
        run.stdout.starts_with("2 images at 64, 32, 16, 8, 4 px in out/tfr, 4 label columns"),
        "{}",
        run.stdout
    );
    let again = pgprep(&sandbox, "export ds --format tfrecord -o out/tfr").with_status(0);
    assert!(again.stderr.contains("is complete already"), "{}", again.stderr);
    let names: Vec<String> = sandbox.contents("out/tfr").into_iter().map(|(name, _)| name).collect();
    let expected = [
        "export.json",
        "tfr-r02.tfrecords",
        "tfr-r03.tfrecords",
        "tfr-r04.tfrecords",
        "tfr-r05.tfrecords",
        "tfr-r06.tfrecords",
        "tfr-rxx.labels",
    ];
    assert_eq!(names, expected);
    for (i, side) in [4, 8, 16, 32, 64].into_iter().enumerate() {
        let file = format!("tfr-r0{}.tfrecords", i + 2);
        let theirs = fs::metadata(fixture(&format!("lod/tfr/{file}"))).unwrap().len();
        assert_eq!(fs::metadata(sandbox.path("out/tfr").join(&file)).unwrap().len(), theirs);
        let _ = pgprep(&sandbox, &format!("pack out/tfr/{file} -o level{side}")).with_status(0);
        assert_eq!(level(&dataset(&sandbox, &format!("level{side}")), side), level(&packed, side));
    }
    let labels_file = fs::read(sandbox.path("out/tfr/tfr-rxx.labels")).unwrap();
    let theirs = fs::read(fixture("lod/tfr/tfr-rxx.labels")).unwrap();
    assert_eq!(labels_file[labels_file.len() - 32..], theirs[theirs.len() - 32..], "2x4 f32");
    let _ = pgprep(&sandbox, "pack out/tfr -o ds2").with_status(0);
    assert_eq!(dataset(&sandbox, "ds2").fingerprint(), packed.fingerprint(), "pixels and labels");
}

#[test]
fn a_stylegan_zip_comes_back_with_pixels_labels_and_names() {
    let sandbox = Sandbox::new();
    write_classes(&sandbox);
    let _ = pgprep(&sandbox, "pack classes -o ds --labels folders --shuffle 3").with_status(0);
    let run = pgprep(&sandbox, "export ds --format zip -o out.zip --json").with_status(0);
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        (&json["images"], &json["labels"], &json["resolutions"]),
        (&4.into(), &2.into(), &serde_json::json!([8]))
    );
    let _ = pgprep(&sandbox, "pack out.zip -o ds2").with_status(0);
    assert_eq!(dataset(&sandbox, "ds2").fingerprint(), dataset(&sandbox, "ds").fingerprint());
    assert_eq!(labels(&dataset(&sandbox, "ds2")), labels(&dataset(&sandbox, "ds")));

    let mut archive = zip::ZipArchive::new(fs::File::open(sandbox.path("out.zip")).unwrap()).unwrap();
    let mut text = String::new();
    archive.by_name("dataset.json").unwrap().read_to_string(&mut text).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["labels"][3][0], "00000/img00000003.png");
    assert!(archive.by_index(0).unwrap().compression() == zip::CompressionMethod::Stored);

    let again = pgprep(&sandbox, "export ds --format zip -o out.zip").with_status(2);
    assert!(
        again.stderr.contains("out.zip (-o) exists already: choose another name, or --overwrite"),
        "{}",
        again.stderr
    );
    let _ = pgprep(&sandbox, "export ds --format zip -o small.zip --resolution 4").with_status(0);
    let _ = pgprep(&sandbox, "pack small.zip -o small").with_status(0);
    assert_eq!(level(&dataset(&sandbox, "small"), 4), level(&dataset(&sandbox, "ds"), 4));
}

#[test]
fn aligned_faces_come_back_from_both_formats() {
    let sandbox = with_portraits(3);
    let _ = pgprep(&sandbox, &format!("{ALIGN} --format shards -o ds")).with_status(0);
    let _ = pgprep(&sandbox, "export ds --format tfrecord -o tf").with_status(0);
    let _ = pgprep(&sandbox, "export ds --format zip -o ds.zip").with_status(0);
    let _ = pgprep(&sandbox, "pack tf -o from_tf").with_status(0);
    let _ = pgprep(&sandbox, "pack ds.zip -o from_zip").with_status(0);
    let expected = dataset(&sandbox, "ds").fingerprint();
    assert_eq!(dataset(&sandbox, "from_tf").fingerprint(), expected);
    assert_eq!(dataset(&sandbox, "from_zip").fingerprint(), expected);
}

#[test]
fn a_stylegan_zip_and_its_unpacked_folder_give_the_same_dataset() {
    let sandbox = Sandbox::new();
    let source = fixture("sources/stylegan.zip");
    let _ = pgprep(&sandbox, &format!("pack {source} -o zipped")).with_status(0);
    let mut archive = zip::ZipArchive::new(fs::File::open(&source).unwrap()).unwrap();
    archive.extract(sandbox.path("folder")).unwrap();
    let _ = pgprep(&sandbox, "pack folder -o unzipped").with_status(0);
    let _ = pgprep(&sandbox, "view folder -o sheet.png").with_status(0);
    assert_eq!(dataset(&sandbox, "zipped").fingerprint(), dataset(&sandbox, "unzipped").fingerprint());
    assert_eq!(classes(&dataset(&sandbox, "zipped")), [2, 0, 5]);
    let _ = pgprep(&sandbox, "pack folder -o plain --labels none").with_status(0);
    assert_eq!(dataset(&sandbox, "plain").label_names(), None);
}

#[test]
fn a_dataset_is_packed_at_another_resolution_with_its_labels_and_origins() {
    let sandbox = Sandbox::new();
    let _ = pgprep(&sandbox, &format!("pack {} -o big", fixture("sources/cifar10_binary"))).with_status(0);
    let _ = pgprep(&sandbox, "pack big -o small --resolution 16").with_status(0);
    let (big, small) = (dataset(&sandbox, "big"), dataset(&sandbox, "small"));
    assert_eq!(level(&small, 16), level(&big, 16));
    assert_eq!(labels(&small), labels(&big));
    let line = |name: &str| small_line(&sandbox, name);
    assert_eq!(
        (&line("small")["path"], &line("small")["blake3"]),
        (&line("big")["path"], &line("big")["blake3"])
    );
    assert_eq!(line("small")["geometry"]["before"], line("big")["geometry"]);
    let _ = pgprep(&sandbox, "pack big -o same").with_status(0);
    assert_eq!(dataset(&sandbox, "same").fingerprint(), big.fingerprint());
    let strict = pgprep(&sandbox, "pack big -o larger --resolution 64").with_status(1);
    assert!(strict.stderr.contains("--fit crop, pad or stretch"), "{}", strict.stderr);
}

fn small_line(sandbox: &Sandbox, name: &str) -> serde_json::Value {
    let text = fs::read_to_string(sandbox.path(name).join("index/shard-00000.jsonl")).unwrap();
    serde_json::from_str(text.lines().next().unwrap()).unwrap()
}

#[test]
fn labels_come_from_folders_csv_and_json() {
    let sandbox = Sandbox::new();
    write_classes(&sandbox);
    let packed = |name: &str, labels: &str| {
        let _ = pgprep(&sandbox, &format!("pack classes -o {name} --labels {labels}")).with_status(0);
        labels_of(&sandbox, name)
    };
    let (names, rows) = packed("a", "folders");
    assert_eq!((names, rows[2].clone()), (vec!["cat".to_owned(), "dog".to_owned()], vec![0.0, 1.0]));
    sandbox
        .write("age.csv", "file,age,weight\ncat/a.png,1,2\ncat/b.png,3,4\ndog/c.png,5,6\ndog/d.png,7,8.5\n");
    let (names, rows) = packed("b", "age.csv");
    assert_eq!((names, rows[3].clone()), (vec!["age".to_owned(), "weight".to_owned()], vec![7.0, 8.5]));
    sandbox.write(
        "c.json",
        r#"{"labels": [["cat/a.png", 1], ["cat/b.png", 0], ["dog/c.png", 2], ["dog/d.png", 2]]}"#,
    );
    assert_eq!(packed("c", "c.json").1[0], [0.0, 1.0, 0.0]);
    let _ = pgprep(&sandbox, "verify c").with_status(0);

    sandbox.write("short.csv", "file,label\ncat/a.png,x\n");
    let run = pgprep(&sandbox, "pack classes -o d --labels short.csv").with_status(2);
    assert!(run.stderr.contains("--labels short.csv cannot be used"), "{}", run.stderr);
    assert!(run.stderr.contains("3 of 4 images have no label, the first is \"cat/b.png\""), "{}", run.stderr);
    let cifar = fixture("sources/cifar10_binary");
    let run = pgprep(&sandbox, &format!("pack {cifar} -o d --labels folders")).with_status(2);
    assert!(run.stderr.contains("is of format cifar, which has no folders"), "{}", run.stderr);
}

fn labels_of(sandbox: &Sandbox, name: &str) -> (Vec<String>, Vec<Vec<f32>>) {
    labels(&dataset(sandbox, name)).unwrap()
}

#[test]
fn a_build_is_not_gone_on_with_under_other_labels() {
    let sandbox = Sandbox::new();
    write_classes(&sandbox);
    let _ = pgprep(&sandbox, "pack classes -o ds --labels folders").with_status(0);
    let other = pgprep(&sandbox, "pack classes -o ds --labels none").with_status(2);
    assert!(other.stderr.contains("made by another command"), "{}", other.stderr);
}

#[test]
fn an_image_that_fails_takes_its_label_with_it() {
    let sandbox = Sandbox::new();
    write_classes(&sandbox);
    sandbox.write("classes/cat/b.png", "no picture");
    let _ = pgprep(&sandbox, "pack classes -o ds --labels folders --images-per-shard 2").with_status(1);
    assert_eq!(classes(&dataset(&sandbox, "ds")), [0, 1, 1]);
}

#[test]
fn sources_of_other_formats_are_refused_with_a_way_out() {
    let sandbox = Sandbox::new();
    sandbox.write("old.h5", b"\x89HDF\r\n\x1a\nrest");
    sandbox.write("letter.txt", "Dear reader,");
    let refused = |arguments: &str| {
        let run = pgprep(&sandbox, arguments).with_status(2);
        assert!(run.stdout.is_empty() && !run.stderr.contains("panicked"), "{}", run.stderr);
        run.stderr
    };
    assert!(
        refused("pack old.h5 -o ds")
            .contains("is an HDF5 file, which is not read: write its images as files")
    );
    assert!(
        refused("pack letter.txt -o ds").contains("is of no format that is read, it begins with 44 65 61 72")
    );
    let names = refused("pack letter.txt -o ds --source-format hdf5");
    assert!(
        names.contains("[possible values: folder, zip, cifar, mnist, lmdb, tfrecord, dataset]"),
        "{names}"
    );
    let wrong = refused(&format!("pack {} -o ds --source-format mnist", fixture("sources/lsun_lmdb")));
    assert!(wrong.contains("it does not read as mnist (--source-format)"), "{wrong}");
    let wrong = refused(&format!("pack {} -o ds --source-format dataset", fixture("sources/mnist")));
    assert!(wrong.contains("is no dataset"), "{wrong}");
}

#[test]
fn a_damaged_record_is_one_failed_image_and_a_damaged_frame_an_error() {
    let sandbox = Sandbox::new();
    let bytes = fs::read(fixture("lod/tfr/tfr-r04.tfrecords")).unwrap();
    let mut damaged = bytes.clone();
    damaged[400] ^= 4;
    sandbox.write("a/x-r04.tfrecords", damaged);
    let run = pgprep(&sandbox, "pack a -o ds").with_status(1);
    assert!(
        run.stderr.contains("x-r04.tfrecords is damaged at byte 12: expected data with the checksum"),
        "{}",
        run.stderr
    );
    assert_eq!(dataset(&sandbox, "ds").len(), 1);
    sandbox.write("b/x-r04.tfrecords", &bytes[..1000]);
    let run = pgprep(&sandbox, "pack b -o ds2").with_status(2);
    assert!(run.stderr.contains("found the end of the file at byte 1000"), "{}", run.stderr);
}

#[test]
fn a_killed_export_goes_on_with_the_next_level_and_ends_with_the_same_bytes() {
    let sandbox = Sandbox::new();
    let _ = pgprep(&sandbox, "synth -o noise --noise 256 --count 60 -q").with_status(0);
    let _ = pgprep(&sandbox, "pack noise -o ds -q").with_status(0);
    let _ = pgprep(&sandbox, "export ds --format tfrecord -o straight/tf").with_status(0);
    let mut child = sandbox
        .command("pgprep")
        .args(["export", "ds", "--format", "tfrecord", "-o", "killed/tf", "-q"])
        .spawn()
        .unwrap();
    let started = Instant::now();
    while !sandbox.path("killed/tf/tf-r03.tfrecords").exists() {
        assert!(started.elapsed() < Duration::from_mins(2), "it never got to the middle");
        thread::sleep(Duration::from_micros(200));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!sandbox.path("killed/tf/export.json").exists(), "it was killed in the middle");
    let resumed = pgprep(&sandbox, "export ds --format tfrecord -o killed/tf").with_status(0);
    assert!(resumed.stderr.contains("going on after"), "{}", resumed.stderr);
    let records = |folder: &str| {
        let mut contents = sandbox.contents(folder);
        contents.retain(|(name, _)| name != "export.json");
        contents
    };
    assert!(records("straight/tf") == records("killed/tf"));
    assert_eq!(records("killed/tf").len(), 7);
}

#[test]
fn exports_that_cannot_be_written_are_refused_with_their_flag() {
    let sandbox = Sandbox::new();
    write_classes(&sandbox);
    let _ = pgprep(&sandbox, "pack classes -o ds").with_status(0);
    sandbox.write("full/thesis.tex", "years of work");
    for (arguments, message) in [
        ("export ds --format tfrecord -o full", "full is not empty"),
        ("export ds --format tfrecord -o full/thesis.tex", "(-o)"),
        ("export ds --format zip -o nowhere/out.zip", "cannot write nowhere/out.zip (-o)"),
        ("export ds --format zip -o out.zip --resolution 16", "--resolution cannot be used"),
        ("export classes --format zip -o out.zip", "classes is no dataset"),
    ] {
        let run = pgprep(&sandbox, arguments).with_status(2);
        assert!(run.stderr.contains(message), "expected {message:?} in:\n{}", run.stderr);
    }
    assert!(!sandbox.path("out.zip").exists());
    let _ = pgprep(&sandbox, "export ds --format zip -o out.zip").with_status(0);
    let mut archive = zip::ZipArchive::new(fs::File::open(sandbox.path("out.zip")).unwrap()).unwrap();
    let mut text = String::new();
    archive.by_name("dataset.json").unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text.trim(), r#"{"labels": null}"#);
}
