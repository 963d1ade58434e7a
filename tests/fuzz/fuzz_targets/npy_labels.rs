//! `.npy` headers and matrices, as the labels beside TFRecords.
#![no_main]

use std::fs;

use fuzz::{Folder, fixture, read_all};
use libfuzzer_sys::fuzz_target;
use pg_sources::SourceFormat;

thread_local!(static FOLDER: Folder = {
    let folder = Folder::new();
    let images = fs::read(fixture("lod/tfr/tfr-r02.tfrecords")).expect("the fixture is there");
    folder.write("tfr-r02.tfrecords", &images);
    folder
});

fuzz_target!(|bytes: &[u8]| {
    FOLDER.with(|folder| {
        folder.write("tfr-rxx.labels", bytes);
        read_all(folder.path(), SourceFormat::Tfrecord);
    });
});
