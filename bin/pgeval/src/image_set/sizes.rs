//! The sizes of the images of a set, where they need not be one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Sizes of the images read so far; several threads may note at once, and an image that is read twice
/// counts once.
#[derive(Debug, Default)]
pub(super) struct SeenSizes(Mutex<BTreeMap<usize, (usize, usize)>>);

impl SeenSizes {
    /// Notes the size of image `index`.
    pub(super) fn note(&self, index: usize, width_px: usize, height_px: usize) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(index, (width_px, height_px));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Sizes as `640x480` and how many images have each, the smallest first.
    pub(super) fn listed(&self) -> Vec<(String, usize)> {
        let mut counts = BTreeMap::new();
        for &size in self.0.lock().unwrap_or_else(PoisonError::into_inner).values() {
            *counts.entry(size).or_insert(0) += 1;
        }
        counts.into_iter().map(|((width, height), n)| (format!("{width}x{height}"), n)).collect()
    }
}
