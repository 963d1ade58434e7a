//! Golden data under `fixtures/`: arrays (`.npy`), JSON and pictures.

use std::path::PathBuf;

use ndarray::ArrayD;
use ndarray_npy::ReadableElement;
use serde_json::Value;

/// The path of a fixture, e.g. `fixture("swd/expected.json")`.
///
/// # Panics
/// When it does not exist.
#[must_use]
#[track_caller]
pub fn fixture(relative: &str) -> PathBuf {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures")).join(relative);
    assert!(path.exists(), "no fixture {}", path.display());
    path
}

/// Reads a `.npy` fixture of element type `T`, any shape.
///
/// # Panics
/// When it is missing, no `.npy` file, or of another element type.
#[must_use]
#[track_caller]
pub fn npy<T: ReadableElement>(relative: &str) -> ArrayD<T> {
    match ndarray_npy::read_npy(fixture(relative)) {
        Ok(array) => array,
        Err(error) => panic!("read fixture {relative}: {error}"),
    }
}

/// Reads a JSON fixture.
///
/// # Panics
/// When it is missing or no JSON.
#[must_use]
#[track_caller]
pub fn json(relative: &str) -> Value {
    let text = std::fs::read(fixture(relative)).unwrap_or_else(|e| panic!("read fixture {relative}: {e}"));
    serde_json::from_slice(&text).unwrap_or_else(|e| panic!("read fixture {relative}: {e}"))
}

/// The numbers of a JSON array.
///
/// # Panics
/// When `value` is anything else.
#[must_use]
#[track_caller]
pub fn numbers(value: &Value) -> Vec<f64> {
    let Some(array) = value.as_array() else { panic!("{value} is no array") };
    array.iter().map(|v| v.as_f64().unwrap_or_else(|| panic!("{v} is no number"))).collect()
}

/// A decoded RGB picture, planar `[3,H,W]`, 0..=255.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RgbPlanes {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `[3,H,W]`.
    pub data: Vec<u8>,
}

/// Decodes a picture fixture of any format that the tools read, as RGB.
///
/// # Panics
/// When it is missing or cannot be decoded.
#[must_use]
#[track_caller]
pub fn picture(relative: &str) -> RgbPlanes {
    let picture = match image::open(fixture(relative)) {
        Ok(picture) => picture.to_rgb8(),
        Err(error) => panic!("read fixture {relative}: {error}"),
    };
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let data = (0..3).flat_map(|c| picture.pixels().map(move |p| p.0[c])).collect();
    RgbPlanes { height, width, data }
}
