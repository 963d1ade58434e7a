//! The messages in TFRecord files, behind checksums that hold.
#![no_main]

use fuzz::{Folder, read_all};
use libfuzzer_sys::fuzz_target;
use pg_sources::SourceFormat;

thread_local!(static FOLDER: Folder = Folder::new());

fn masked_crc(bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xA282_EAD8).to_le_bytes()
}

fuzz_target!(|message: &[u8]| {
    let length = (message.len() as u64).to_le_bytes();
    let record = [&length[..], &masked_crc(&length), message, &masked_crc(message)].concat();
    FOLDER.with(|folder| read_all(&folder.write("a-r02.tfrecords", &record), SourceFormat::Tfrecord));
});
