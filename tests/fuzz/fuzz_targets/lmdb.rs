//! LMDB pages, as LSUN comes.
#![no_main]

use fuzz::{Folder, read_all};
use libfuzzer_sys::fuzz_target;
use pg_sources::SourceFormat;

thread_local!(static FOLDER: Folder = Folder::new());

fuzz_target!(|bytes: &[u8]| {
    FOLDER.with(|folder| read_all(&folder.write("data.mdb", bytes), SourceFormat::Lmdb));
});
