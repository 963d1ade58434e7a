//! Uploads that were stopped: nothing half is to be seen, and the same command goes on.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod support;

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use support::{ALIGN_SHARDS, assert_same_dataset, is_empty};
use tests_cloud::Store;

const ALIGN: &str = "align s3://data/in/images --landmarks s3://data/in/list_landmarks.txt";

fn started(store: &Store, arguments: &str) -> Child {
    let mut command = store.command("pgprep", arguments);
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn wait_until_holding(store: &Store) {
    let begun = Instant::now();
    while !store.server.is_holding() {
        assert!(begun.elapsed() < Duration::from_mins(1), "no write came");
        sleep(Duration::from_millis(10));
    }
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Every shard whose index is there is there with all its files, of the length and content of the local build;
/// there is no manifest.
fn assert_no_half_shard(store: &Store, local: &[(String, Vec<u8>)]) -> usize {
    let there = store.objects("out");
    assert!(!there.iter().any(|(name, _)| name == "dataset.json"), "a manifest without its dataset");
    for (name, bytes) in &there {
        if let Some((_, expected)) = local.iter().find(|(local, _)| local == name) {
            assert!(bytes == expected, "{name} is there in part");
        } else {
            assert!(name.starts_with("pgkit-build"), "{name} belongs to nothing");
        }
    }
    let indexed: Vec<&str> =
        there.iter().filter_map(|(name, _)| name.strip_prefix("index/")?.strip_suffix(".jsonl")).collect();
    for shard in &indexed {
        for level in ["r0004", "r0008", "r0016", "r0032"] {
            let file = format!("{level}/{shard}.safetensors");
            assert!(
                there.iter().any(|(name, _)| *name == file),
                "{shard} is marked as finished without {file}"
            );
        }
    }
    indexed.len()
}

#[test]
fn a_killed_upload_leaves_no_half_shard_and_the_same_command_ends_with_the_same_bytes() {
    let store = Store::with_portraits(13);
    let local = format!("align in/images --landmarks in/list_landmarks.txt {ALIGN_SHARDS} -o out");
    let _ = store.run("pgprep", &local).with_status(0);
    let local = store.sandbox.contents("out");
    let remote = format!("{ALIGN} {ALIGN_SHARDS} -o s3://data/out");
    let mut most_finished = 0;
    // The plan, then six files for each shard of four levels: plan, level, record, index, second shard, ...
    for writes in [0, 1, 3, 5, 6, 4, 9, 2] {
        store.server.hold_writes_after(writes);
        let mut child = started(&store, &remote);
        wait_until_holding(&store);
        child.kill().unwrap();
        child.wait().unwrap();
        most_finished = most_finished.max(assert_no_half_shard(&store, &local));
    }
    store.server.hold_no_writes();
    assert!(most_finished >= 2, "{most_finished} shards were finished by the killed runs");
    let last = store.run("pgprep", &remote).with_status(0);
    assert!(last.stderr.contains("going on after"), "{}", last.stderr);
    assert_same_dataset(&local, &store.objects("out"));
    let again = store.run("pgprep", &remote).with_status(0);
    assert!(again.stderr.contains("s3://data/out is complete already"), "{}", again.stderr);
    // What the killed runs left in the scratch folder went with the next one.
    assert!(is_empty(&store.sandbox.path("scratch")));
}

#[test]
fn a_run_killed_before_the_leftovers_were_removed_is_tidied_up_by_the_next() {
    let store = Store::with_portraits(5);
    let remote = format!("{ALIGN} {ALIGN_SHARDS} -o s3://data/out");
    let _ = store.run("pgprep", &remote).with_status(0);
    let whole = store.objects("out");
    fs::create_dir_all(store.bucket().join("out/pgkit-build")).unwrap();
    fs::write(store.bucket().join("out/pgkit-build/shard-00000.json"), "{}").unwrap();
    fs::write(store.bucket().join("out/pgkit-build.json"), "{}").unwrap();
    let _ = store.run("pgprep", &remote).with_status(0);
    assert!(whole == store.objects("out"));
}

#[test]
fn ctrl_c_ends_a_stuck_upload_with_advice_and_leaves_nothing_behind() {
    let store = Store::with_portraits(9);
    let remote = format!("{ALIGN} {ALIGN_SHARDS} -o s3://data/out");
    store.server.hold_writes_after(8);
    let child = started(&store, &remote);
    wait_until_holding(&store);
    signal(&child, "INT");
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(130), "{said}");
    assert!(said.contains("1 of 3 shards are finished; run the same command again to go on"), "{said}");
    assert!(is_empty(&store.sandbox.path("scratch")));
    store.server.hold_no_writes();
    let _ = store.run("pgprep", &remote).with_status(0);
    assert_eq!(store.objects("out").iter().filter(|(name, _)| name.starts_with("r0032/")).count(), 3);
}

#[test]
fn png_files_go_on_where_a_killed_run_stopped() {
    let store = Store::with_portraits(6);
    let _ = store.run("pgprep", "align in/images --landmarks in/list_landmarks.txt --size 32 -o out");
    let remote = format!("{ALIGN} --size 32 -o s3://data/out");
    store.server.hold_writes_after(4);
    let mut child = started(&store, &format!("{remote} --threads 1"));
    wait_until_holding(&store);
    child.kill().unwrap();
    child.wait().unwrap();
    let names: Vec<String> = store.objects("out").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["000001.png", "000002.png", "000003.png", "pgkit-build.json"]);
    store.server.hold_no_writes();
    let last = store.run("pgprep", &remote).with_status(0);
    assert!(last.stderr.contains("going on after 3 of 6 photos"), "{}", last.stderr);
    let pngs = |files: Vec<(String, Vec<u8>)>| -> Vec<_> {
        files.into_iter().filter(|(name, _)| name.starts_with("0000")).collect()
    };
    assert!(pngs(store.sandbox.contents("out")) == pngs(store.objects("out")));
    assert!(store.objects("out").iter().all(|(name, _)| !name.starts_with("pgkit-build")));
}

#[test]
fn another_command_on_a_half_done_output_is_refused() {
    let store = Store::with_portraits(5);
    store.server.hold_writes_after(3);
    let mut child = started(&store, &format!("{ALIGN} {ALIGN_SHARDS} -o s3://data/out"));
    wait_until_holding(&store);
    child.kill().unwrap();
    child.wait().unwrap();
    store.server.hold_no_writes();
    let other =
        store.run("pgprep", &format!("{ALIGN} --size 16 --format shards -o s3://data/out")).with_status(2);
    assert!(other.stderr.contains("s3://data/out was begun by another command ("), "{}", other.stderr);
    assert!(!other.stderr.contains("pgkit-scratch"), "{}", other.stderr);
    let unfinished = store.run("pgprep", "info s3://data/out").with_status(2);
    assert!(unfinished.stderr.contains("s3://data/out is an unfinished dataset"), "{}", unfinished.stderr);
    let foreign = store.run("pgprep", &format!("{ALIGN} --size 16 -o s3://data")).with_status(2);
    assert!(foreign.stderr.contains("s3://data is not empty and holds no dataset"), "{}", foreign.stderr);
}
