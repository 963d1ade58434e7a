//! What a run's folder holds as text: its record, its settings, its best snapshot, a snapshot's state, settings and checksums.
//! The first byte says which of them the rest is.
#![no_main]

use std::fs;

use fuzz::Folder;
use libfuzzer_sys::fuzz_target;
use pg_training::{RunFolder, Snapshot, SnapshotStore};

const FILES: [&str; 6] = [
    "run.json",
    "settings.toml",
    "best.json",
    "snapshots/000001/state.json",
    "snapshots/000001/settings.toml",
    "snapshots/000001/checksums.b3",
];
const RECORD: &str = r#"{"dataset":"/d","dataset_fingerprint":"f","resolution":16,"provenance":{}}"#;
const BEST: &str = r#"{"metric":"swd","value":1.0,"images_shown":1000,"snapshot":"000001"}"#;
const STATE: &str = r#"{"format_version":1,"images_shown":1000,"last_round_images_shown":null,"resolution":16,"image_channels":3,"generator_steps":1,"discriminator_steps":1,"kept":true,"dataset_fingerprint":"f"}"#;

thread_local!(static FOLDER: Folder = Folder::new());

fuzz_target!(|bytes: &[u8]| {
    let Some((&which, bytes)) = bytes.split_first() else { return };
    let which = usize::from(which) % FILES.len();
    FOLDER.with(|folder| {
        let run = folder.path().join("run");
        let _ = fs::remove_dir_all(&run);
        let whole = [RECORD, "", BEST, STATE, ""];
        for (name, text) in FILES.iter().zip(whole) {
            folder.write(&format!("run/{name}"), text.as_bytes());
        }
        for weights in ["generator", "generator-ema", "discriminator", "optimizer"] {
            folder.write(&format!("run/snapshots/000001/{weights}.safetensors"), b"");
        }
        folder.write(&format!("run/{}", FILES[which]), bytes);
        let text = |error: pg_training::TrainingError| error.to_string();
        let _ = RunFolder::recorded(&run).map_err(text);
        let _ = RunFolder::best_snapshot(&run).map_err(text);
        let _ = SnapshotStore::of_run(&run).map(|store| store.snapshots().len()).map_err(text);
        if let Ok(snapshot) = Snapshot::open(&run.join("snapshots/000001")).map_err(text) {
            let _ = snapshot.verify().map_err(text);
            if let Ok(Some(settings)) = snapshot.settings().map_err(text) {
                let _ = snapshot.level(&settings);
            }
        }
        let _ = RunFolder::open(&run).map_err(text);
    });
});
