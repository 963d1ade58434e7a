//! CIFAR as the tar archive it comes in, plain or gzip.
#![no_main]

use fuzz::{Folder, read_all};
use libfuzzer_sys::fuzz_target;
use pg_sources::SourceFormat;

thread_local!(static FOLDER: Folder = Folder::new());

fuzz_target!(|bytes: &[u8]| {
    FOLDER.with(|folder| read_all(&folder.write("cifar.tar.gz", bytes), SourceFormat::Cifar));
});
