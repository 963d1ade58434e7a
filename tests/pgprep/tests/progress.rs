//! What progress says was counted and measured: no total that was not reached, no rate of no work.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use pg_testkit::sandbox::{Finished, Sandbox};
use support::{ALIGN, pgprep, with_portraits};

/// Of each display on stderr, such as `align: 3/7 photos, 9.1 photos/s`: its last line in parts.
fn last_lines(run: &Finished) -> BTreeMap<String, (u64, u64, String)> {
    let parsed = run.stderr.lines().filter_map(|line| {
        let (label, rest) = line.split_once(": ")?;
        let (counts, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let (done, total) = counts.split_once('/')?;
        Some((label.to_owned(), (done.parse().ok()?, total.parse().ok()?, rest.to_owned())))
    });
    parsed.collect()
}

/// All displays reach their ends.
#[track_caller]
fn complete(sandbox: &Sandbox, command: &str) -> BTreeMap<String, (u64, u64, String)> {
    let run = pgprep(sandbox, command);
    assert!(run.status <= 1, "{command}: {}", run.stderr);
    let lines = last_lines(&run);
    assert!(!lines.is_empty(), "{command} shows no progress:\n{}", run.stderr);
    for (label, (done, total, _)) in &lines {
        assert_eq!(done, total, "{command}, {label}:\n{}", run.stderr);
    }
    lines
}

#[test]
fn every_command_s_progress_ends_at_what_there_was() {
    let sandbox = with_portraits(7);
    // One fails, and counts all the same.
    fs::write(sandbox.path("in/images/000003.jpg"), b"torn").unwrap();
    let _ = complete(&sandbox, "synth -o more --count 3");
    let _ = complete(&sandbox, &format!("{ALIGN} -o pngs"));
    let _ = complete(&sandbox, &format!("{ALIGN} --format shards --images-per-shard 2 -o ds"));
    let _ = complete(&sandbox, "pack pngs -o packed");
    let _ = complete(&sandbox, "select pngs --keep 2 -o best");
    let _ = complete(&sandbox, "verify ds");
    let _ = complete(&sandbox, "extract ds -o extracted");
    let _ = complete(&sandbox, "export ds --format tfrecord -o records");
    let _ = complete(&sandbox, "export ds --format zip -o ds.zip");
    for part in ["1/2", "2/2"] {
        let _ = complete(&sandbox, &format!("{ALIGN} -o parts --part {part}"));
        let _ = complete(&sandbox, &format!("{ALIGN} --format shards -o shards --part {part}"));
    }
    let _ = complete(&sandbox, "merge parts -o merged");
    let _ = complete(&sandbox, "merge shards -o merged-ds");
    fs::write(sandbox.path("ds/r0004/shard-00001.safetensors"), b"torn").unwrap();
    let _ = complete(&sandbox, "verify ds --repair");
}

#[test]
fn what_an_earlier_run_did_counts_as_done_and_for_no_rate() {
    let sandbox = with_portraits(40);
    let stopped = sandbox.path("stopped");
    let command = format!("{ALIGN} -o stopped");
    start_and_stop(&sandbox, &command, || fs::read_dir(&stopped).is_ok_and(|files| files.count() > 3));
    let lines = complete(&sandbox, &command);
    let (done, total, rest) = &lines["align"];
    assert_eq!((*done, *total), (40, 40));
    // No thousands a second because some were there: portraits take their time.
    let rate = rest.split(", ").find_map(|part| part.strip_suffix(" photos/s"));
    assert!(rate.is_none_or(|rate| rate.parse::<f64>().unwrap() < 2000.0), "{rest}");
}

/// Runs `command` until `is_time`, then kills it.
fn start_and_stop(sandbox: &Sandbox, command: &str, is_time: impl Fn() -> bool) {
    let mut child = sandbox
        .command("pgprep")
        .args(command.split_whitespace())
        .args(["--threads", "1"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while !is_time() && began.elapsed() < Duration::from_mins(1) {
        sleep(Duration::from_millis(1));
    }
    let _ = child.kill();
    let _ = child.wait();
}
