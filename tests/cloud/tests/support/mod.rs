//! What several tests share.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::path::Path;

use serde_json::Value;
use tests_cloud::Store;

/// Shards of four images.
pub(crate) const ALIGN_SHARDS: &str = "--size 32 --format shards --images-per-shard 4";

type Files = [(String, Vec<u8>)];

/// Equal but for the command line and its arguments, which name the places, and the seal over them.
pub(crate) fn assert_same_dataset(local: &Files, remote: &Files) {
    let names = |files: &Files| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(local), names(remote));
    for ((name, a), (_, b)) in local.iter().zip(remote) {
        match name.as_str() {
            "dataset.json" => assert_eq!(without_command(a), without_command(b)),
            "dataset.blake3" => {}
            _ => assert!(a == b, "{name} differs"),
        }
    }
}

fn without_command(manifest: &[u8]) -> Value {
    let mut manifest: Value = serde_json::from_slice(manifest).unwrap();
    assert!(manifest["provenance"]["command_line"].take().is_array());
    assert!(manifest["provenance"]["arguments"].take().is_object());
    manifest
}

/// Whether nothing is in `folder`.
pub(crate) fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

/// Copies a fixture to the sandbox and the bucket, under its own name.
pub(crate) fn fixture(store: &Store, name: &str) {
    let from = pg_testkit::golden::fixture(name);
    let to = store.sandbox.path(name);
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::create_dir_all(store.bucket().join(name).parent().unwrap()).unwrap();
    if from.is_dir() {
        std::fs::create_dir_all(&to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().flatten() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    } else {
        std::fs::copy(from, to).unwrap();
    }
    store.upload(name);
}
