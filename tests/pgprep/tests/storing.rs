//! Levels and codecs of datasets, through every command that reads them.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use std::fs;

use pg_shard::Dataset;
use pg_testkit::sandbox::Sandbox;
use support::{ALIGN, pgprep, with_portraits};

const PACK: &str = "pack in/images --fit crop --resolution 64 --images-per-shard 2";

/// All images of the level of `side` px.
fn level(sandbox: &Sandbox, dataset: &str, side: u32) -> Vec<Vec<u8>> {
    let level = Dataset::open(&sandbox.path(dataset)).unwrap().level_of_side(side).unwrap();
    (0..level.len()).map(|i| level.image(i).unwrap().into_owned()).collect()
}

#[test]
fn a_compressed_dataset_holds_the_same_and_every_command_reads_it() {
    let sandbox = with_portraits(5);
    for command in [
        format!("{PACK} -o raw"),
        format!("{PACK} -o small --codec med-zstd"),
        format!("{ALIGN} --format shards --codec med-zstd -o faces"),
        format!("{ALIGN} --format shards -o raw-faces"),
        "verify small".to_owned(),
        "compare raw small".to_owned(),
        "compare raw-faces faces".to_owned(),
        "view small -o sheet.png".to_owned(),
        "pack small -o again --resolution 64".to_owned(),
        "compare again raw".to_owned(),
        "export raw --format tfrecord -o a/faces".to_owned(),
        "export small --format tfrecord -o b/faces".to_owned(),
        "extract raw -o pngs".to_owned(),
        "extract small -o pngs-too".to_owned(),
    ] {
        let _ = pgprep(&sandbox, &command).with_status(0);
    }
    let tfrecords = |folder: &str| {
        let files = sandbox.contents(folder).into_iter();
        files.filter(|(name, _)| name.contains("tfrecords")).collect::<Vec<_>>()
    };
    assert_eq!(tfrecords("a").len(), 5);
    assert_eq!(tfrecords("a"), tfrecords("b"));
    let pngs = |folder: &str| {
        let files = sandbox.contents(folder).into_iter();
        files.filter(|(name, _)| name.contains("png")).collect::<Vec<_>>()
    };
    assert_eq!(pngs("pngs"), pngs("pngs-too"));
    let bytes = |folder: &str| {
        fs::metadata(sandbox.path(folder).join("r0064/shard-00000.safetensors")).unwrap().len()
    };
    assert!(bytes("small") < bytes("raw") * 6 / 10);
    let info = pgprep(&sandbox, "info small").with_status(0).stdout;
    assert!(info.contains(" med-zstd, ") && info.contains(" % of raw"), "{info}");
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(sandbox.path("small/dataset.json")).unwrap()).unwrap();
    assert_eq!((&json["format_version"], &json["codec"]), (&2.into(), &"med-zstd".into()));
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(sandbox.path("raw/dataset.json")).unwrap()).unwrap();
    assert_eq!((&json["format_version"], json.get("codec")), (&1.into(), None));
}

#[test]
fn only_the_levels_asked_for_are_written_and_they_are_the_same() {
    let sandbox = with_portraits(3);
    let _ = pgprep(&sandbox, &format!("{PACK} -o all")).with_status(0);
    for (number, (levels, sides)) in
        [("4..16", &[4, 8, 16][..]), ("64,4", &[4, 64]), ("..=8,32..", &[4, 8, 32, 64]), ("16", &[16])]
            .into_iter()
            .enumerate()
    {
        let run =
            pgprep(&sandbox, &format!("{PACK} --levels {levels} -o some{number} --json")).with_status(0);
        let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(json["resolutions"], serde_json::json!(sides));
        let some = format!("some{number}");
        assert_eq!(
            fs::read_dir(sandbox.path(&some)).unwrap().count(),
            sides.len() + 3,
            "levels, index, two files"
        );
        for &side in sides {
            assert_eq!(level(&sandbox, &some, side), level(&sandbox, "all", side));
        }
        for command in ["verify", "info", "extract -o pngs --resolution 16", "view -o sheet.png --overwrite"]
        {
            let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
            if number != 1 || verb != "extract" {
                let has_16 = number != 2 || verb != "extract";
                let status = if has_16 { 0 } else { 2 };
                let rest = rest.replace("pngs", &format!("pngs{number}"));
                let _ = pgprep(&sandbox, &format!("{verb} {some} {rest}")).with_status(status);
            }
        }
        let differing = pgprep(&sandbox, &format!("compare {some} all")).with_status(1);
        assert!(differing.stdout.starts_with("A has levels of"), "{}", differing.stdout);
        assert_eq!(differing.stdout.lines().count(), 1, "{}", differing.stdout);
    }
    let export = pgprep(&sandbox, "export some1 --format tfrecord -o tf").with_status(2);
    assert!(export.stderr.contains("has no level of 8 px, and ProGAN reads all"), "{}", export.stderr);
    let _ = pgprep(&sandbox, "export some0 --format tfrecord -o tf").with_status(0);
    let _ = pgprep(&sandbox, "pack some1 -o from-some --resolution 64").with_status(0);
    assert_eq!(level(&sandbox, "from-some", 32), level(&sandbox, "all", 32));
    let none = pgprep(&sandbox, "extract some1 -o none --resolution 16").with_status(2);
    assert!(none.stderr.contains("has no level of 16 px: it has 4, 64"), "{}", none.stderr);
}

#[test]
fn levels_and_codecs_that_cannot_be_are_refused_before_anything_is_written() {
    let sandbox = with_portraits(1);
    for (arguments, expected) in [
        (format!("{PACK} -o out --levels 4..128"), "--levels 4..128 cannot be used: the images have 64 px"),
        (format!("{PACK} -o out --levels 4..100"), "\"100\" is no level: expected a power of two"),
        (format!("{PACK} -o out --codec gzip"), "invalid value 'gzip' for '--codec"),
        (format!("{ALIGN} -o out --codec med-zstd"), "give --format shards"),
        (format!("{ALIGN} -o out --levels 4..8"), "give --format shards"),
    ] {
        let run = pgprep(&sandbox, &arguments).with_status(2);
        assert!(run.stderr.contains(expected), "{}", run.stderr);
    }
    assert!(!sandbox.path("out").exists());
}

#[test]
fn another_codec_or_other_levels_on_a_half_done_output_are_refused() {
    let sandbox = with_portraits(2);
    let _ = pgprep(&sandbox, &format!("{PACK} -o out")).with_status(0);
    for other in ["--codec med-zstd", "--levels 4..16"] {
        let run = pgprep(&sandbox, &format!("{PACK} -o out {other}")).with_status(2);
        assert!(
            run.stderr.contains("already holds a finished dataset made by another command"),
            "{}",
            run.stderr
        );
    }
    let again = pgprep(&sandbox, &format!("{PACK} -o out --levels 4..64 --codec raw")).with_status(0);
    assert!(again.stderr.contains("is complete already"), "all levels by name: {}", again.stderr);
}

#[test]
fn the_number_of_threads_changes_no_byte_of_a_compressed_dataset() {
    let mut outputs = Vec::new();
    for threads in [1, 2, 5] {
        let sandbox = with_portraits(7);
        let command = format!("{PACK} -o ds --levels 8.. --codec med-zstd --threads {threads}");
        let _ = pgprep(&sandbox, &command).with_status(0);
        outputs.push(sandbox.contents("ds"));
    }
    assert_eq!(outputs[0], outputs[1]);
    assert_eq!(outputs[0], outputs[2]);
}

#[test]
fn a_damaged_compressed_image_is_an_error_that_names_it() {
    let sandbox = with_portraits(3);
    let _ = pgprep(&sandbox, &format!("{PACK} -o ds --codec med-zstd")).with_status(0);
    let path = sandbox.path("ds/r0064/shard-00001.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    bytes[1000] ^= 4;
    fs::write(&path, bytes).unwrap();
    let _ = pgprep(&sandbox, "extract ds -o pngs").with_status(1);
    let failed = fs::read_to_string(sandbox.path("pngs/failed.jsonl")).unwrap();
    assert!(failed.contains("000002.png") && failed.contains("is damaged"), "{failed}");
    let export = pgprep(&sandbox, "export ds --format tfrecord -o tf").with_status(2);
    assert!(export.stderr.contains("image 2 in") && !export.stderr.contains("panicked"), "{}", export.stderr);
}
