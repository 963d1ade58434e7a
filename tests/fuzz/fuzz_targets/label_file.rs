//! Label files, CSV and JSON.
#![no_main]

use fuzz::Folder;
use libfuzzer_sys::fuzz_target;
use pg_sources::{Item, labels_from_file};

thread_local!(static FOLDER: Folder = Folder::new());

fuzz_target!(|bytes: &[u8]| {
    let items = ["a.png", "b/c.png"].map(|name| Item { name: name.to_owned(), bytes: 1 });
    FOLDER.with(|folder| {
        for name in ["labels.csv", "labels.json"] {
            match labels_from_file(&folder.write(name, bytes), &items) {
                Ok(Some(labels)) => assert_eq!(labels.len(), items.len()),
                Ok(None) => {}
                Err(error) => drop(error.to_string()),
            }
        }
    });
});
