//! What a build, a part and a seal leave in a folder. The first byte says which of them the rest is.
#![no_main]

use std::fs;

use fuzz::Folder;
use fuzz::dataset::{Part, manifest};
use libfuzzer_sys::fuzz_target;
use pg_image::Resolution;
use pg_shard::format::{
    BUILD_FILE, FAILED_FILE, MANIFEST_FILE, PART_FILE, SEAL_FILE, index_path, record_path,
};
use pg_shard::{
    BuildPlan, DatasetBuilder, PartSet, Storage, check_seal, is_part, remove_output, reopen_failed,
};

thread_local!(static FOLDER: Folder = Folder::new());

fn plan() -> BuildPlan {
    BuildPlan {
        settings: serde_json::Map::new(),
        source_blake3: "00".to_owned(),
        items: 5,
        items_per_shard: 2,
        channels: 3,
        resolution: 4,
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&which, bytes)) = bytes.split_first() else { return };
    FOLDER.with(|folder| {
        let inner = folder.path().join("inner");
        let _ = fs::remove_dir_all(&inner);
        let at = |name: &str| format!("inner/{name}");
        let name =
            [BUILD_FILE, PART_FILE, SEAL_FILE, FAILED_FILE, MANIFEST_FILE, "pgkit-build/shard-00000.json"]
                [usize::from(which % 6)];
        if [SEAL_FILE, FAILED_FILE].contains(&name) {
            folder.write(&at(MANIFEST_FILE), manifest(Part::Raw, &[]).to_string().as_bytes());
        }
        if name == record_path(0) {
            folder.write(&at(BUILD_FILE), serde_json::to_string(&plan()).unwrap_or_default().as_bytes());
            folder.write(&at(&index_path(0)), b"");
        }
        folder.write(&at(name), bytes);
        let _ = is_part(&inner);
        for error in [
            check_seal(&inner).err(),
            PartSet::open(&[inner.clone()]).err(),
            reopen_failed(&inner, &plan(), &plan(), &Storage::whole(Resolution::MIN)).err(),
            DatasetBuilder::open(&inner, plan()).err(),
            remove_output(&inner, Some(&plan())).err(),
        ] {
            drop(error.map(|error| error.to_string()));
        }
    });
});
