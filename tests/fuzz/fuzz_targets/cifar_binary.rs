//! CIFAR's binary records, and the names of the classes. The first byte says which file the rest is.
#![no_main]

use fuzz::{Folder, read_all};
use libfuzzer_sys::fuzz_target;
use pg_sources::SourceFormat;

thread_local!(static FOLDER: Folder = Folder::new());

fuzz_target!(|bytes: &[u8]| {
    let Some((&which, bytes)) = bytes.split_first() else { return };
    FOLDER.with(|folder| {
        let path = match which % 3 {
            0 => folder.write("ten/data_batch_1.bin", bytes),
            1 => folder.write("hundred/train.bin", bytes),
            _ => {
                folder.write("ten/batches.meta.txt", bytes);
                folder.write("ten/data_batch_1.bin", &[3; 3073])
            }
        };
        read_all(&path, SourceFormat::Cifar);
    });
});
