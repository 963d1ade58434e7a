//! How the images of a file were described.

use std::fmt;

use pg_metrics::{MetricsError, SwdLayout, SwdSettings};
use serde::{Deserialize, Serialize};

/// What a file's descriptors depend on, besides the images. Files of one protocol can be merged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatsProtocol {
    /// Side of the images, in pixels.
    pub resolution: usize,
    /// Sides of the levels that can be compared, finest first, in pixels.
    pub levels: Vec<usize>,
    /// Descriptors per image and level.
    pub patches_per_image: usize,
    /// Seed of the patch positions.
    pub seed: u64,
}

impl StatsProtocol {
    /// Of the levels of `layout`, by `seed`.
    #[must_use]
    pub fn new(layout: &SwdLayout, seed: u64) -> Self {
        Self {
            resolution: layout.resolution_px(),
            levels: layout.compared_px().to_vec(),
            patches_per_image: layout.patches_per_image(),
            seed,
        }
    }

    /// What is kept of each image.
    ///
    /// # Errors
    /// Those of [`SwdLayout::new`].
    pub fn layout(&self) -> Result<SwdLayout, MetricsError> {
        let settings = SwdSettings { patches_per_image: self.patches_per_image, ..SwdSettings::default() };
        SwdLayout::new(self.resolution, &self.levels, &settings)
    }

    /// The first thing in which files of two protocols are not alike: in `self`, and in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<ProtocolDifference> {
        let list = |levels: &[usize]| levels.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        let things = [
            ("resolution", self.resolution.to_string(), other.resolution.to_string()),
            ("levels", list(&self.levels), list(&other.levels)),
            ("patches per image", self.patches_per_image.to_string(), other.patches_per_image.to_string()),
            ("seed", self.seed.to_string(), other.seed.to_string()),
        ];
        let different = things.into_iter().find(|(_, a, b)| a != b);
        different.map(|(what, expected, found)| ProtocolDifference { what, expected, found })
    }
}

/// One thing in which two protocols differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtocolDifference {
    /// `resolution`, `levels`, `patches per image` or `seed`.
    pub what: &'static str,
    /// What it is to be.
    pub expected: String,
    /// What it is.
    pub found: String,
}

impl fmt::Display for ProtocolDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its {} is {}, expected {}", self.what, self.found, self.expected)
    }
}
