//! MNIST's idx files, plain and gzip. The first byte says whether images or labels.
#![no_main]

use fuzz::{Folder, read_all};
use libfuzzer_sys::fuzz_target;
use pg_sources::SourceFormat;

/// Two pictures of 2x1 pixels.
const IMAGES: &[u8] = &[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 9, 8, 7, 6];

thread_local!(static FOLDER: Folder = Folder::new());

fuzz_target!(|bytes: &[u8]| {
    let Some((&which, bytes)) = bytes.split_first() else { return };
    FOLDER.with(|folder| {
        let path = if which % 2 == 0 {
            folder.write("train-labels-idx1-ubyte", IMAGES);
            folder.write("train-images-idx3-ubyte", bytes)
        } else {
            folder.write("train-labels-idx1-ubyte", bytes);
            folder.write("train-images-idx3-ubyte", IMAGES)
        };
        read_all(&path, SourceFormat::Mnist);
    });
});
