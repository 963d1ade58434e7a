//! Against a store in memory that fails when it is told to.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod faulty_store;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use faulty_store::FaultyStore;
use pg_image::files::DecodeLimits;
use pg_image::{Planar, Resolution};
use pg_shard::format::MANIFEST_FILE;
use pg_shard::{BuildPlan, Claimed, DatasetBuilder, FailedItem, IndexLine, Opened, OutputFolder, ShardError};
use pg_sources::Content;
use tempfile::TempDir;

use crate::{Cloud, CloudError, Location, RemoteOutput, Settings};

/// A way to a bucket `b` that is a store in memory.
struct Setup {
    cloud: Cloud,
    store: Arc<FaultyStore>,
    stop: Arc<AtomicBool>,
    scratch: TempDir,
}

impl Setup {
    fn new() -> Self {
        Self::with_store(Arc::new(FaultyStore::default()))
    }

    /// Another process, with a scratch folder of its own, at the same store.
    fn with_store(store: Arc<FaultyStore>) -> Self {
        let (scratch, stop) = (tempfile::tempdir().unwrap(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let cloud = Cloud::new(Settings {
            options: Vec::new(),
            scratch: scratch.path().to_owned(),
            retries: 0,
            stop: Settings::stop_when(move || stopped.load(Ordering::Relaxed)),
            note: Arc::new(|_| {}),
            scratch_made: Arc::new(|_| {}),
        });
        cloud.stand_in(&at("s3://b"), Arc::clone(&store) as _);
        Self { cloud, store, stop, scratch }
    }

    fn again(&self) -> Self {
        Self::with_store(Arc::clone(&self.store))
    }
}

fn at(url: &str) -> Location {
    Location::of(Path::new(url)).unwrap().unwrap()
}

const ITEMS: usize = 10;

fn plan() -> BuildPlan {
    BuildPlan {
        settings: serde_json::Map::new(),
        source_blake3: "ab".to_owned(),
        items: ITEMS,
        items_per_shard: 4,
        channels: 1,
        resolution: 8,
    }
}

/// Builds what is left of the dataset in `folder`, handing each finished shard to `send`; item 5 fails.
fn build(folder: &Path, send: impl Fn(usize) -> Result<(), CloudError>) -> Result<(), CloudError> {
    let Opened::Building(builder) = DatasetBuilder::open(folder, plan())? else { return Ok(()) };
    for shard in (0..plan().shards()).filter(|&shard| !builder.is_finished(shard)) {
        let mut writer = builder.shard(shard)?;
        for i in builder.items_of(shard) {
            let path = format!("{i}.png");
            if i == 5 {
                writer.fail(FailedItem::new(path, "broken"));
                continue;
            }
            let levels = [8, 4].map(|side| {
                let pixels = (0..side * side).map(|k| (k * 3 + i * 17) as u8).collect();
                Planar::from_data(1, side, side, pixels).unwrap()
            });
            let line = IndexLine { path, blake3: "00".to_owned(), geometry: serde_json::Value::Null };
            writer.push(&levels, &line)?;
        }
        writer.finish()?;
        send(shard)?;
    }
    builder.complete(serde_json::json!({}))?;
    Ok(())
}

/// Builds it at `s3://b/ds`, as the binaries do.
fn build_there(setup: &Setup) -> Result<(), CloudError> {
    let output = setup.cloud.output(&at("s3://b/ds"), MANIFEST_FILE)?;
    let begun = DatasetBuilder::open(output.folder(), plan())?;
    drop(begun);
    output.begin()?;
    build(output.folder(), |shard| output.send_shard(shard))?;
    output.complete(MANIFEST_FILE)
}

fn local_files() -> Vec<(String, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    build(folder.path(), |_| Ok(())).unwrap();
    let mut names = Vec::new();
    crate::output::names_below(folder.path(), "ds/", &mut names).unwrap();
    names
        .into_iter()
        .map(|name| {
            let bytes = fs::read(folder.path().join(&name["ds/".len()..])).unwrap();
            (name, bytes)
        })
        .collect()
}

#[test]
fn a_build_broken_off_at_any_write_goes_on_and_ends_with_the_bytes_of_a_local_one() {
    let expected = local_files();
    let mut broken_off = 0;
    for writes in 0.. {
        let setup = Setup::new();
        setup.store.fail_writes_after(writes);
        let first = build_there(&setup);
        setup.store.fail_writes_after(usize::MAX);
        let there = setup.store.contents();
        if first.is_err() {
            broken_off += 1;
            assert!(!there.iter().any(|(name, _)| name == "ds/dataset.json"), "after {writes} writes");
            for (name, bytes) in &there {
                let whole = expected.iter().find(|(local, _)| local == name);
                assert!(whole.is_none_or(|(_, local)| local == bytes), "{name} after {writes} writes");
            }
            build_there(&setup.again()).unwrap();
        }
        assert!(setup.store.contents() == expected, "after {writes} writes");
        if first.is_ok() {
            break;
        }
    }
    // The plan; two levels, record and index of three shards; failures, seal and manifest.
    assert_eq!(broken_off, 1 + 3 * 4 + 3);
}

#[test]
fn what_the_end_of_a_broken_off_run_wrote_is_written_anew_by_the_next() {
    let setup = Setup::new();
    // All but the manifest.
    setup.store.fail_writes_after(1 + 3 * 4 + 2);
    build_there(&setup).unwrap_err();
    setup.store.fail_writes_after(usize::MAX);
    setup.store.insert("ds/dataset.blake3", b"of a manifest that never was");
    setup.store.insert("ds/failed.jsonl", b"of other failures");
    build_there(&setup.again()).unwrap();
    assert!(setup.store.contents() == local_files());
    let reader = setup.again();
    let copy = reader.cloud.dataset_copy(&at("s3://b/ds")).unwrap();
    assert_eq!(pg_shard::check_seal(copy.folder()).unwrap(), []);
}

#[test]
fn what_was_sent_takes_no_room_on_this_disk() {
    use std::os::unix::fs::MetadataExt as _;
    let setup = Setup::new();
    let output = setup.cloud.output(&at("s3://b/out"), "done.json").unwrap();
    let original = setup.scratch.path().join("original");
    fs::write(&original, vec![7; 1 << 20]).unwrap();
    // Another name of a file of the user's.
    fs::hard_link(&original, output.folder().join("a.bin")).unwrap();
    output.send("a.bin").unwrap();
    let left = fs::metadata(output.folder().join("a.bin")).unwrap();
    assert_eq!((left.len(), left.blocks()), (1 << 20, 0));
    assert!(fs::read(&original).unwrap() == vec![7; 1 << 20]);
    assert_eq!(setup.store.contents(), [("out/a.bin".to_owned(), vec![7; 1 << 20])]);
}

#[test]
fn a_large_file_goes_in_parts_and_shows_only_when_all_are_there() {
    let setup = Setup::new();
    let large: Vec<u8> = (0..20_u32 << 20).map(|i| (i % 251) as u8).collect();
    let path = setup.scratch.path().join("large");
    fs::write(&path, &large).unwrap();
    let sheet = setup.cloud.outgoing(Path::new("s3://b/large")).unwrap();
    fs::write(sheet.path(), &large).unwrap();
    setup.store.fail_parts_after(1);
    let error = sheet.send().unwrap_err();
    assert!(
        error.to_string().contains("cannot write s3://b/large: Operation not supported: told to fail"),
        "{error}"
    );
    assert_eq!((setup.store.contents().len(), setup.store.aborted()), (0, 1));
    setup.store.fail_parts_after(usize::MAX);
    sheet.send().unwrap();
    assert!(setup.store.contents() == [("large".to_owned(), large)]);
    assert_eq!((setup.store.parts_sent() > 2, setup.store.aborted()), (true, 1));
}

#[test]
fn a_stop_ends_an_upload_in_parts_and_a_read_that_hang_and_removes_the_parts() {
    let setup = Setup::new();
    let sheet = setup.cloud.outgoing(Path::new("s3://b/large")).unwrap();
    fs::write(sheet.path(), vec![1; 20 << 20]).unwrap();
    setup.store.hang_parts_after(1);
    let stop = Arc::clone(&setup.stop);
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(200));
        stop.store(true, Ordering::Relaxed);
    });
    let error = sheet.send().unwrap_err();
    stopper.join().unwrap();
    assert!(matches!(error, CloudError::Interrupted { .. }), "{error}");
    assert_eq!((setup.store.contents().len(), setup.store.aborted()), (0, 1));
}

#[test]
fn a_body_cut_short_is_asked_for_again_and_then_an_error_that_says_where() {
    let setup = Setup::new();
    build_there(&setup.again()).unwrap();
    let whole = Resolution::new(8).unwrap();
    let dataset = setup.cloud.dataset(&at("s3://b/ds")).unwrap().unwrap();
    setup.store.cut_reads_of("r0008/shard-00001.safetensors", 2);
    dataset.open(&[whole]).unwrap();

    let again = setup.again();
    let dataset = again.cloud.dataset(&at("s3://b/ds")).unwrap().unwrap();
    setup.store.cut_reads_of("r0008/shard-00001.safetensors", usize::MAX);
    let error = dataset.open(&[whole]).unwrap_err().to_string();
    assert!(
        error.starts_with("cannot read s3://b/ds/r0008/shard-00001.safetensors: it ends after"),
        "{error}"
    );
}

#[test]
fn of_a_dataset_only_the_levels_asked_for_are_fetched_and_each_is_compared_with_the_manifest() {
    let setup = Setup::new();
    build_there(&setup.again()).unwrap();
    let remote = setup.cloud.dataset(&at("s3://b/ds/")).unwrap().unwrap();
    assert_eq!(setup.store.reads_of("safetensors"), 0);
    let coarse = Resolution::new(4).unwrap();
    let dataset = remote.open(&[coarse]).unwrap();
    assert_eq!((dataset.len(), dataset.level(coarse).unwrap().len()), (ITEMS - 1, ITEMS - 1));
    assert_eq!(dataset.index_of_shard(1).unwrap()[0].path, "4.png");
    assert!(matches!(dataset.level_of_side(8), Err(ShardError::NoLevel { .. })));
    assert_eq!((setup.store.reads_of("r0004/"), setup.store.reads_of("r0008/")), (3, 0));

    setup.store.damage("ds/r0008/shard-00002.safetensors");
    let error = remote.open(&[Resolution::new(8).unwrap()]).unwrap_err();
    let CloudError::Mismatch { url, .. } = &error else { panic!("{error}") };
    assert_eq!(url, "s3://b/ds/r0008/shard-00002.safetensors");
}

#[test]
fn an_output_of_another_plan_and_one_with_other_things_are_refused() {
    let setup = Setup::new();
    setup.store.fail_writes_after(2);
    build_there(&setup).unwrap_err();
    setup.store.fail_writes_after(usize::MAX);
    let claim = |output: &RemoteOutput, items: usize| {
        OutputFolder::claim(output.folder(), &BuildPlan { items, ..plan() }, MANIFEST_FILE)
    };
    let other = setup.again();
    let output = other.cloud.output(&at("s3://b/ds"), MANIFEST_FILE).unwrap();
    let error = claim(&output, 3).unwrap_err();
    assert!(matches!(error, ShardError::OtherBuild { .. }), "{error}");
    assert!(error.to_string().contains("/s3://b/ds was begun by another command"), "{error}");
    let Claimed::Begun(same) = claim(&output, ITEMS).unwrap() else { panic!("it is not done") };
    assert!(same.is_resumed());
    let above = other.cloud.output(&at("s3://b"), MANIFEST_FILE).unwrap();
    let error = claim(&above, ITEMS).unwrap_err();
    assert!(matches!(error, ShardError::NotEmpty { .. }), "{error}");
}

#[test]
fn photos_are_read_one_by_one_and_trouble_is_told_from_a_photo_that_is_gone() {
    let setup = Setup::new();
    for name in ["b.png", "a.png", "c.png"] {
        setup.store.insert(&format!("photos/{name}"), name.as_bytes());
    }
    let source = setup.cloud.source(&at("s3://b/photos"), None).unwrap();
    let limits = DecodeLimits::default();
    assert_eq!(setup.store.reads_of("photos/"), 0);
    assert_eq!(source.read(1, &limits).unwrap(), Content::Encoded(b"b.png".to_vec()));
    setup.store.remove("photos/a.png");
    let gone = source.read(0, &limits).unwrap_err();
    assert_eq!(gone.to_string(), "cannot read s3://b/photos/a.png");
    assert!(!setup.cloud.is_in_trouble());
    setup.store.fail_reads();
    source.read(2, &limits).unwrap_err();
    let trouble = setup.cloud.take_trouble().unwrap();
    assert!(trouble.to_string().starts_with("cannot read s3://b/photos/c.png: Operation not"), "{trouble}");
}

#[test]
fn photos_in_a_known_order_are_fetched_ahead_and_each_once() {
    const PHOTOS: usize = 200;
    let setup = Setup::new();
    for i in 0..PHOTOS {
        setup.store.insert(&format!("photos/{i:03}.png"), format!("photo {i}").as_bytes());
    }
    let source = setup.cloud.source(&at("s3://b/photos"), None).unwrap();
    let order: Vec<usize> = (0..PHOTOS).map(|i| i * 7 % PHOTOS).collect();
    source.will_read(&order);
    let limits = DecodeLimits::default();
    let mut most_ahead = 0;
    for (read, &i) in order.iter().enumerate() {
        assert_eq!(source.read(i, &limits).unwrap(), Content::Encoded(format!("photo {i}").into_bytes()));
        most_ahead = most_ahead.max(setup.store.reads_of("photos/") - read - 1);
    }
    assert_eq!(setup.store.reads_of("photos/"), PHOTOS);
    assert!((2..=64).contains(&most_ahead), "{most_ahead}");
    // Out of turn it is read all the same.
    assert_eq!(source.read(0, &limits).unwrap(), Content::Encoded(b"photo 0".to_vec()));
}

#[test]
fn names_that_would_leave_the_scratch_folder_are_refused() {
    let setup = Setup::new();
    assert!(setup.cloud.remote(&at("s3://b/x")).unwrap().check_name("a/../../b").is_err());
    assert!(setup.cloud.remote(&at("s3://b/x")).unwrap().check_name("a/b").is_ok());
}
