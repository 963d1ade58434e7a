//! ONNX files, as far as their identity asks: the weights that lie outside, and where.
#![no_main]

use fuzz::Folder;
use libfuzzer_sys::fuzz_target;
use pg_onnx::ModelFile;

thread_local!(static FOLDER: Folder = Folder::new());

fuzz_target!(|bytes: &[u8]| {
    FOLDER.with(|folder| {
        folder.write("weights.bin", &[1, 2, 3, 4]);
        if let Err(error) = ModelFile::read(&folder.write("a.onnx", bytes)) {
            let _ = error.to_string();
        }
    });
});
