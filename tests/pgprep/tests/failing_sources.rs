//! Sources that go away, that change, and whose images are mended later.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use pg_testkit::sandbox::{Finished, Sandbox};
use support::{ALIGN, pgprep, with_portraits};

const PACK: &str = "pack in/images --fit crop --resolution 64 --images-per-shard 2";

/// Without what says when and by which command it was made.
fn dataset(sandbox: &Sandbox, folder: &str) -> Vec<(String, Vec<u8>)> {
    let mut contents = sandbox.contents(folder);
    contents.retain(|(name, _)| !["dataset.json", "dataset.blake3"].contains(&name.as_str()));
    contents
}

fn manifest(sandbox: &Sandbox, folder: &str) -> serde_json::Value {
    serde_json::from_slice(&fs::read(sandbox.path(folder).join("dataset.json")).unwrap()).unwrap()
}

/// Runs `command` and calls `meanwhile` once the file `sign` is there.
fn disturbed(sandbox: &Sandbox, command: &str, sign: &Path, meanwhile: impl FnOnce()) -> Finished {
    let child = sandbox
        .command("pgprep")
        .args(command.split_whitespace())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while !sign.exists() {
        assert!(started.elapsed() < Duration::from_mins(1), "{} never came", sign.display());
        sleep(Duration::from_millis(1));
    }
    meanwhile();
    Finished::of(child.wait_with_output().unwrap(), sandbox.folder())
}

#[test]
fn a_source_that_goes_away_ends_the_build_and_is_no_image_s_fault() {
    let sandbox = with_portraits(60);
    for command in [PACK.to_owned(), format!("{ALIGN} --format shards --images-per-shard 2 --codec med-zstd")]
    {
        let command = command.replace("--size 32", "--size 256");
        let _ = fs::remove_dir_all(sandbox.path("out"));
        let (images, away) = (sandbox.path("in/images"), sandbox.path("in/away"));
        let sign = sandbox.path("out/pgkit-build/shard-00001.json");
        let stopped = disturbed(&sandbox, &format!("{command} -o out --threads 1"), &sign, || {
            fs::rename(&images, &away).unwrap();
        });
        assert_eq!(stopped.status, 2, "{}", stopped.stderr);
        assert!(stopped.stderr.contains("the source failed: "), "{}", stopped.stderr);
        assert!(stopped.stderr.contains("shards are finished; run the same command again to go on"));
        assert!(!sandbox.path("out/dataset.json").exists() && !sandbox.path("out/failed.jsonl").exists());

        fs::rename(&away, &images).unwrap();
        let finished = pgprep(&sandbox, &format!("{command} -o out")).with_status(0);
        assert!(finished.stderr.contains("going on after"), "{}", finished.stderr);
        let _ = fs::remove_dir_all(sandbox.path("fresh"));
        let _ = pgprep(&sandbox, &format!("{command} -o fresh -q")).with_status(0);
        assert!(dataset(&sandbox, "out") == dataset(&sandbox, "fresh"), "{command}");
    }
}

#[test]
fn aligned_files_whose_source_goes_away_go_on_too() {
    let sandbox = with_portraits(60);
    let command = ALIGN.replace("--size 32", "--size 256");
    let (images, away) = (sandbox.path("in/images"), sandbox.path("in/away"));
    let stopped = disturbed(
        &sandbox,
        &format!("{command} -o out --threads 1"),
        &sandbox.path("out/000003.png"),
        || {
            fs::rename(&images, &away).unwrap();
        },
    );
    assert_eq!(stopped.status, 2, "{}", stopped.stderr);
    assert!(stopped.stderr.contains("the source failed: "), "{}", stopped.stderr);
    assert!(!sandbox.path("out/align.json").exists());
    fs::rename(&away, &images).unwrap();
    let _ = pgprep(&sandbox, &format!("{command} -o out")).with_status(0);
    assert_eq!(fs::read_dir(sandbox.path("out")).unwrap().count(), 61, "60 images and align.json");
}

#[cfg(target_os = "linux")]
#[test]
fn an_error_of_the_system_is_no_image_s_fault() {
    let sandbox = with_portraits(6);
    // Reading there is an input/output error.
    std::os::unix::fs::symlink("/proc/self/mem", sandbox.path("in/images/000005.jpg.jpg")).unwrap();
    for command in [PACK, "select in/images --keep 2"] {
        let stopped = pgprep(&sandbox, &format!("{command} -o out")).with_status(2);
        assert!(stopped.stderr.contains("the source failed: "), "{command}: {}", stopped.stderr);
        assert!(stopped.stderr.contains("Input/output error"), "{command}: {}", stopped.stderr);
        assert!(!sandbox.path("out/dataset.json").exists() && !sandbox.path("out/select.json").exists());
        let _ = fs::remove_dir_all(sandbox.path("out"));
    }
}

#[test]
fn a_file_that_changes_while_it_is_read_ends_the_build() {
    let sandbox = with_portraits(60);
    let last = sandbox.path("in/images/000060.jpg");
    let sign = sandbox.path("out/pgkit-build/shard-00001.json");
    let stopped = disturbed(&sandbox, &format!("{PACK} -o out --threads 1"), &sign, || {
        let mut bytes = fs::read(&last).unwrap();
        bytes.push(0);
        fs::write(&last, bytes).unwrap();
    });
    assert_eq!(stopped.status, 2, "{}", stopped.stderr);
    assert!(stopped.stderr.contains("000060.jpg changed while the command ran"), "{}", stopped.stderr);
}

#[test]
fn sources_written_to_between_a_stop_and_going_on_are_read_again() {
    let sandbox = with_portraits(50);
    // Of the same length, so that the list of files is the same.
    let edit = || {
        let path = sandbox.path("in/images/000001.jpg");
        let mut bytes = fs::read(&path).unwrap();
        let table = bytes.windows(2).position(|marker| marker == [0xFF, 0xDB]).unwrap();
        // The first value of the first quantisation table.
        bytes[table + 5] += 9;
        fs::write(&path, bytes).unwrap();
        let later = SystemTime::now() + Duration::from_secs(5);
        fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    };
    for (command, sign) in [
        (format!("{PACK} -o out --threads 1"), "out/pgkit-build/shard-00001.json"),
        (format!("{} -o files --threads 1", ALIGN.replace("--size 32", "--size 256")), "files/000003.png"),
    ] {
        let away = sandbox.path("in/away");
        let stopped = disturbed(&sandbox, &command, &sandbox.path(sign), || {
            fs::rename(sandbox.path("in/images"), &away).unwrap();
        });
        assert_eq!(stopped.status, 2, "{}", stopped.stderr);
        fs::rename(&away, sandbox.path("in/images")).unwrap();
        edit();
        let _ = pgprep(&sandbox, &command).with_status(0);
        let fresh = command.replace("-o out", "-o fresh").replace("-o files", "-o fresh-files");
        let _ = pgprep(&sandbox, &fresh).with_status(0);
    }
    assert!(dataset(&sandbox, "out") == dataset(&sandbox, "fresh"));
    let file = |folder: &str| fs::read(sandbox.path(folder).join("000001.png")).unwrap();
    assert!(file("files") == file("fresh-files"));
}

#[test]
fn failed_images_are_taken_up_again_and_all_is_as_if_they_had_never_failed() {
    let sandbox = with_portraits(9);
    let _ = fs::create_dir(sandbox.path("whole"));
    for name in ["000002.jpg", "000009.jpg"] {
        let path = sandbox.path("in/images").join(name);
        fs::copy(&path, sandbox.path("whole").join(name)).unwrap();
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    }
    let shards = format!("{ALIGN} --format shards --images-per-shard 2");
    let commands = [PACK, &shards, ALIGN];
    for (number, command) in commands.iter().enumerate() {
        let finished = pgprep(&sandbox, &format!("{command} -o out{number}")).with_status(1);
        assert!(finished.stderr.contains("truncated"), "{}", finished.stderr);
        // Nothing was mended yet.
        let _ = pgprep(&sandbox, &format!("{command} -o out{number} --retry-failed")).with_status(1);
    }
    for name in ["000002.jpg", "000009.jpg"] {
        fs::copy(sandbox.path("whole").join(name), sandbox.path("in/images").join(name)).unwrap();
    }
    for (number, command) in commands.iter().enumerate() {
        let again = pgprep(&sandbox, &format!("{command} -o out{number} --retry-failed")).with_status(0);
        assert!(again.stderr.contains("going on after"), "{command}: {}", again.stderr);
        let _ = pgprep(&sandbox, &format!("{command} -o fresh{number}")).with_status(0);
        let (found, fresh) = (format!("out{number}"), format!("fresh{number}"));
        let without_times = |folder: &str| {
            let mut contents = dataset(&sandbox, folder);
            contents.retain(|(name, _)| name != "align.json");
            contents
        };
        assert!(without_times(&found) == without_times(&fresh), "{command}");
        let once_more = pgprep(&sandbox, &format!("{command} -o out{number} --retry-failed")).with_status(0);
        assert!(once_more.stderr.contains("is complete already"), "{command}: {}", once_more.stderr);
    }
    let (found, fresh) = (manifest(&sandbox, "out0"), manifest(&sandbox, "fresh0"));
    for member in ["images", "failed", "plan_blake3", "shards", "files"] {
        assert_eq!(found[member], fresh[member], "{member}");
    }
    let _ = pgprep(&sandbox, "verify out0").with_status(0);
    // Another command's output is not touched.
    let _ =
        pgprep(&sandbox, "pack in/images --fit crop --resolution 32 -o out0 --retry-failed").with_status(2);
    let _ = pgprep(&sandbox, "verify out0").with_status(0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_shard_that_is_cut_while_it_is_read_ends_the_command_with_a_word() {
    let sandbox = with_portraits(100);
    let _ = pgprep(&sandbox, "pack in/images --fit crop --resolution 256 -o set").with_status(0);
    let ended =
        disturbed(&sandbox, "extract set -o out --threads 1", &sandbox.path("out/000003.png"), || {
            for (name, _) in sandbox.contents("set") {
                if name.ends_with(".safetensors") {
                    let file = fs::File::options().write(true).open(sandbox.path("set").join(name)).unwrap();
                    file.set_len(4096).unwrap();
                }
            }
        });
    assert_eq!(ended.status, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("became shorter while it was read"), "{}", ended.stderr);
}
