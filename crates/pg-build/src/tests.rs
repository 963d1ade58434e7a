//! Builds that are ended, broken off and gone on with, under a host that does so at any item.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use pg_image::{Planar, Resolution};
use pg_shard::{BuildPlan, FailedItem, IndexLine, ShardError, Storage};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::{
    Again, BuildError, Built, Counter, DatasetBuild, Destination, FilesBuild, FilesSummary, Host, Outcome,
    OutputNames, Packed, Part,
};

const ITEMS: usize = 10;

/// Ends after a number of items.
struct EndsAfter {
    items: usize,
    made: AtomicUsize,
    notes: Mutex<Vec<String>>,
}

struct Nothing;

impl Counter for Nothing {
    fn resume_at(&self, _: u64) {}
    fn advance(&self, _: u64) {}
    fn fail(&self) {}
    fn finish(&self) {}
}

impl EndsAfter {
    fn items(items: usize) -> Self {
        Self { items, made: AtomicUsize::new(0), notes: Mutex::default() }
    }

    /// Counts an item as made.
    fn made(&self) {
        self.made.fetch_add(1, Ordering::Relaxed);
    }
}

impl Host for EndsAfter {
    type Counter = Nothing;

    fn progress(&self, _: &str, _: &'static str, _: usize) -> Nothing {
        Nothing
    }

    fn note(&self, text: String) {
        self.notes.lock().unwrap().push(text);
    }

    fn failure(&self, _: &Nothing, _: usize, _: &FailedItem) {}

    fn is_ending(&self) -> bool {
        self.made.load(Ordering::Relaxed) >= self.items
    }

    fn threads(&self) -> usize {
        1
    }
}

fn plan(items_per_shard: usize) -> BuildPlan {
    BuildPlan {
        settings: Map::new(),
        source_blake3: "00".to_owned(),
        items: ITEMS,
        items_per_shard,
        channels: 1,
        resolution: 4,
    }
}

fn to(name: &Path) -> Destination<'_> {
    Destination { name, remote: None }
}

fn provenance(done: u64, failed: u64) -> Value {
    json!({ "done": done, "failed": failed })
}

/// Which items fail, and whether that ends the build.
#[derive(Clone, Copy)]
struct Failures {
    fails: fn(usize) -> bool,
    stop: bool,
}

const NONE: Failures = Failures { fails: |_| false, stop: false };

fn files(
    host: &EndsAfter,
    output: &Path,
    part: Option<Part>,
    failures: Failures,
) -> Result<Outcome<FilesSummary>, BuildError> {
    // Files of parts lie in no folder of their own.
    let inner = if part.is_some() { "" } else { "inner/" };
    let names = (0..ITEMS).map(|i| format!("{inner}{i}.bin")).collect();
    let names = OutputNames::new(names, |i| i.to_string())?;
    let build = FilesBuild {
        names: &names,
        whole: None,
        plan: plan(1),
        done_file: "done.json",
        label: "test",
        unit: "files",
        stop_at_failure: failures.stop,
        part,
        again: Again::default(),
    };
    build.run(host, to(output), provenance, |i| {
        host.made();
        if (failures.fails)(i) { Err(FailedItem::new(i.to_string(), "odd")) } else { Ok(vec![i as u8; i]) }
    })
}

fn dataset(host: &EndsAfter, output: &Path, failures: Failures) -> Result<Outcome<Built>, BuildError> {
    let build = DatasetBuild {
        part: None,
        plan: plan(3),
        storage: Storage::whole(Resolution::new(4).unwrap()),
        label: "test",
        stop_at_failure: failures.stop,
        labels: None,
        again: Again::default(),
    };
    build.run(host, &to(output), provenance, |i| {
        host.made();
        if (failures.fails)(i) {
            return Err(FailedItem::new(i.to_string(), "odd"));
        }
        let image = Planar::filled(1, 4, 4, i as u8);
        Ok(Packed {
            image,
            line: IndexLine { path: i.to_string(), blake3: String::new(), geometry: json!({}) },
        })
    })
}

/// All files of a folder by their names, with their bytes.
fn content(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(content(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else {
            found.push((name, fs::read(path).unwrap()));
        }
    }
    found.sort();
    found
}

/// Runs `build` to its end once in one go, and once for each item with an end there; all folders are alike.
fn ended_anywhere_is_the_same<T>(
    build: impl Fn(&EndsAfter, &Path) -> Result<Outcome<T>, BuildError>,
    kept_says: &str,
) {
    let folder = TempDir::new().unwrap();
    let whole = folder.path().join("whole");
    assert!(matches!(build(&EndsAfter::items(usize::MAX), &whole), Ok(Outcome::Complete(_))));
    for end in 0..ITEMS {
        let cut = folder.path().join(end.to_string());
        let Ok(Outcome::Ended { kept }) = build(&EndsAfter::items(end), &cut) else {
            panic!("did not end after {end}");
        };
        assert!(kept.contains(kept_says) && kept.ends_with("run the same command again to go on"), "{kept}");
        let host = EndsAfter::items(usize::MAX);
        assert!(matches!(build(&host, &cut), Ok(Outcome::Complete(_))));
        assert_eq!(content(&cut), content(&whole));
        // What is there is not made again.
        assert!(host.made.load(Ordering::Relaxed) >= ITEMS - end);
        assert!(end < 4 || host.made.load(Ordering::Relaxed) < ITEMS);
        let again = EndsAfter::items(usize::MAX);
        assert!(matches!(build(&again, &cut), Ok(Outcome::Complete(_))));
        assert_eq!(again.made.load(Ordering::Relaxed), 0);
        assert!(again.notes.lock().unwrap().iter().any(|note| note.contains("is complete already")));
    }
}

#[test]
fn files_ended_anywhere_and_gone_on_with_are_those_of_one_run() {
    let failures = Failures { fails: |i| i == 5, stop: false };
    ended_anywhere_is_the_same(|host, output| files(host, output, None, NONE), "10 files are written");
    ended_anywhere_is_the_same(|host, output| files(host, output, None, failures), "10 files are written");
}

#[test]
fn a_dataset_ended_anywhere_and_gone_on_with_is_that_of_one_run() {
    let failures = Failures { fails: |i| i % 4 == 1, stop: false };
    ended_anywhere_is_the_same(|host, output| dataset(host, output, NONE), "of 4 shards are finished");
    ended_anywhere_is_the_same(|host, output| dataset(host, output, failures), "of 4 shards are finished");
}

#[test]
fn a_failure_ends_a_build_where_none_may_be() {
    let folder = TempDir::new().unwrap();
    let failures = Failures { fails: |i| i == 7, stop: true };
    let host = EndsAfter::items(usize::MAX);
    let ended = files(&host, &folder.path().join("files"), None, failures);
    assert!(matches!(ended, Ok(Outcome::StoppedByFailure)));
    let ended = dataset(&host, &folder.path().join("dataset"), failures);
    assert!(matches!(ended, Ok(Outcome::StoppedByFailure)));
    // Without the failure both go on.
    assert!(matches!(files(&host, &folder.path().join("files"), None, NONE), Ok(Outcome::Complete(_))));
    assert!(matches!(dataset(&host, &folder.path().join("dataset"), NONE), Ok(Outcome::Complete(_))));
}

#[test]
fn a_build_of_failures_alone_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    let failures = Failures { fails: |_| true, stop: false };
    let (host, output) = (EndsAfter::items(usize::MAX), folder.path().join("out"));
    assert!(matches!(
        files(&host, &output, None, failures),
        Ok(Outcome::Nothing { items: ITEMS, unit: "files" })
    ));
    assert!(!output.exists());
    assert!(matches!(
        dataset(&host, &output, failures),
        Ok(Outcome::Nothing { items: ITEMS, unit: "images" })
    ));
    assert!(!output.exists());
    // An empty folder of the user's stays.
    fs::create_dir(&output).unwrap();
    assert!(matches!(files(&host, &output, None, failures), Ok(Outcome::Nothing { .. })));
    assert!(matches!(dataset(&host, &output, failures), Ok(Outcome::Nothing { .. })));
    assert_eq!(fs::read_dir(&output).unwrap().count(), 0);
}

#[test]
fn what_was_stopped_anywhere_can_be_replaced() {
    for end in 0..ITEMS {
        let folder = TempDir::new().unwrap();
        let output = folder.path().join("out");
        assert!(matches!(files(&EndsAfter::items(end), &output, None, NONE), Ok(Outcome::Ended { .. })));
        pg_shard::remove_output(&output, None).unwrap();
        assert!(matches!(dataset(&EndsAfter::items(end), &output, NONE), Ok(Outcome::Ended { .. })));
        pg_shard::remove_output(&output, None).unwrap();
        assert_eq!(fs::read_dir(&output).unwrap().count(), 0);
    }
}

#[test]
fn a_part_is_done_for_its_own_command_only() {
    let folder = TempDir::new().unwrap();
    let host = EndsAfter::items(usize::MAX);
    let part = |index| Some(Part { index, count: 3 });
    let Ok(Outcome::Complete(summary)) = files(&host, folder.path(), part(2), NONE) else {
        panic!("the part was not written");
    };
    assert_eq!((summary.files, summary.json["part"].as_u64()), (3, Some(2)));
    assert!(matches!(files(&host, folder.path(), part(2), NONE), Ok(Outcome::Complete(_))));
    let error = files(&host, folder.path(), part(3), NONE).unwrap_err();
    assert!(matches!(error, BuildError::Shard(ShardError::OtherOutput { .. })), "{error}");
}

#[test]
fn what_breaks_a_build_off_says_what_is_kept() {
    let folder = TempDir::new().unwrap();
    let host = EndsAfter::items(usize::MAX);
    // A folder in the place of the last item's file.
    fs::create_dir_all(folder.path().join("inner/9.bin/in the way")).unwrap();
    let error = files(&host, folder.path(), None, NONE).unwrap_err();
    assert!(matches!(error, BuildError::Shard(_)), "{error}");
    fs::remove_dir_all(folder.path().join("inner")).unwrap();
    assert!(matches!(files(&EndsAfter::items(2), folder.path(), None, NONE), Ok(Outcome::Ended { .. })));
    fs::create_dir_all(folder.path().join("inner/9.bin/in the way")).unwrap();
    let Ok(Outcome::Failed { error, kept, .. }) = files(&host, folder.path(), None, NONE) else {
        panic!("a folder was replaced by a file");
    };
    assert!(error.to_string().ends_with("inner/9.bin"), "{error}");
    assert!(kept.starts_with("9 of 10 files are written"), "{kept}");
}
