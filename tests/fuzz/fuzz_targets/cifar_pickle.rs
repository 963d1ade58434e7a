//! CIFAR's pickles: batches and names of classes. The first byte says which file the rest is.
#![no_main]

use std::fs;

use fuzz::{Folder, fixture, read_all};
use libfuzzer_sys::fuzz_target;
use pg_sources::SourceFormat;

thread_local!(static FOLDER: (Folder, Vec<u8>) = (
    Folder::new(),
    fs::read(fixture("sources/cifar10_python/data_batch_1")).expect("the fixture is there"),
));

fuzz_target!(|bytes: &[u8]| {
    let Some((&which, bytes)) = bytes.split_first() else { return };
    FOLDER.with(|(folder, batch)| {
        let path = match which % 3 {
            0 => folder.write("ten/data_batch_1", bytes),
            1 => folder.write("hundred/train", bytes),
            _ => {
                folder.write("named/batches.meta", bytes);
                folder.write("named/data_batch_1", batch)
            }
        };
        read_all(&path, SourceFormat::Cifar);
    });
});
