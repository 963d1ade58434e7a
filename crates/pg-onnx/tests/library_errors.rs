//! What a wrong library file gives. These run without ONNX Runtime, in a process of their own,
//! because a process holds one library only.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use pg_onnx::{OnnxError, OnnxRuntime};

#[test]
fn a_library_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = OnnxRuntime::load(&folder.path().join("libonnxruntime.so")).unwrap_err();
    assert!(matches!(error, OnnxError::LibraryMissing { .. }), "{error}");
    assert!(error.to_string().contains("libonnxruntime.so"), "{error}");
}

#[test]
fn a_file_that_is_no_library_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("libonnxruntime.so");
    std::fs::write(&file, b"not a library").unwrap();
    let error = OnnxRuntime::load(&file).unwrap_err();
    assert!(matches!(error, OnnxError::LibraryUnloadable { .. }), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn another_library_is_refused() {
    let places = ["/lib/x86_64-linux-gnu/libm.so.6", "/lib64/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6"];
    let Some(libm) = places.iter().map(std::path::Path::new).find(|p| p.exists()) else { return };
    let error = OnnxRuntime::load(libm).unwrap_err();
    assert!(error.to_string().contains("OrtGetApiBase"), "{error}");
}
