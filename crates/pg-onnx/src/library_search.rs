//! Looks for the ONNX Runtime library among places that the caller lists.

use std::fs;
use std::path::{Path, PathBuf};

use crate::OnnxError;

/// The first of `candidates` that is a library file, or a folder that holds one.
///
/// In a folder the names are `libonnxruntime.so`, `libonnxruntime.so.<version>`,
/// `libonnxruntime[.<version>].dylib` and `onnxruntime.dll`; of several the last in name order. The
/// library is not opened.
///
/// # Errors
/// [`OnnxError::LibraryNotFound`] with all the places looked at.
pub fn find_library(candidates: &[PathBuf]) -> Result<PathBuf, OnnxError> {
    candidates.iter().find_map(|candidate| library_at(candidate)).ok_or_else(|| {
        let places: Vec<String> = candidates.iter().map(|c| c.display().to_string()).collect();
        OnnxError::LibraryNotFound {
            looked_at: if places.is_empty() { "nowhere".to_owned() } else { places.join(", ") },
        }
    })
}

fn library_at(candidate: &Path) -> Option<PathBuf> {
    if candidate.is_file() {
        return Some(candidate.to_owned());
    }
    fs::read_dir(candidate)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.is_file() && path.file_name().and_then(|n| n.to_str()).is_some_and(is_library_name)
        })
        .max()
}

fn is_library_name(name: &str) -> bool {
    let unix = name.strip_prefix("libonnxruntime").is_some_and(|rest| {
        let version = |v: &str| v.chars().all(|c| c.is_ascii_digit() || c == '.');
        rest.strip_prefix(".so").is_some_and(version) || rest.strip_suffix(".dylib").is_some_and(version)
    });
    unix || name == "onnxruntime.dll"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_runtime_s_own_names_count() {
        for name in [
            "libonnxruntime.so",
            "libonnxruntime.so.1.32.0",
            "libonnxruntime.1.32.0.dylib",
            "onnxruntime.dll",
        ] {
            assert!(is_library_name(name), "{name}");
        }
        for name in ["libonnxruntime_providers_shared.so", "libonnx.so", "libonnxruntime.so.txt"] {
            assert!(!is_library_name(name), "{name}");
        }
    }

    #[test]
    fn the_first_place_that_holds_a_library_wins() {
        let folder = tempfile::tempdir().unwrap();
        let (empty, full) = (folder.path().join("empty"), folder.path().join("full"));
        fs::create_dir(&empty).unwrap();
        fs::create_dir(&full).unwrap();
        let library = full.join("libonnxruntime.so.1.32.0");
        fs::write(&library, b"").unwrap();
        fs::write(full.join("libonnxruntime.so"), b"").unwrap();
        let other = folder.path().join("other.so");
        fs::write(&other, b"").unwrap();
        let absent = folder.path().join("absent");
        assert_eq!(find_library(&[absent.clone(), empty.clone(), full, other.clone()]).unwrap(), library);
        assert_eq!(find_library(&[absent.clone(), other.clone()]).unwrap(), other);
        let error = find_library(&[absent, empty]).unwrap_err().to_string();
        assert!(error.contains("absent, ") && error.ends_with("empty"), "{error}");
    }
}
