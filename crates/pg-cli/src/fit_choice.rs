//! `--fit`: how a picture of another size becomes a square.

use clap::ValueEnum;
use pg_image::Fit;
use serde::{Deserialize, Serialize};

/// What `--fit` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FitChoice {
    /// Keep the central square
    Crop,
    /// Keep the whole picture, with black bars
    Pad,
    /// Keep the whole picture, not its shape
    Stretch,
    /// Take only images that have the size already
    Strict,
}

impl FitChoice {
    /// What it stands for.
    #[must_use]
    pub fn fit(self) -> Fit {
        match self {
            Self::Crop => Fit::Crop,
            Self::Pad => Fit::Pad,
            Self::Stretch => Fit::Stretch,
            Self::Strict => Fit::Strict,
        }
    }

    /// As it is typed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Crop => "crop",
            Self::Pad => "pad",
            Self::Stretch => "stretch",
            Self::Strict => "strict",
        }
    }
}
