//! Which level a network runs at.

use crate::{Architecture, NetworkError};

/// The level in force and how far its layers are faded in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GrowthState {
    /// Side of the images in pixels.
    pub resolution_px: u32,
    /// Weight of this level's layers against the level below, in (0, 1]; 1 when nothing fades.
    pub fade_in: f64,
}

impl GrowthState {
    /// A level wholly faded in.
    #[must_use]
    pub fn stable(resolution_px: u32) -> Self {
        Self { resolution_px, fade_in: 1.0 }
    }

    /// True while the level below still has a share of the image.
    #[must_use]
    pub fn is_fading(self) -> bool {
        self.fade_in < 1.0 && self.resolution_px > 4
    }

    pub(crate) fn check(self, architecture: &Architecture) -> Result<(), NetworkError> {
        let most = architecture.resolution_px;
        let known = self.resolution_px.is_power_of_two() && (4..=most).contains(&self.resolution_px);
        if known { Ok(()) } else { Err(NetworkError::Resolution { found: self.resolution_px, most }) }
    }
}
