//! TFRecord files as they are: lengths and checksums.
#![no_main]

use fuzz::{Folder, read_all};
use libfuzzer_sys::fuzz_target;
use pg_sources::SourceFormat;

thread_local!(static FOLDER: Folder = Folder::new());

fuzz_target!(|bytes: &[u8]| {
    FOLDER.with(|folder| read_all(&folder.write("a-r02.tfrecords", bytes), SourceFormat::Tfrecord));
});
