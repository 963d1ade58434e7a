//! Snapshots: foreign things among them, copies of them, damage.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;

use pg_testkit::sandbox::Sandbox;
use support::{sandbox_with_faces, small_run, snapshot_names, start, wait_for_ticks};

const FOREIGN: [&str; 5] = [".ipynb_checkpoints", "@eaDir", "lost+found", "empty", "000999"];

fn sample<'a>(source: &'a str, output: &'a str) -> [&'a str; 8] {
    ["sample", source, "-o", output, "--count", "3", "--device", "cpu"]
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn foreign_folders_among_snapshots_end_no_command_and_stay() {
    let sandbox = sandbox_with_faces();
    let run = start(&sandbox, &small_run("run", "0.9"));
    wait_for_ticks(&sandbox.path("run"), 1);
    for name in FOREIGN {
        fs::create_dir(sandbox.path("run/snapshots").join(name)).unwrap();
    }
    let output = run.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let sheet = ["grid", "run", "-o", "sheet.png", "--grid", "2x2", "--device", "cpu"];
    let film = ["interpolate", "run", "-o", "film.gif", "--frames", "4", "--device", "cpu"];
    let resume = ["resume", "run", "--device", "cpu", "--threads", "1"];
    for command in [&sample("run", "fakes")[..], &sheet, &film, &resume] {
        let finished = sandbox.run("pgtrain", command).with_status(0);
        assert!(
            finished.stderr.contains("passed over: run/snapshots/@eaDir is no snapshot"),
            "{}",
            finished.stderr
        );
        assert!(finished.stderr.contains("run/snapshots/000999 is no whole snapshot"), "{}", finished.stderr);
    }
    for name in FOREIGN {
        assert!(sandbox.path("run/snapshots").join(name).is_dir(), "{name}");
    }
}

#[test]
fn a_copied_snapshot_is_sampled_anywhere() {
    let sandbox = sandbox_with_faces();
    let _ = sandbox.run("pgtrain", small_run("run", "0.3")).with_status(0);
    copy_folder(&sandbox.path("run/snapshots/000000"), &sandbox.path("elsewhere/any name"));
    let _ = sandbox.run("pgtrain", sample("run/snapshots/000000", "there")).with_status(0);
    let _ = sandbox.run("pgtrain", sample("elsewhere/any name", "here")).with_status(0);
    let images = |folder| -> Vec<_> {
        sandbox.contents(folder).into_iter().filter(|(name, _)| name.contains(".png")).collect()
    };
    assert_eq!(images("there").len(), 3);
    assert!(images("there") == images("here"));
}

#[test]
fn readers_write_nothing_in_a_run() {
    let sandbox = sandbox_with_faces();
    let _ = sandbox.run("pgtrain", small_run("run", "0.3")).with_status(0);
    // As a kill between the two renames of a replacement leaves it.
    let store = sandbox.path("run/snapshots");
    fs::rename(store.join("000000"), store.join("000000.replaced")).unwrap();
    let before = sandbox.contents("run");
    let _ = sandbox.run("pgtrain", sample("run", "fakes")).with_status(0);
    let _ = sandbox.run("pgtrain", ["grid", "run", "-o", "sheet.png", "--device", "cpu"]).with_status(0);
    assert!(before == sandbox.contents("run"));
    let _ = sandbox.run("pgtrain", ["resume", "run", "--device", "cpu", "--threads", "1"]).with_status(0);
    assert_eq!(snapshot_names(&sandbox, "run"), ["000000"]);
}

fn flip_a_bit(sandbox: &Sandbox, file: &str) {
    let path = sandbox.path(file);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_snapshot_is_named_and_the_run_goes_on_from_the_one_before() {
    let sandbox = sandbox_with_faces();
    // A fifth of a kimg a tick, with a snapshot each; the last one before 1.5 kimg has weights of two kimg.
    let line = |run| {
        let mut line = small_run(run, "1.5");
        line.extend(["--set", "snapshot_kimg=0.1"]);
        line
    };
    let _ = sandbox.run("pgtrain", line("whole")).with_status(0);
    let _ = sandbox.run("pgtrain", line("run")).with_status(0);
    let names = snapshot_names(&sandbox, "run");
    assert_eq!(names, ["000000", "000001"]);
    let weights = ["generator", "generator-ema", "discriminator", "optimizer"];
    let weights = weights.map(|name| format!("{name}.safetensors"));
    for file in weights.iter().map(String::as_str).chain(["settings.toml", "state.json", "checksums.b3"]) {
        let file = format!("run/snapshots/000001/{file}");
        let before = fs::read(sandbox.path(&file)).unwrap();
        flip_a_bit(&sandbox, &file);
        let resume = ["resume", "run", "--device", "cpu", "--threads", "1"];
        let refused = sandbox.run("pgtrain", resume).with_status(2);
        // A checksum that was changed itself speaks of another file.
        let named = if file.ends_with("b3") { "is damaged".to_owned() } else { format!("{file} is damaged") };
        for expected in [&*named, "`pgtrain resume run --from 000000`"] {
            assert!(refused.stderr.contains(expected), "{expected}: {}", refused.stderr);
        }
        fs::write(sandbox.path(&file), before).unwrap();
    }
    flip_a_bit(&sandbox, "run/snapshots/000001/generator-ema.safetensors");
    let refused = sandbox.run("pgtrain", sample("run", "fakes")).with_status(2);
    assert!(refused.stderr.contains("generator-ema.safetensors is damaged"), "{}", refused.stderr);
    flip_a_bit(&sandbox, "run/snapshots/000001/state.json");
    let back = ["resume", "run", "--from", "000000", "--device", "cpu", "--threads", "1"];
    let finished = sandbox.run("pgtrain", back).with_status(0);
    assert!(finished.stderr.contains("put aside: run/snapshots/000001.aside"), "{}", finished.stderr);
    assert_eq!(snapshot_names(&sandbox, "run"), ["000000", "000001", "000001.aside"]);
    assert!(sandbox.contents("run/snapshots/000001") == sandbox.contents("whole/snapshots/000001"));
    let log = |run: &str| fs::read_to_string(sandbox.path(run).join("log.jsonl")).unwrap().lines().count();
    assert_eq!(log("run"), log("whole"));
}
