//! `dataset.json`, and the index lines it leads to.
#![no_main]

use fuzz::Folder;
use libfuzzer_sys::fuzz_target;
use pg_shard::format::{MANIFEST_FILE, index_path};
use pg_shard::{Dataset, Manifest, check_file};

thread_local!(static FOLDER: Folder = Folder::new());

fuzz_target!(|bytes: &[u8]| {
    FOLDER.with(|folder| {
        folder.write(MANIFEST_FILE, bytes);
        // The same bytes as index, where one line of them may be one.
        folder.write(&index_path(0), bytes);
        let claims = Manifest::is_in(folder.path());
        let manifest = match Manifest::read(folder.path()) {
            Ok(manifest) => manifest,
            Err(error) => return drop(error.to_string()),
        };
        assert!(claims, "what is read claims to be a manifest");
        assert_eq!(manifest.levels().len(), manifest.resolutions.len());
        for file in manifest.files.iter().take(8) {
            let images = manifest.images_in_file(&file.path);
            assert!(images.end <= manifest.images);
            assert!(check_file(folder.path(), &manifest, file).is_some(), "no such file is there");
        }
        for position in 0..manifest.shards.len().min(4) {
            if let Err(error) = manifest.index_of_shard(folder.path(), position) {
                let _ = error.to_string();
            }
        }
        if let Err(error) = Dataset::open(folder.path()) {
            let _ = error.to_string();
        }
    });
});
