//! Shards: safetensors headers, raw and compressed images, labels. The first byte says which.
#![no_main]

use fuzz::Folder;
use fuzz::dataset::{Part, read_shard};
use libfuzzer_sys::fuzz_target;
use pg_shard::Codec;

thread_local!(static FOLDER: Folder = Folder::new());

fuzz_target!(|bytes: &[u8]| {
    let Some((&which, bytes)) = bytes.split_first() else { return };
    let part = Part::of(which);
    FOLDER.with(|folder| read_shard(folder, part, bytes));
    if part == Part::Compressed {
        // The codec alone gets further without a header.
        let _ = Codec::MedZstd.decode(bytes, 1, part.resolution());
    }
});
