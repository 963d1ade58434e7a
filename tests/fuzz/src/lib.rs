//! What the fuzz targets share: files for readers that take paths, and reading all there is.

pub mod dataset;

use std::fs;
use std::path::{Path, PathBuf};

use pg_image::files::DecodeLimits;
use pg_sources::{Source, SourceFormat};
use tempfile::TempDir;

/// Small enough that a file cannot take long or much memory by right.
pub const LIMITS: DecodeLimits = DecodeLimits { max_pixels: 1 << 20, max_bytes: 1 << 20 };

/// A folder for the files of one target, used again for every input.
pub struct Folder(TempDir);

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Folder {
    /// A new empty folder below `TMPDIR`.
    #[must_use]
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("TMPDIR can be written"))
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, its folders too.
    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).expect("folders can be made");
        }
        fs::write(&path, bytes).expect("TMPDIR has room");
        path
    }
}

/// Opens what is at `path` and reads every image and the labels. Errors are fine; their text is made too.
pub fn read_all(path: &Path, format: SourceFormat) {
    if let Err(error) = SourceFormat::detect(path) {
        let _ = error.to_string();
    }
    let source = match Source::open_as(path, format) {
        Ok(source) => source,
        Err(error) => return drop(error.to_string()),
    };
    let items = source.items().len();
    // The first and the last images: a list may name one image very often.
    for index in (0..items.min(16)).chain(items.saturating_sub(4).max(16)..items) {
        if let Err(error) = source.read(index, &LIMITS) {
            let _ = error.to_string();
        }
    }
    assert!(source.read(items, &LIMITS).is_err(), "there is no image behind the last");
    match source.labels() {
        Ok(Some(labels)) => assert_eq!(labels.len(), items, "a label row per image"),
        Ok(None) => {}
        Err(error) => drop(error.to_string()),
    }
}

/// The fixture `name` of the repository.
#[must_use]
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}
