//! Builds killed at random moments, again and again, end with the bytes of one that never was.
//!
//! `PGKIT_KILL_POINTS=N` sets how many kills there are for each command; a few by default.
#![cfg(unix)]
#![allow(clippy::print_stdout, reason = "the long form says how much it did")]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use pg_testkit::sandbox::Sandbox;
use support::{ALIGN, pgprep, with_portraits};

/// Kills of each command in the short form.
const KILLS: u64 = 3;

fn kills() -> u64 {
    std::env::var("PGKIT_KILL_POINTS").map_or(KILLS, |text| text.parse().unwrap())
}

/// The next of a sequence of random numbers (SplitMix64).
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Kills `command`, which writes `out`, at random moments until it has been killed often enough; each time
/// it got to its end, the output is compared and begun anew.
fn survives(command: &str, portraits: u32, seed: u64) {
    let sandbox = with_portraits(portraits);
    let started = Instant::now();
    let _ = pgprep(&sandbox, command).with_status(0);
    let whole_ms = (started.elapsed().as_millis() as u64).max(20);
    let expected = sandbox.contents("out");
    std::fs::remove_dir_all(sandbox.path("out")).unwrap();
    let (mut state, mut killed, mut finished, mut runs) = (seed, 0, 0, 0);
    while killed < kills() {
        // Short ones too, so that the beginning is hit and a build is killed several times over.
        let wait = Duration::from_micros(random(&mut state) % (1000 * whole_ms * 6 / 5));
        if killed_after(&sandbox, command, wait) {
            killed += 1;
        } else {
            assert!(expected == sandbox.contents("out"), "after {killed} kills, the last wait {wait:?}");
            std::fs::remove_dir_all(sandbox.path("out")).unwrap();
            finished += 1;
        }
        runs += 1;
        assert!(runs < 20 * kills() + 20, "hardly any run could be killed");
    }
    let _ = pgprep(&sandbox, command).with_status(0);
    assert!(expected == sandbox.contents("out"), "after the last of {killed} kills");
    println!("{killed} kills of `{command}` ({whole_ms} ms), {} builds compared", finished + 1);
}

/// Runs the command and kills it after `wait`; false when it came to its end before.
fn killed_after(sandbox: &Sandbox, command: &str, wait: Duration) -> bool {
    let mut child = sandbox
        .command("pgprep")
        .args(command.split_whitespace())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    thread::sleep(wait);
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(matches!(status.code(), None | Some(0)), "{status}");
    status.code().is_none()
}

#[test]
fn a_pack_killed_at_random_moments_ends_with_the_same_bytes() {
    survives("pack in/images --fit crop --resolution 128 --images-per-shard 3 --threads 2 -o out", 16, 1);
}

#[test]
fn a_compressed_pack_killed_at_random_moments_ends_with_the_same_bytes() {
    let command = "pack in/images --fit crop --resolution 128 --images-per-shard 3 --levels 8.. --codec med-zstd -o out";
    survives(command, 16, 2);
}

#[test]
fn an_align_killed_at_random_moments_ends_with_the_same_bytes() {
    survives(&format!("{ALIGN} --format shards --images-per-shard 2 --threads 2 -o out"), 10, 3);
}
