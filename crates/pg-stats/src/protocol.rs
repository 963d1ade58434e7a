//! How the images of a file were described.

use std::fmt;

use pg_metrics::{MetricsError, SwdLayout, SwdSettings};
use serde::{Deserialize, Serialize};

/// What is kept of each image. Files of one protocol can be merged.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatsProtocol {
    /// For the sliced Wasserstein distance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swd: Option<SwdProtocol>,
    /// Features of a network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkProtocol>,
}

/// What descriptors depend on, besides the images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwdProtocol {
    /// Side of the images, in pixels.
    pub resolution: usize,
    /// Sides of the levels that can be compared, finest first, in pixels.
    pub levels: Vec<usize>,
    /// Descriptors per image and level.
    pub patches_per_image: usize,
    /// Seed of the patch positions.
    pub seed: u64,
}

/// What features depend on, besides the images: the network, and how it is fed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkProtocol {
    /// SHA-256 of the model file, hexadecimal.
    pub sha256: String,
    /// Side of the network's input, in pixels.
    pub input_size: usize,
    /// Name of the recipe that brings images to that size.
    pub resize: String,
    /// What pixel values 0 and 255 become.
    pub range: [f32; 2],
    /// Name of the output of features.
    pub features: String,
    /// Length of a feature vector.
    pub feature_width: usize,
    /// Name of the output of class scores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logits: Option<String>,
    /// Number of class scores; 0 without.
    #[serde(default)]
    pub classes: usize,
    /// How image files were brought to one size before: `strict` where they were not.
    pub fit: String,
    /// To which size, if so, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<usize>,
    /// Whether only mean and covariance are known, of images that are not, as others publish them.
    #[serde(default)]
    pub moments_only: bool,
}

impl SwdProtocol {
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

    fn things(&self) -> Vec<(&'static str, String)> {
        let levels: Vec<String> = self.levels.iter().map(usize::to_string).collect();
        vec![
            ("resolution", self.resolution.to_string()),
            ("levels", levels.join(",")),
            ("patches per image", self.patches_per_image.to_string()),
            ("seed", self.seed.to_string()),
        ]
    }
}

impl NetworkProtocol {
    fn things(&self) -> Vec<(&'static str, String)> {
        let fitted =
            self.resolution.map_or_else(|| self.fit.clone(), |side| format!("{} to {side} px", self.fit));
        vec![
            ("network", self.sha256.clone()),
            ("input size", self.input_size.to_string()),
            ("resize", self.resize.clone()),
            ("range", format!("{},{}", self.range[0], self.range[1])),
            ("features", format!("{} of {}", self.features, self.feature_width)),
            (
                "class scores",
                self.logits.as_ref().map_or("none".to_owned(), |name| format!("{name} of {}", self.classes)),
            ),
            ("fit of the images", fitted),
            (
                "kind of statistics",
                if self.moments_only { "mean and covariance" } else { "of each image" }.to_owned(),
            ),
        ]
    }

    /// The first thing in which two networks, or what they are fed, are not alike: in `self`, and in `other`.
    /// Class scores, and whether images are known, make no difference to features.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<ProtocolDifference> {
        let alike =
            |(what, _): &(&'static str, String)| !["class scores", "kind of statistics"].contains(what);
        first_difference(
            self.things().into_iter().filter(alike).collect(),
            other.things().into_iter().filter(alike).collect(),
        )
    }
}

impl StatsProtocol {
    /// The first thing in which files of two protocols are not alike: in `self`, and in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<ProtocolDifference> {
        let kept = |protocol: &Self| {
            let swd = protocol.swd.as_ref().map(|_| "descriptors");
            let network = protocol.network.as_ref().map(|_| "features");
            let kept: Vec<&str> = swd.into_iter().chain(network).collect();
            kept.join(" and ")
        };
        let things = |protocol: &Self| {
            let mut things = vec![("content", kept(protocol))];
            things.extend(protocol.swd.iter().flat_map(SwdProtocol::things));
            things.extend(protocol.network.iter().flat_map(NetworkProtocol::things));
            things
        };
        first_difference(things(self), things(other))
    }
}

fn first_difference(
    here: Vec<(&'static str, String)>,
    there: Vec<(&'static str, String)>,
) -> Option<ProtocolDifference> {
    let pairs = here.into_iter().zip(there);
    pairs
        .filter(|((_, expected), (_, found))| expected != found)
        .map(|((what, expected), (_, found))| ProtocolDifference { what, expected, found })
        .next()
}

/// One thing in which two protocols differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtocolDifference {
    /// Such as `resolution`, `seed` or `network`.
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
