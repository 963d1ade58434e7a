//! Pictures with nothing in them.

use pg_image::Raster;

use crate::random::Choices;

/// An RGB picture of `side_px` x `side_px` independent uniform bytes, a pure function of (seed, index).
///
/// # Panics
/// When `side_px` is 0.
#[must_use]
pub fn uniform_noise(seed: u64, index: u64, side_px: usize) -> Raster {
    let mut choices = Choices::new(seed, index);
    let bytes = (0..side_px * side_px * 3).map(|_| (choices.bits() >> 24) as u8).collect();
    Raster::from_data(side_px, side_px, 3, bytes).expect("a picture of at least one pixel")
}
