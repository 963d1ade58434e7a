//! A run that is killed between any two steps of its work on files and run again is the run that was never killed: weights,
//! logs, scores, best snapshot and TensorBoard's events.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::path::Path;

use pg_testkit::kill_points::KillPoints;
use pg_testkit::sandbox::Sandbox;
use serde_json::Value;
use support::{lines, sandbox_with_faces, small_run};

/// Scored twice, with snapshots that are pruned.
fn arguments(run: &str) -> Vec<&str> {
    let mut arguments = small_run(run, "0.6");
    arguments.extend(["--eval-every", "0.3", "--keep-best", "swd", "--keep-last", "1", "--quiet"]);
    arguments.extend(["--set", "snapshot_kimg=0.2", "--set", "start_resolution=16"]);
    arguments
}

/// Steps and tags of all events, those of one step sorted.
fn events(sandbox: &Sandbox, run: &str) -> Vec<(u64, &'static str)> {
    const TAGS: [&str; 5] = ["reals", "fakes", "Loss/D", "Metrics/swd/mean", "Metrics/ms-ssim"];
    let mut found = Vec::new();
    for (name, bytes) in sandbox.contents(run) {
        if !name.starts_with("events.out.tfevents.") {
            continue;
        }
        let mut rest = &bytes[..];
        while let Some((length, after)) = rest.split_first_chunk::<8>() {
            let length = u64::from_le_bytes(*length) as usize;
            let Some(event) = after.get(4..4 + length) else { break };
            // The wall time's key and value, the step's key, the step by 7 bits.
            let digits = event[10..]
                .iter()
                .scan(true, |more, byte| std::mem::replace(more, *byte >= 128).then_some(byte));
            let step = digits.enumerate().map(|(i, &byte)| u64::from(byte & 127) << (7 * i)).sum();
            let holds = |tag: &str| event.windows(tag.len()).any(|part| part == tag.as_bytes());
            found.extend(TAGS.into_iter().filter(|tag| holds(tag)).map(|tag| (step, tag)));
            rest = &after[4 + length + 4..];
        }
    }
    found.sort_unstable();
    found
}

/// Files, lines of both logs, events.
type Outcome = (Vec<(String, Vec<u8>)>, Vec<Value>, Vec<(u64, &'static str)>);

/// What must be the same: all but times and rates.
fn outcome(sandbox: &Sandbox, run: &str) -> Outcome {
    let mut files = sandbox.contents(run);
    let kept = |name: &str| {
        let extension = Path::new(name).extension().unwrap_or_default();
        name == "best.json" || extension == "safetensors" || extension == "png"
    };
    files.retain(|(name, _)| kept(name));
    let mut logged = lines(sandbox, &format!("{run}/metrics.jsonl"));
    for mut line in lines(sandbox, &format!("{run}/log.jsonl")) {
        line.as_object_mut().unwrap().retain(|key, _| !key.contains("second"));
        logged.push(line);
    }
    (files, logged, events(sandbox, run))
}

#[test]
fn a_kill_at_any_step_of_a_training_loses_nothing() {
    let sandbox = sandbox_with_faces();
    let _ = sandbox.run("pgtrain", arguments("whole")).with_status(0);
    let expected = outcome(&sandbox, "whole");
    let count = |tag: &str| expected.2.iter().filter(|(_, found)| *found == tag).count();
    assert_eq!(
        (count("reals"), count("Metrics/swd/mean"), count("Metrics/ms-ssim")),
        (1, 2, 2),
        "{:?}",
        expected.2
    );
    let kill_points = KillPoints::compile();
    // All of them take minutes: PGKIT_ALL_KILL_POINTS=1.
    let stride = if std::env::var_os("PGKIT_ALL_KILL_POINTS").is_some() { 1 } else { 11 };
    for step in (1..).step_by(stride) {
        let _ = fs::remove_dir_all(sandbox.path("killed"));
        let mut command = sandbox.command("pgtrain");
        let killed = kill_points.kill_before(command.args(arguments("killed")), step).output().unwrap();
        if killed.status.success() {
            assert!(step > 100, "only {step} steps: are they all counted?");
            break;
        }
        let finished = sandbox.run("pgtrain", arguments("killed"));
        assert_eq!(finished.status, 0, "step {step}: {}", finished.stderr);
        let found = outcome(&sandbox, "killed");
        let names = |files: &[(String, Vec<u8>)]| files.iter().map(|file| file.0.clone()).collect::<Vec<_>>();
        assert_eq!(names(&found.0), names(&expected.0), "step {step}");
        let pairs = found.0.iter().zip(&expected.0);
        let differing: Vec<_> = pairs.filter(|(a, b)| a != b).map(|(a, _)| a.0.as_str()).collect();
        assert!(differing.is_empty(), "step {step}: {differing:?} differ");
        assert_eq!(found.1, expected.1, "step {step}");
        assert_eq!(found.2, expected.2, "step {step}");
    }
}
