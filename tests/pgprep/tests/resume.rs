//! Killed and interrupted runs go on where they were and end with the same bytes.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use pg_testkit::sandbox::Sandbox;
use support::{ALIGN, pgprep, with_portraits};

const PORTRAITS: u32 = 24;

/// Starts pgprep and waits until `begun` shows that it is in the middle.
fn start(sandbox: &Sandbox, arguments: &str, begun: impl Fn(&Path) -> bool) -> Child {
    let mut child = sandbox
        .command("pgprep")
        .args(arguments.split_whitespace())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while !begun(sandbox.folder()) {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was in the middle");
        assert!(started.elapsed() < Duration::from_mins(2), "it never got to the middle");
        thread::sleep(Duration::from_millis(1));
    }
    child
}

fn send(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn a_killed_align_to_shards_resumes_and_ends_with_the_same_bytes() {
    let command = format!("{ALIGN} --format shards --images-per-shard 4 --threads 1 -o out");
    let (straight, killed) = (with_portraits(PORTRAITS), with_portraits(PORTRAITS));
    let _ = pgprep(&straight, &command).with_status(0);

    let mut child = start(&killed, &command, |f| f.join("out/index/shard-00001.jsonl").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!killed.path("out/dataset.json").exists(), "it was killed in the middle");

    let resumed = pgprep(&killed, &command).with_status(0);
    assert!(resumed.stderr.contains("going on after"), "{}", resumed.stderr);
    assert_eq!(straight.contents("out"), killed.contents("out"));
}

#[test]
fn a_killed_align_to_png_resumes_and_ends_with_the_same_bytes() {
    let command = format!("{ALIGN} --threads 1 -o out");
    let (straight, killed) = (with_portraits(PORTRAITS), with_portraits(PORTRAITS));
    let _ = pgprep(&straight, &command).with_status(0);

    let mut child = start(&killed, &command, |f| f.join("out/000005.png").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!killed.path("out/align.json").exists(), "it was killed in the middle");
    for (name, bytes) in killed.contents("out") {
        if Path::new(&name).extension().is_some_and(|e| e == "png") {
            assert!(image::load_from_memory(&bytes).is_ok(), "{name} is whole");
        }
    }

    let resumed = pgprep(&killed, &command).with_status(0);
    assert!(resumed.stderr.contains("going on after"), "{}", resumed.stderr);
    assert_eq!(straight.contents("out"), killed.contents("out"));
}

#[test]
fn ctrl_c_rolls_back_the_shard_in_hand_and_says_how_to_go_on() {
    let sandbox = with_portraits(PORTRAITS);
    let command = format!("{ALIGN} --format shards --images-per-shard 4 --threads 1 -o out");
    // Each waits for a shard of its own, so that the handlers are in place when the signal comes.
    for (signal, status, shard) in [("-INT", 130, "shard-00000"), ("-TERM", 143, "shard-00002")] {
        let child = start(&sandbox, &command, |f| f.join(format!("out/index/{shard}.jsonl")).exists());
        send(&child, signal);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(status));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("shards are finished; run the same command again to go on"), "{said}");
        let partial: Vec<_> =
            sandbox.contents("out").into_iter().filter(|(name, _)| name.contains(".partial")).collect();
        assert!(partial.is_empty(), "{partial:?}");
    }
    let _ = pgprep(&sandbox, &command).with_status(0);
    let _ = pgprep(&sandbox, "verify out").with_status(0);
}

#[test]
fn a_half_done_output_refuses_another_command_and_a_finished_one_is_left_alone() {
    let sandbox = with_portraits(PORTRAITS);
    let command = format!("{ALIGN} --format shards --images-per-shard 4 --threads 1 -o out");
    let mut child = start(&sandbox, &command, |f| f.join("out/index/shard-00000.jsonl").exists());
    // However long the second one takes to begin.
    send(&child, "-STOP");
    let busy = pgprep(&sandbox, &command).with_status(2);
    assert!(busy.stderr.contains("is being written by another process"), "{}", busy.stderr);
    child.kill().unwrap();
    child.wait().unwrap();

    let other = pgprep(&sandbox, &format!("{command} --filter lanczos")).with_status(2);
    assert!(other.stderr.contains("begun by another command (filter differs)"), "{}", other.stderr);

    let _ = pgprep(&sandbox, &command).with_status(0);
    let before = sandbox.contents("out");
    let again = pgprep(&sandbox, &command).with_status(0);
    assert!(again.stderr.contains("is complete already"), "{}", again.stderr);
    assert_eq!(before, sandbox.contents("out"));
    let other = pgprep(&sandbox, &format!("{command} --limit 3")).with_status(2);
    assert!(other.stderr.contains("already holds a finished dataset"), "{}", other.stderr);
}
