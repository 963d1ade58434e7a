//! Zips of images as input, and what is told of encodings.

use std::io::Write as _;

use pg_testkit::golden::fixture;
use pg_testkit::sandbox::Sandbox;
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

use crate::support::{draw_folder, json_of, pgeval, waves};

/// Packs the folder `from` into `name`, in reverse order, every second file deflated.
fn pack(sandbox: &Sandbox, from: &str, name: &str) {
    let mut zip = zip::ZipWriter::new(std::fs::File::create(sandbox.path(name)).unwrap());
    for (i, (path, bytes)) in sandbox.contents(from).into_iter().enumerate().rev() {
        let method = if i % 2 == 0 { CompressionMethod::Deflated } else { CompressionMethod::Stored };
        let options = SimpleFileOptions::default().compression_method(method);
        zip.start_file(format!("samples/{path}"), options).unwrap();
        zip.write_all(&bytes).unwrap();
    }
    zip.start_file("readme.txt", SimpleFileOptions::default()).unwrap();
    zip.write_all(b"no image").unwrap();
    zip.finish().unwrap();
}

#[test]
fn a_zip_scores_as_the_folder_that_it_was_made_from() {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "real", 6, 32, 0);
    draw_folder(&sandbox, "fake", 6, 32, 50);
    pack(&sandbox, "real", "real.zip");
    pack(&sandbox, "fake", "fake.zip");
    let score = |real, fake, threads| {
        let arguments = ["swd", real, fake, "--json", "--repeats", "1", "--threads", threads];
        json_of(&sandbox, &arguments)
    };
    let folders = score("real", "fake", "1");
    for threads in ["1", "2", "3"] {
        let zips = score("real.zip", "fake.zip", threads);
        for member in ["value", "levels", "interval", "protocol"] {
            assert_eq!(zips[member], folders[member], "{member}");
        }
    }
    let real = &score("real.zip", "fake", "2")["provenance"]["settings"]["real"];
    assert_eq!((&real["kind"], &real["images"]), (&"zip".into(), &6.into()));
    let ms_ssim = |images| json_of(&sandbox, &["ms-ssim", images, "--json"])["value"].clone();
    assert_eq!(ms_ssim("fake.zip"), ms_ssim("fake"));
}

#[test]
fn encodings_of_what_was_read_are_recorded() {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "mixed", 3, 32, 0);
    waves(9, 32, 32).save(sandbox.path("mixed/9.jpg")).unwrap();
    // Told by content: the name lies.
    std::fs::rename(sandbox.path("mixed/000.png"), sandbox.path("mixed/000.jpg")).unwrap();
    let result = json_of(&sandbox, &["ms-ssim", "mixed", "--json"]);
    let encodings = &result["provenance"]["settings"]["images"]["encodings"];
    assert_eq!(*encodings, serde_json::json!({ "JPEG": 1, "PNG": 3 }));
}

#[test]
fn broken_zips_are_refused_with_the_entry_s_name() {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "good", 3, 32, 0);
    pack(&sandbox, "good", "cut.zip");
    let whole = std::fs::read(sandbox.path("cut.zip")).unwrap();
    sandbox.write("cut.zip", &whole[..whole.len() / 2]);
    draw_folder(&sandbox, "mixed", 2, 32, 0);
    waves(9, 48, 32).save(sandbox.path("mixed/9.png")).unwrap();
    pack(&sandbox, "mixed", "mixed.zip");
    let picture = sandbox.contents("good").swap_remove(1).1;
    sandbox.write("broken/000.png", &picture);
    sandbox.write("broken/001.png", &picture[..picture.len() / 2]);
    pack(&sandbox, "broken", "broken.zip");
    sandbox.write("none/notes.txt", "no image");
    pack(&sandbox, "none", "none.zip");
    for (images, expected) in [
        ("cut.zip", &["IMAGES cut.zip", "cut.zip cannot be read as a zip file"][..]),
        ("mixed.zip", &["mixed.zip/samples/9.png has 48x32 pixels, expected 32x32"]),
        ("broken.zip", &["broken.zip/samples/001.png"]),
        ("none.zip", &["none.zip", "no images"]),
    ] {
        let finished = pgeval(&sandbox, &["ms-ssim", images, "--json"]).with_status(2);
        assert_eq!(finished.stdout, "");
        for text in expected {
            assert!(finished.stderr.contains(text), "{text:?} not in\n{}", finished.stderr);
        }
    }
    let finished = pgeval(&sandbox, &["ms-ssim", "broken.zip", "--max-pixels", "1000"]).with_status(2);
    assert!(finished.stderr.contains("--max-pixels N allows more"), "{}", finished.stderr);
}

#[test]
fn every_collection_that_is_packed_is_scored_as_it_is() {
    let sandbox = Sandbox::new();
    for (path, kind) in [
        ("sources/cifar10_binary", "cifar"),
        ("sources/cifar10_python.tar.gz", "cifar"),
        ("sources/mnist/train-images-idx3-ubyte.gz", "mnist"),
        ("sources/lsun_lmdb", "lmdb"),
        ("lod/tfr", "tfrecord"),
    ] {
        let source = fixture(path).display().to_string();
        let result =
            json_of(&sandbox, &["ms-ssim", &source, "--fit", "crop", "--resolution", "32", "--json"]);
        let set = &result["provenance"]["settings"]["images"];
        assert_eq!(set["kind"], kind, "{path}");
        assert!(result["value"].is_number(), "{path}");
        // As the dataset that is packed from it.
        let packed = sandbox.path(kind).display().to_string();
        let pack = ["pack", &source, "-o", &packed, "--fit", "crop", "--resolution", "32", "--overwrite"];
        let _ = sandbox.run("pgprep", pack).with_status(0);
        let of_dataset = json_of(&sandbox, &["ms-ssim", &packed, "--json"]);
        assert_eq!(result["value"], of_dataset["value"], "{path}");
        assert_eq!(set["images"], of_dataset["provenance"]["settings"]["images"]["images"], "{path}");
    }
}

#[test]
fn what_lies_beside_the_images_is_said_and_recorded() {
    let sandbox = Sandbox::new();
    draw_folder(&sandbox, "mixed", 3, 32, 0);
    sandbox.write("mixed/notes.txt", "no image");
    sandbox.write("mixed/@eaDir/000.png", "thumbnail");
    let run = sandbox.run("pgeval", ["ms-ssim", "mixed", "--json"]).with_status(0);
    let said =
        "IMAGES mixed: no images, left out: 1 file (\"notes.txt\"), 1 hidden or system folder (\"@eaDir\")";
    assert!(run.stderr.contains(said), "{}", run.stderr);
    let result: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let left_out = &result["provenance"]["settings"]["images"]["left_out"];
    assert_eq!(left_out["files"], serde_json::json!({ "count": 1, "first": ["notes.txt"] }));
    assert_eq!(left_out["folders"]["count"], 1);
}
