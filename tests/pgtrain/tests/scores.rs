//! Scores while training, the snapshots they keep, and runs that diverge.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::time::Duration;

use pg_testkit::sandbox::Sandbox;
use serde_json::Value;
use support::{lines, sandbox_with_faces, small_run, snapshot_names, start, wait_for_ticks};

/// A small run that is scored, of which the best snapshot stays.
fn scored_run<'a>(output: &'a str, kimg: &'a str) -> Vec<&'a str> {
    let mut arguments = small_run(output, kimg);
    arguments.extend(["--eval-every", "0.3", "--keep-best", "swd", "--keep-last", "1"]);
    arguments.extend(["--set", "snapshot_kimg=0.4"]);
    arguments
}

/// The value of `metric` in a line of metrics.jsonl.
fn value(line: &Value, metric: &str) -> f64 {
    let metrics = line["metrics"].as_array().unwrap();
    metrics.iter().find(|m| m["metric"] == metric).unwrap()["value"].as_f64().unwrap()
}

fn json_of(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let finished = sandbox.run("pgeval", arguments).with_status(0);
    serde_json::from_str(&finished.stdout).unwrap()
}

#[test]
fn the_scores_are_those_that_pgeval_gives_the_same_images() {
    let sandbox = sandbox_with_faces();
    let mut run = small_run("run", "1.1");
    run.extend(["--eval-every", "0.4"]);
    let finished = sandbox.run("pgtrain", run).with_status(0);
    assert!(finished.stderr.contains("MS-SSIM") && finished.stderr.contains("SWD"), "{}", finished.stderr);

    let scored = lines(&sandbox, "run/metrics.jsonl");
    let shown: Vec<u64> = scored.iter().map(|line| line["images_shown"].as_u64().unwrap()).collect();
    // Rounds have 64 images: the first beyond 400, 800, and the last of the run.
    assert_eq!(shown, [448, 832, 1152]);
    assert_eq!(scored[0]["metrics"].as_array().unwrap().len(), 0);
    assert_eq!(scored[0]["skipped"][0], "swd: images of 8 px, it takes 16");

    let sample = ["sample", "run", "-o", "fakes", "--count", "24", "--device", "cpu"];
    let _ = sandbox.run("pgtrain", sample).with_status(0);
    let last = scored.last().unwrap();
    assert_eq!(last["counts"]["fake"], 24);
    let swd = json_of(&sandbox, &["swd", "faces", "fakes", "--json"]);
    assert_eq!(swd["value"].as_f64().unwrap(), value(last, "swd"));
    let diversity = json_of(&sandbox, &["ms-ssim", "fakes", "--consecutive", "--json"]);
    assert_eq!(diversity["value"].as_f64().unwrap(), value(last, "ms-ssim"));
}

#[test]
fn killed_anywhere_and_run_again_the_scores_and_the_best_snapshot_are_the_same() {
    let sandbox = sandbox_with_faces();
    let _ = sandbox.run("pgtrain", scored_run("whole", "1.5")).with_status(0);
    for (ticks, wait_ms) in [(2, 0), (4, 30), (6, 0), (7, 50)] {
        let mut child = start(&sandbox, &scored_run("killed", "1.5"));
        wait_for_ticks(&sandbox.path("killed"), ticks);
        std::thread::sleep(Duration::from_millis(wait_ms));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let _ = sandbox.run("pgtrain", scored_run("killed", "1.5")).with_status(0);
    for name in ["metrics.jsonl", "best.json"] {
        let read = |run: &str| fs::read_to_string(sandbox.path(run).join(name)).unwrap();
        assert_eq!(read("whole"), read("killed"), "{name}");
    }
    assert_eq!(snapshot_names(&sandbox, "whole"), snapshot_names(&sandbox, "killed"));
    let steps = support::steps_of_scalars(&sandbox.path("killed"), "Loss/D");
    let logged: Vec<u64> =
        lines(&sandbox, "killed/log.jsonl").iter().map(|l| l["images_shown"].as_u64().unwrap()).collect();
    assert_eq!(steps, logged);
    let scored = support::steps_of_scalars(&sandbox.path("killed"), "Metrics/swd/mean");
    assert!(scored.windows(2).all(|pair| pair[0] < pair[1]), "{scored:?}");
}

#[test]
fn stopped_and_resumed_the_scores_are_the_same() {
    let sandbox = sandbox_with_faces();
    let _ = sandbox.run("pgtrain", scored_run("whole", "1.3")).with_status(0);
    let child = start(&sandbox, &scored_run("stopped", "1.3"));
    wait_for_ticks(&sandbox.path("stopped"), 3);
    let kill = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(143));
    let resume = ["resume", "stopped", "--device", "cpu", "--threads", "1"];
    let _ = sandbox.run("pgtrain", resume).with_status(0);
    let read = |run: &str| fs::read_to_string(sandbox.path(run).join("metrics.jsonl")).unwrap();
    assert_eq!(read("whole"), read("stopped"));
}

#[test]
fn the_newest_the_best_the_first_and_the_last_snapshot_stay() {
    let sandbox = sandbox_with_faces();
    let mut run = small_run("run", "4.2");
    run.extend(["--eval-every", "1", "--keep-best", "swd", "--keep-last", "1"]);
    run.extend(["--set", "snapshot_kimg=1", "--set", "tick_kimg=1"]);
    let _ = sandbox.run("pgtrain", run).with_status(0);
    let scored = lines(&sandbox, "run/metrics.jsonl");
    let best: Value = serde_json::from_slice(&fs::read(sandbox.path("run/best.json")).unwrap()).unwrap();
    let final_level: Vec<&Value> = scored.iter().filter(|line| line["resolution"] == 16).collect();
    assert!(final_level.len() >= 3);
    let lowest = final_level.iter().map(|line| value(line, "swd")).fold(f64::INFINITY, f64::min);
    assert!((best["value"].as_f64().unwrap() - lowest).abs() < 1e-9 * lowest);

    let state = |name: &str| -> Value {
        let path = sandbox.path("run").join(name).join("state.json");
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    };
    let best_snapshot = best["snapshot"].as_str().unwrap();
    assert_eq!(state(best_snapshot)["images_shown"], best["images_shown"]);
    let names = snapshot_names(&sandbox, "run");
    let mut expected = vec!["snapshots/000000", "snapshots/000004", best_snapshot];
    // The run's last one has a name of its own only where the best of the same kimg keeps its.
    expected.extend(names.iter().any(|name| name == "000004-224").then_some("snapshots/000004-224"));
    expected.sort_unstable();
    expected.dedup();
    let names: Vec<String> = names.iter().map(|name| format!("snapshots/{name}")).collect();
    assert_eq!(names, expected);

    let sample = ["sample", "run", "--best", "-o", "best", "--count", "2", "--device", "cpu"];
    let finished = sandbox.run("pgtrain", sample).with_status(0);
    assert!(finished.stderr.contains(best_snapshot), "{}", finished.stderr);
}

#[test]
fn what_cannot_be_kept_or_scored_is_said_before_the_run() {
    let sandbox = sandbox_with_faces();
    let mut unscored = small_run("run", "1");
    unscored.extend(["--keep-best", "swd"]);
    let finished = sandbox.run("pgtrain", unscored).with_status(2);
    assert!(finished.stderr.contains("eval_kimg"), "{}", finished.stderr);
    assert!(!sandbox.path("run").exists());

    let _ = sandbox.run("pgtrain", small_run("plain", "0.1")).with_status(0);
    let best = ["sample", "plain", "--best", "-o", "best", "--count", "2", "--device", "cpu"];
    let finished = sandbox.run("pgtrain", best).with_status(2);
    assert!(finished.stderr.contains("best.json"), "{}", finished.stderr);
}

#[test]
fn a_run_that_diverges_ends_with_1_says_what_to_try_and_keeps_finite_snapshots() {
    let sandbox = sandbox_with_faces();
    for (output, rate) in [("soon", "1e30"), ("later", "1e8")] {
        let mut run = small_run(output, "1.5");
        let rate = format!("learning_rate={rate}");
        run.extend(["--set", &rate]);
        let finished = sandbox.run("pgtrain", run).with_status(1);
        for expected in ["diverged", "try a lower learning_rate", "/snapshots/0"] {
            assert!(finished.stderr.contains(expected), "{expected}: {}", finished.stderr);
        }
        for name in snapshot_names(&sandbox, output) {
            let folder = sandbox.path(output).join("snapshots").join(name);
            for file in ["generator", "generator-ema", "discriminator", "optimizer"] {
                let bytes = fs::read(folder.join(format!("{file}.safetensors"))).unwrap();
                let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
                for (name, tensor) in tensors.tensors() {
                    let numbers = tensor.data().chunks_exact(4);
                    let mut numbers = numbers.map(|b| f32::from_le_bytes(b.try_into().unwrap()));
                    assert!(numbers.all(f32::is_finite), "{name} in {}", folder.display());
                }
            }
        }
    }
}
