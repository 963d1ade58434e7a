//! `verify` finds whatever is damaged, `--repair` puts it right or leaves it alone.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use std::fs;

use pg_testkit::sandbox::Sandbox;
use support::{ALIGN, pgprep, with_portraits};

/// A dataset with a failed item, so that there is a `failed.jsonl`.
fn dataset(codec: &str) -> Sandbox {
    let sandbox = with_portraits(5);
    sandbox.write("in/images/broken.jpg", b"no picture");
    let command = format!(
        "pack in/images --fit crop --resolution 32 --images-per-shard 2 --labels none --codec {codec} -o ds"
    );
    let _ = pgprep(&sandbox, &command).with_status(1);
    let _ = pgprep(&sandbox, "verify ds").with_status(0);
    sandbox
}

fn flip(sandbox: &Sandbox, file: &str, at: usize) {
    let path = sandbox.path("ds").join(file);
    let mut bytes = fs::read(&path).unwrap();
    bytes[at] ^= 1 << (at % 8);
    fs::write(&path, bytes).unwrap();
}

/// How many positions of each file are tried, unless `PGKIT_FLIPS=N` says so.
const FLIPS: usize = 3;

#[test]
fn verify_finds_any_flipped_byte_in_any_file() {
    let flips = std::env::var("PGKIT_FLIPS").map_or(FLIPS, |text| text.parse().unwrap());
    for codec in ["raw", "med-zstd"] {
        let sandbox = dataset(codec);
        for (file, bytes) in sandbox.contents("ds") {
            let step = bytes.len().div_ceil(flips).max(1);
            for at in (0..bytes.len()).step_by(step).chain([bytes.len().saturating_sub(1)]) {
                if bytes.is_empty() {
                    continue;
                }
                flip(&sandbox, &file, at);
                let run = pgprep(&sandbox, "verify ds -q").with_status(1);
                assert!(run.stdout.starts_with(&format!("{file}: ")), "{file} at {at}: {}", run.stdout);
                fs::write(sandbox.path("ds").join(&file), &bytes).unwrap();
            }
        }
        let _ = pgprep(&sandbox, "verify ds").with_status(0);
    }
}

#[test]
fn missing_shortened_and_lengthened_files_are_found() {
    let sandbox = dataset("raw");
    for (file, bytes) in sandbox.contents("ds") {
        if file == "dataset.json" {
            continue;
        }
        let path = sandbox.path("ds").join(&file);
        fs::remove_file(&path).unwrap();
        let run = pgprep(&sandbox, "verify ds").with_status(1);
        assert!(run.stdout.contains(&format!("{file}: missing")), "{}", run.stdout);
        for changed in [&bytes[..bytes.len().saturating_sub(1)], &[&bytes[..], b"x"].concat()] {
            if changed != bytes {
                fs::write(&path, changed).unwrap();
                let run = pgprep(&sandbox, "verify ds").with_status(1);
                assert!(run.stdout.contains(&format!("{file}: ")), "{}", run.stdout);
            }
        }
        fs::write(&path, &bytes).unwrap();
    }
    let _ = pgprep(&sandbox, "verify ds").with_status(0);
}

#[test]
fn verify_names_exactly_the_compressed_images_that_are_hit() {
    let sandbox = dataset("med-zstd");
    let bytes = fs::read(sandbox.path("ds/r0032/shard-00000.safetensors")).unwrap();
    // Of two images of much the same size the second begins behind the middle.
    flip(&sandbox, "r0032/shard-00000.safetensors", bytes.len() - 200);
    let run = pgprep(&sandbox, "verify ds --json").with_status(1);
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let damaged = &json["damaged"][0];
    assert_eq!(damaged["names"], serde_json::json!(["000002.jpg"]));
    assert_eq!(
        (&damaged["first_image"], &damaged["images"], &damaged["exact"]),
        (&1.into(), &1.into(), &true.into())
    );
}

/// Damages these files in several ways, repairs, and expects the bytes of before.
fn repairs(sandbox: &Sandbox, files: &[&str], options: &str, expected: &str) {
    let before = sandbox.contents("ds");
    for (number, file) in files.iter().enumerate() {
        let path = sandbox.path("ds").join(file);
        match number % 3 {
            0 => flip(sandbox, file, fs::metadata(&path).unwrap().len() as usize / 2),
            1 => fs::remove_file(&path).unwrap(),
            _ => fs::write(&path, b"cut").unwrap(),
        }
    }
    let run = pgprep(sandbox, &format!("verify ds --repair {options}")).with_status(0);
    for file in files {
        let line = run.stdout.lines().find(|line| line.starts_with(&format!("{file}: ")));
        assert!(line.is_some_and(|line| line.contains(expected)), "{file}: {}", run.stdout);
    }
    assert!(before == sandbox.contents("ds"), "the same bytes, and nothing left behind");
    let _ = pgprep(sandbox, "verify ds").with_status(0);
}

#[test]
fn coarser_levels_are_repaired_without_the_sources() {
    for codec in ["raw", "med-zstd"] {
        let sandbox = dataset(codec);
        fs::rename(sandbox.path("in"), sandbox.path("elsewhere")).unwrap();
        let files = [
            "r0004/shard-00000.safetensors",
            "r0016/shard-00000.safetensors",
            "r0008/shard-00002.safetensors",
        ];
        repairs(&sandbox, &files, "", "repaired from the finest level");
        repairs(&sandbox, &["dataset.blake3"], "", "repaired from the files it seals");
    }
}

#[test]
fn everything_else_of_a_packed_dataset_is_repaired_from_the_sources() {
    for codec in ["raw", "med-zstd"] {
        let sandbox = dataset(codec);
        let files =
            ["r0032/shard-00000.safetensors", "index/shard-00001.jsonl", "r0032/shard-00002.safetensors"];
        repairs(&sandbox, &files, "", "repaired from the sources");
        fs::rename(sandbox.path("in"), sandbox.path("elsewhere")).unwrap();
        repairs(&sandbox, &files, "--source elsewhere/images", "repaired from the sources");
    }
}

#[test]
fn an_aligned_dataset_is_repaired_from_photos_and_landmarks() {
    let sandbox = with_portraits(5);
    let command =
        format!("{ALIGN} --format shards --images-per-shard 2 --levels 4..16 --codec med-zstd -o ds");
    let _ = pgprep(&sandbox, &command).with_status(0);
    // The finest level stored is not the one aligned, so coarser ones do not follow from it.
    repairs(
        &sandbox,
        &["r0016/shard-00001.safetensors", "r0008/shard-00000.safetensors"],
        "",
        "repaired from the sources",
    );
    fs::rename(sandbox.path("in"), sandbox.path("moved")).unwrap();
    let options = "--source moved/images --landmarks moved/list_landmarks.txt";
    repairs(&sandbox, &["index/shard-00000.jsonl"], options, "repaired from the sources");
}

#[test]
fn how_the_command_was_typed_does_not_matter_to_a_repair() {
    for output in ["-qo ds", "-qods", "--output=ds -q"] {
        let sandbox = with_portraits(5);
        let command = format!("pack in/images --fit crop --resolution 32 --images-per-shard 2 {output}");
        let _ = pgprep(&sandbox, &command).with_status(0);
        repairs(&sandbox, &["r0032/shard-00001.safetensors"], "", "repaired from the sources");
    }
    let sandbox = with_portraits(5);
    for part in ["1/2", "2/2"] {
        let command = format!("{ALIGN} --format shards --images-per-shard 2 --part {part} -qo parts");
        let _ = pgprep(&sandbox, &command).with_status(0);
    }
    let _ = pgprep(&sandbox, "merge parts -qo ds").with_status(0);
    repairs(&sandbox, &["r0032/shard-00001.safetensors"], "", "repaired from the sources");
}

#[test]
fn labels_are_repaired_with_their_shard() {
    let sandbox = with_portraits(4);
    for (name, folder) in [("000001.jpg", "a"), ("000002.jpg", "b"), ("000003.jpg", "b"), ("000004.jpg", "a")]
    {
        fs::create_dir_all(sandbox.path("classes").join(folder)).unwrap();
        fs::copy(sandbox.path("in/images").join(name), sandbox.path("classes").join(folder).join(name))
            .unwrap();
    }
    let command =
        "pack classes --fit crop --resolution 16 --images-per-shard 3 --labels folders --shuffle 4 -o ds";
    let _ = pgprep(&sandbox, command).with_status(0);
    let files =
        ["labels/shard-00000.safetensors", "r0016/shard-00001.safetensors", "labels/shard-00001.safetensors"];
    repairs(&sandbox, &files, "", "repaired from the sources");
}

#[test]
fn what_cannot_be_repaired_is_left_alone_and_reported() {
    let sandbox = dataset("raw");
    let file = "r0032/shard-00001.safetensors";
    flip(&sandbox, file, 3000);
    let damaged = sandbox.contents("ds");
    let before = fs::read(sandbox.path("in/images/000003.jpg")).unwrap();

    // Another photo in its place: of another length, then of the same.
    fs::copy(sandbox.path("in/images/000001.jpg"), sandbox.path("in/images/000003.jpg")).unwrap();
    let run = pgprep(&sandbox, "verify ds --repair").with_status(1);
    assert!(run.stdout.contains("not repaired: the sources are not those"), "{}", run.stdout);
    assert!(damaged == sandbox.contents("ds"));
    let mut other = before.clone();
    let middle = other.len() / 2;
    other[middle] ^= 1;
    fs::write(sandbox.path("in/images/000003.jpg"), other).unwrap();
    let run = pgprep(&sandbox, "verify ds --repair").with_status(1);
    assert!(run.stdout.contains("not repaired: the sources give another content"), "{}", run.stdout);
    assert!(damaged == sandbox.contents("ds"));

    fs::remove_dir_all(sandbox.path("in")).unwrap();
    let run = pgprep(&sandbox, "verify ds --repair").with_status(1);
    assert!(run.stdout.contains("not repaired: the sources cannot be used (--source)"), "{}", run.stdout);
    flip(&sandbox, "failed.jsonl", 3);
    flip(&sandbox, "dataset.json", 3);
    let run = pgprep(&sandbox, "verify ds --repair").with_status(1);
    assert!(run.stdout.starts_with("dataset.json: content changed"), "{}", run.stdout);
    let missing = pgprep(&sandbox, "verify nowhere").with_status(2);
    assert!(missing.stderr.contains("is no dataset"), "{}", missing.stderr);
}
