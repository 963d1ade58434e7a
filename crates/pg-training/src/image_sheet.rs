//! Images that were drawn, as bytes.

/// Images of one size, as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSheet {
    /// `[N,C,R,R]`, 0..=255.
    pub bytes: Vec<u8>,
    /// Number of images N.
    pub count: usize,
    /// Colour channels C.
    pub channels: usize,
    /// Side R in pixels.
    pub resolution_px: usize,
}

impl ImageSheet {
    /// The images one by one, each `[C,R,R]`.
    pub fn images(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks_exact((self.channels * self.resolution_px * self.resolution_px).max(1))
    }
}
