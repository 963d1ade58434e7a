//! What goes to a bucket and comes back is what a disk would hold.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use std::fs;

use support::{ALIGN_SHARDS, assert_same_dataset, is_empty};
use tests_cloud::Store;

#[test]
fn a_dataset_built_from_and_in_a_bucket_is_the_one_built_on_disk() {
    let store = Store::with_portraits(13);
    let _ = store
        .run("pgprep", &format!("align in/images --landmarks in/list_landmarks.txt {ALIGN_SHARDS} -o out"));
    let remote = store.run(
        "pgprep",
        &format!(
            "align s3://data/in/images --landmarks s3://data/in/list_landmarks.txt {ALIGN_SHARDS} -o s3://data/out"
        ),
    );
    let remote = remote.with_status(0);
    assert!(remote.stdout.contains("13 images at 32, 16, 8, 4 px in s3://data/out"), "{}", remote.stdout);
    assert_same_dataset(&store.sandbox.contents("out"), &store.objects("out"));
    assert!(is_empty(&store.sandbox.path("scratch")));

    for command in ["info", "verify"] {
        let (local, remote) = (
            store.run("pgprep", &format!("{command} out")).with_status(0),
            store.run("pgprep", &format!("{command} s3://data/out")).with_status(0),
        );
        // All but the command line.
        let told =
            |text: &str| text.lines().filter(|l| !l.starts_with("made by")).collect::<Vec<_>>().join("\n");
        assert_eq!(told(&local.stdout), told(&remote.stdout));
    }
    let same = store.run("pgprep", "compare out s3://data/out").with_status(0);
    assert!(same.stdout.starts_with("same: 13 images at 4, 8, 16, 32 px"), "{}", same.stdout);

    let _ = store.run("pgprep", "extract out -o pngs --resolution 16").with_status(0);
    let _ = store.run("pgprep", "extract s3://data/out -o back --resolution 16").with_status(0);
    let _ = store.run("pgprep", "extract s3://data/out -o s3://data/pngs --resolution 16").with_status(0);
    let without_done = |files: Vec<(String, Vec<u8>)>| -> Vec<_> {
        files.into_iter().filter(|(name, _)| name != "extract.json").collect()
    };
    let pngs = without_done(store.sandbox.contents("pngs"));
    assert_eq!(pngs.len(), 13);
    assert!(pngs == without_done(store.sandbox.contents("back")));
    assert!(pngs == without_done(store.objects("pngs")));
    assert!(is_empty(&store.sandbox.path("scratch")));
}

#[test]
fn aligned_png_files_and_failures_are_those_of_the_same_folder_on_disk() {
    let store = Store::with_portraits(5);
    fs::write(store.sandbox.path("in/images/000002.jpg"), b"").unwrap();
    fs::write(store.sandbox.path("in/images/000004.jpg"), b"no picture").unwrap();
    store.upload("in");
    let flags = "--size 32";
    let _ = store
        .run("pgprep", &format!("align in/images --landmarks in/list_landmarks.txt {flags} -o out"))
        .with_status(1);
    let _ = store
        .run(
            "pgprep",
            &format!("align s3://data/in/images/ --landmarks s3://data/in/list_landmarks.txt {flags} -o s3://data/out/"),
        )
        .with_status(1);
    let without_done = |files: Vec<(String, Vec<u8>)>| -> Vec<_> {
        files.into_iter().filter(|(name, _)| name != "align.json").collect()
    };
    let (local, remote) = (store.sandbox.contents("out"), store.objects("out"));
    let names: Vec<&str> = remote.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["000001.png", "000003.png", "000005.png", "align.json", "failed.jsonl"]);
    assert!(without_done(local) == without_done(remote));
}

#[test]
fn portraits_are_drawn_into_a_bucket_as_onto_a_disk() {
    let store = Store::with_portraits(3);
    let drawn = store.run("pgprep", "synth -o s3://data/drawn --count 3 --seed 5").with_status(0);
    assert!(drawn.stdout.contains("3 portraits in s3://data/drawn/images"), "{}", drawn.stdout);
    let without_done = |files: Vec<(String, Vec<u8>)>| -> Vec<_> {
        files.into_iter().filter(|(name, _)| name != "synth.json").collect()
    };
    assert!(without_done(store.objects("in")) == without_done(store.objects("drawn")));
}

#[test]
fn folders_zips_collections_and_datasets_are_packed_from_a_bucket_as_from_a_disk() {
    let store = Store::with_portraits(6);
    support::fixture(&store, "sources/lsun_lmdb");
    support::fixture(&store, "sources/mnist");
    support::fixture(&store, "sources/cifar10_python.tar.gz");
    support::fixture(&store, "sources/stylegan.zip");
    let labels =
        "file,label\n000001.jpg,a\n000002.jpg,b\n000003.jpg,a\n000004.jpg,b\n000005.jpg,a\n000006.jpg,b\n";
    store.sandbox.write("labels.csv", labels);
    store.upload("labels.csv");
    for (source, flags) in [
        ("in/images", "--fit crop --resolution 32 --labels URL/labels.csv --shuffle 3 --codec med-zstd"),
        ("sources/lsun_lmdb", "--fit crop --resolution 16"),
        ("sources/mnist", ""),
        ("sources/cifar10_python.tar.gz", "--source-format cifar"),
        ("sources/stylegan.zip", ""),
        ("packed-0", "--resolution 8"),
    ] {
        let number = ["in/images", "packed-0"].iter().position(|s| *s == source).unwrap_or(9);
        let local = flags.replace("URL/", "");
        let remote = flags.replace("URL/", "s3://data/");
        let (here, there) = (format!("packed-{number}"), format!("s3://data/packed-{number}"));
        let _ = store.run("pgprep", &format!("pack {source} {local} -o {here}")).with_status(0);
        let _ = store.run("pgprep", &format!("pack s3://data/{source} {remote} -o {there}")).with_status(0);
        assert_same_dataset(&store.sandbox.contents(&here), &store.objects(&format!("packed-{number}")));
        if number == 9 {
            fs::remove_dir_all(store.sandbox.path(&here)).unwrap();
            fs::remove_dir_all(store.bucket().join("packed-9")).unwrap();
        }
    }
    assert!(is_empty(&store.sandbox.path("scratch")));
}

#[test]
fn selections_exports_and_sheets_go_to_a_bucket_too() {
    let store = Store::with_portraits(4);
    let _ = store.run("pgprep", "select in/images --keep 2 -o best --report report").with_status(0);
    let remote = "select s3://data/in/images --keep 2 -o s3://data/best --report s3://data/report";
    let _ = store.run("pgprep", remote).with_status(0);
    let again = store.run("pgprep", remote).with_status(0);
    assert!(again.stderr.contains("s3://data/best is complete already"), "{}", again.stderr);
    let pictures = |files: Vec<(String, Vec<u8>)>| -> Vec<_> {
        files.into_iter().filter(|(name, _)| name != "select.json").collect()
    };
    assert!(pictures(store.sandbox.contents("best")) == pictures(store.objects("best")));
    assert!(store.sandbox.contents("report") == store.objects("report"));

    let _ = store.run("pgprep", "pack in/images --fit crop --resolution 16 -o ds").with_status(0);
    store.upload("ds");
    let _ = store.run("pgprep", "export ds --format zip -o out.zip").with_status(0);
    let _ = store.run("pgprep", "export s3://data/ds --format zip -o s3://data/out.zip").with_status(0);
    assert!(
        fs::read(store.sandbox.path("out.zip")).unwrap() == fs::read(store.bucket().join("out.zip")).unwrap()
    );
    let _ = store.run("pgprep", "export s3://data/ds --format tfrecord -o s3://data/tf").with_status(0);
    let _ = store.run("pgprep", "export ds --format tfrecord -o tf").with_status(0);
    let records = |files: Vec<(String, Vec<u8>)>| -> Vec<_> {
        files.into_iter().filter(|(name, _)| name != "export.json").collect()
    };
    assert!(records(store.sandbox.contents("tf")) == records(store.objects("tf")));
    let _ = store.run("pgprep", "view ds -o sheet.png").with_status(0);
    let viewed = store.run("pgprep", "view s3://data/ds -o s3://data/sheet.png").with_status(0);
    assert!(viewed.stdout.contains("4 images in s3://data/sheet.png"), "{}", viewed.stdout);
    assert!(
        fs::read(store.sandbox.path("sheet.png")).unwrap()
            == fs::read(store.bucket().join("sheet.png")).unwrap()
    );
    assert!(is_empty(&store.sandbox.path("scratch")));
}
