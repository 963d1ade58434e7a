//! A run that was stopped goes on as if it had not been.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use pg_testkit::sandbox::Sandbox;
use support::{align_faces, sandbox_with_faces, small_run, start, wait_for_ticks};

/// The newest snapshot's files by name, without `state.json`'s folder.
fn newest_snapshot(sandbox: &Sandbox, run: &str) -> (PathBuf, Vec<(String, Vec<u8>)>) {
    let snapshots = sandbox.path(run).join("snapshots");
    let newest = fs::read_dir(&snapshots)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_none())
        .max()
        .unwrap();
    let contents = sandbox.contents(newest.strip_prefix(sandbox.folder()).unwrap());
    (newest, contents)
}

fn assert_same_weights(sandbox: &Sandbox, one: &str, other: &str) {
    let (one, other) = (newest_snapshot(sandbox, one), newest_snapshot(sandbox, other));
    assert_eq!(one.0.file_name(), other.0.file_name());
    for ((name, a), (other_name, b)) in one.1.iter().zip(&other.1) {
        assert_eq!(name, other_name);
        assert!(a == b, "{name} differs");
    }
    assert_eq!(one.1.len(), other.1.len());
}

fn log_positions(sandbox: &Sandbox, run: &str) -> Vec<u64> {
    let text = fs::read_to_string(sandbox.path(run).join("log.jsonl")).unwrap();
    let line = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["images_shown"].as_u64();
    text.lines().map(|l| line(l).unwrap()).collect()
}

#[test]
fn killed_anywhere_and_run_again_the_weights_are_those_of_an_uninterrupted_run() {
    let sandbox = sandbox_with_faces();
    let _ = sandbox.run("pgtrain", small_run("whole", "1.5")).with_status(0);

    // Killed in the stable phase, inside each fade, and while snapshots are written.
    for (ticks, wait_ms) in [(1, 0), (1, 40), (3, 15), (5, 60)] {
        let mut child = start(&sandbox, &small_run("killed", "1.5"));
        wait_for_ticks(&sandbox.path("killed"), ticks);
        std::thread::sleep(Duration::from_millis(wait_ms));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let _ = sandbox.run("pgtrain", small_run("killed", "1.5")).with_status(0);
    assert_same_weights(&sandbox, "whole", "killed");
    assert_eq!(log_positions(&sandbox, "whole"), log_positions(&sandbox, "killed"));
}

#[test]
fn a_style_based_run_goes_on_where_it_was_killed() {
    let style =
        ["network=style", "start_resolution=8", "loss=non-saturating", "r1_gamma=10", "r1_interval=3"];
    let sandbox = sandbox_with_faces();
    let line = |run| {
        let mut line = small_run(run, "0.9");
        line.extend(style.iter().flat_map(|setting| ["--set", setting]));
        line
    };
    let _ = sandbox.run("pgtrain", line("whole")).with_status(0);
    // In the stable phase and in the fade.
    for (ticks, wait_ms) in [(1, 20), (2, 0)] {
        let mut child = start(&sandbox, &line("killed"));
        wait_for_ticks(&sandbox.path("killed"), ticks);
        std::thread::sleep(Duration::from_millis(wait_ms));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let _ = sandbox.run("pgtrain", line("killed")).with_status(0);
    assert_same_weights(&sandbox, "whole", "killed");
    assert_eq!(log_positions(&sandbox, "whole"), log_positions(&sandbox, "killed"));
    // Sheets too: every number of them comes from seeds.
    for sheet in ["fakes-000000.png", "reals.png"] {
        let of = |run: &str| fs::read(sandbox.path(run).join(sheet)).unwrap();
        assert!(of("whole") == of("killed"), "{sheet}");
    }
}

#[test]
fn sigterm_saves_says_how_to_resume_and_exits_143() {
    let sandbox = sandbox_with_faces();
    let _ = sandbox.run("pgtrain", small_run("whole", "0.9")).with_status(0);

    let child = start(&sandbox, &small_run("stopped", "0.9"));
    wait_for_ticks(&sandbox.path("stopped"), 1);
    let kill = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(143), "{stderr}");
    assert!(stderr.contains("pgtrain resume stopped"), "{stderr}");

    let resume = ["resume", "stopped", "--device", "cpu", "--threads", "1"];
    let _ = sandbox.run("pgtrain", resume).with_status(0);
    assert_same_weights(&sandbox, "whole", "stopped");
}

#[test]
fn a_finished_run_has_nothing_left_to_do() {
    let sandbox = sandbox_with_faces();
    let _ = sandbox.run("pgtrain", small_run("run", "0.3")).with_status(0);
    let before = sandbox.contents("run");
    let _ = sandbox.run("pgtrain", small_run("run", "0.3")).with_status(0);
    assert!(before == sandbox.contents("run"), "a second run changed a finished one");
}

#[test]
fn other_settings_or_other_data_are_refused() {
    let sandbox = sandbox_with_faces();
    let _ = sandbox.run("pgtrain", small_run("run", "0.1")).with_status(0);

    let mut other = small_run("run", "0.1");
    other.extend(["--set", "learning_rate=0.01"]);
    let refused = sandbox.run("pgtrain", &other).with_status(2);
    assert!(
        refused.stderr.contains("learning_rate") && refused.stderr.contains("--force"),
        "{}",
        refused.stderr
    );

    align_faces(&sandbox, "fewer", &["--limit", "12"]);
    let resume = ["resume", "run", "--dataset", "fewer", "--device", "cpu"];
    let refused = sandbox.run("pgtrain", resume).with_status(2);
    assert!(refused.stderr.contains("fingerprint"), "{}", refused.stderr);
}

#[test]
fn two_processes_on_one_run_folder_refuse_each_other() {
    let sandbox = sandbox_with_faces();
    let mut first = start(&sandbox, &small_run("run", "3"));
    wait_for_ticks(&sandbox.path("run"), 1);
    let second = sandbox.run("pgtrain", small_run("run", "3"));
    first.kill().unwrap();
    first.wait().unwrap();
    let second = second.with_status(2);
    assert!(second.stderr.contains("in use"), "{}", second.stderr);
}
