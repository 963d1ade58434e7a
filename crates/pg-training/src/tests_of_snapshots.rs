//! Snapshots of a run survive kills, flipped bits and foreign files.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

use pg_schedule::{Preset, TrainingSettings};
use pg_testkit::kill_points::KillPoints;
use tch::Device;

use crate::run_folder::Retention;
use crate::snapshot::SnapshotState;
use crate::trainer::Trainer;
use crate::{RunFolder, RunRecord, Snapshot, SnapshotStore, TrainingError};

/// Images shown at the snapshots of a run: two within one kimg, and enough that old ones are removed.
const MOMENTS: [u64; 4] = [0, 1000, 1500, 3000];

fn settings() -> TrainingSettings {
    let small = ["fmap_max=4", "latent_size=4"];
    small.iter().fold(Preset::Tiny.settings(), |settings, set| settings.with_assignment(set).unwrap())
}

fn write(run: &RunFolder, trainer: &Trainer, images_shown: u64) -> Snapshot {
    let state = SnapshotState {
        format_version: SnapshotState::VERSION,
        images_shown,
        last_round_images_shown: None,
        resolution: 8,
        image_channels: 1,
        label_size: 0,
        generator_steps: 0,
        discriminator_steps: 0,
        kept: images_shown == 0,
        dataset_fingerprint: "of some dataset".to_owned(),
    };
    Snapshot::write(run, trainer, state, None).unwrap()
}

/// The run folder `path`, as `pgtrain run` opens it.
fn open(path: &Path) -> RunFolder {
    let run = RunFolder::open(path).unwrap();
    let record = RunRecord {
        dataset: "some dataset".into(),
        dataset_fingerprint: "of some dataset".to_owned(),
        resolution: 8,
        threads: Some(1),
        provenance: serde_json::Value::Null,
    };
    run.record(&settings(), &record).unwrap();
    run
}

fn trainer() -> Trainer {
    Trainer::with_labels(&settings(), 8, 1, 0, Device::Cpu).unwrap()
}

/// Writes the snapshots of [`MOMENTS`] that are not there yet, and removes old ones, as a run does.
fn go_on(path: &Path) {
    let run = open(path);
    let trainer = trainer();
    let newest = RunFolder::newest_snapshot(path).unwrap().map(|s| s.state().images_shown);
    for &moment in MOMENTS.iter().filter(|&&moment| newest.is_none_or(|newest| moment > newest)) {
        write(&run, &trainer, moment);
        fs::write(path.join("written"), moment.to_string()).unwrap();
        prune(&run, moment);
    }
    // Killed after the last one was written.
    prune(&run, MOMENTS[MOMENTS.len() - 1]);
}

fn prune(run: &RunFolder, newest: u64) {
    run.prune(&Retention { newest, best: None, keep_last: 1, total_images: 9000 }).unwrap();
}

const RUN_OF_CHILD: &str = "PGKIT_TEST_RUN_OF_CHILD";

#[test]
fn a_kill_between_any_two_steps_loses_no_snapshot() {
    if let Some(run) = std::env::var_os(RUN_OF_CHILD) {
        return go_on(Path::new(&run));
    }
    let kill_points = KillPoints::compile();
    let parent = tempfile::tempdir().unwrap();
    let run = parent.path().join("run");
    let child = || {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["tests_of_snapshots::a_kill_between_any_two_steps_loses_no_snapshot", "--exact"]);
        child.env(RUN_OF_CHILD, &run);
        child
    };
    for step in 1.. {
        let _ = fs::remove_dir_all(&run);
        let killed = kill_points.kill_before(&mut child(), step).output().unwrap();
        if killed.status.success() {
            assert!(step > 60, "only {step} steps: are they all counted?");
            break;
        }
        assert_eq!(killed.status.signal(), Some(9), "{}", String::from_utf8_lossy(&killed.stdout));

        let before = tree(&run);
        let newest = RunFolder::newest_snapshot(&run).unwrap();
        assert!(before == tree(&run), "step {step}: a reader wrote");
        if let Ok(written) = fs::read_to_string(run.join("written")) {
            let written: u64 = written.parse().unwrap();
            let newest = newest.as_ref().unwrap_or_else(|| panic!("step {step}: none is left"));
            assert!(newest.state().images_shown >= written, "step {step}: {} of {written}", newest.name());
        }
        if let Some(newest) = newest {
            newest.verify().unwrap();
        }

        // A process more takes a while: the rest of the run after every third step.
        if step % 3 != 0 {
            continue;
        }
        let gone_on = child().output().unwrap();
        assert!(gone_on.status.success(), "step {step}: {}", String::from_utf8_lossy(&gone_on.stdout));
        let names: Vec<_> = tree(&run.join("snapshots")).into_iter().map(|(name, _)| name).collect();
        assert!(
            names.iter().all(|name| name.starts_with("000000") || name.starts_with("000003")),
            "{names:?}"
        );
    }
}

/// All files below `folder`, with their bytes.
fn tree(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return files };
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            files.push((name.clone(), Vec::new()));
            files.extend(tree(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else {
            files.push((name, fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}

#[test]
fn every_flipped_bit_of_a_snapshot_is_found() {
    let parent = tempfile::tempdir().unwrap();
    let snapshot = write(&open(parent.path()), &trainer(), 1000);
    let check = || Snapshot::open(snapshot.folder()).and_then(|snapshot| snapshot.verify());
    check().unwrap();
    let files = tree(snapshot.folder());
    assert_eq!(files.len(), 7);
    for (name, bytes) in &files {
        let path = snapshot.folder().join(name);
        // All bits of short files, some 400 of others.
        let bits = bytes.len() * 8;
        for bit in (0..bits).step_by((bits / 400).max(1) | 1) {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &flipped).unwrap();
            let error = check().unwrap_err();
            assert!(matches!(error, TrainingError::Damaged { .. }), "bit {bit} of {name}: {error}");
        }
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(check().is_err(), "{name} without its last byte");
        fs::write(&path, bytes).unwrap();
    }
    check().unwrap();
}

#[test]
fn what_is_no_whole_snapshot_is_passed_over_and_left_as_it_is() {
    let parent = tempfile::tempdir().unwrap();
    let run = open(parent.path());
    let whole = write(&run, &trainer(), 2000);
    let store = parent.path().join("snapshots");
    for name in
        [".ipynb_checkpoints", "@eaDir", "lost+found", "empty", "000009", "000007.old", "12", "000001-1"]
    {
        fs::create_dir(store.join(name)).unwrap();
    }
    fs::write(store.join("Thumbs.db"), "x").unwrap();
    fs::write(store.join("000005"), "a file").unwrap();
    // Without one of its files, and with numbers that no run has.
    for (name, change) in
        [("000010", None), ("000011", Some(("8", "0"))), ("000012", Some(("1,", "4294967295,")))]
    {
        fs::create_dir(store.join(name)).unwrap();
        for (file, bytes) in tree(whole.folder()) {
            let text = String::from_utf8_lossy(&bytes);
            match change {
                None if file == "generator.safetensors" => {}
                Some((from, to)) if file == "state.json" => {
                    let version_1 = text.replace("\"format_version\": 2", "\"format_version\": 1");
                    let changed = version_1
                        .replace(&format!("\"resolution\": {from}"), &format!("\"resolution\": {to}"))
                        .replace(
                            &format!("\"image_channels\": {from}"),
                            &format!("\"image_channels\": {to}"),
                        );
                    assert_ne!(changed, version_1, "{text}");
                    fs::write(store.join(name).join(file), changed).unwrap();
                }
                Some(_) if file == "checksums.b3" => {}
                _ => fs::write(store.join(name).join(file), bytes).unwrap(),
            }
        }
    }
    let before = tree(&store);
    let found = SnapshotStore::of_run(parent.path()).unwrap();
    assert_eq!(found.snapshots().iter().map(Snapshot::name).collect::<Vec<_>>(), ["000002"]);
    let said: Vec<String> = found.passed_over().iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 13, "{said:#?}");
    for expected in [
        "@eaDir is no snapshot",
        "generator.safetensors is missing",
        "resolution of 0 px",
        "4294967295 colour",
    ] {
        assert!(said.iter().any(|said| said.contains(expected)), "{expected}: {said:#?}");
    }
    // Nor does a run that goes on touch them, or mind one where it wants to write.
    drop(run);
    let run = RunFolder::open(parent.path()).unwrap();
    prune(&run, 2000);
    assert!(before == tree(&store));
    write(&run, &trainer(), 9000);
    assert_eq!(RunFolder::newest_snapshot(parent.path()).unwrap().unwrap().name(), "000009");
    assert!(store.join("000009.aside").is_dir());
}

#[test]
fn a_run_goes_back_to_an_earlier_snapshot_and_keeps_the_later_ones_aside() {
    let parent = tempfile::tempdir().unwrap();
    let run = open(parent.path());
    for moment in [0, 1000, 2000] {
        write(&run, &trainer(), moment);
    }
    let error = run.go_back_to("000003").unwrap_err();
    assert!(error.to_string().contains("no snapshot \"000003\": found 000000, 000001, 000002"), "{error}");
    let aside = run.go_back_to("000000").unwrap();
    assert_eq!(aside.iter().filter(|path| path.is_dir()).count(), 2);
    assert_eq!(RunFolder::newest_snapshot(parent.path()).unwrap().unwrap().name(), "000000");
}
