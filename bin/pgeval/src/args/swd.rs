//! `pgeval swd`

use std::path::PathBuf;

use clap::Args as ClapArgs;
use pg_cli::LevelChoice;
use pg_metrics::SwdSettings;

use super::{ImageArgs, at_least_two, count, path_or_url};

#[derive(Debug, ClapArgs)]
pub(crate) struct SwdArgs {
    /// The reference: a folder or zip of images, a dataset (DATASET@64 for its level of 64 pixels), or a
    /// statistics file
    #[arg(value_name = "REAL", value_parser = path_or_url())]
    pub(crate) real: PathBuf,

    /// The images to score: a folder or zip of images, or a dataset
    #[arg(value_name = "FAKE", value_parser = path_or_url())]
    pub(crate) fake: PathBuf,

    /// Also score real images against other real ones, as many a side as the score has where REAL has twice as many: what
    /// no generator can beat
    #[arg(long, help_heading = "Protocol")]
    pub(crate) floor: bool,

    #[command(flatten)]
    pub(crate) protocol: SwdProtocolArgs,

    /// Directions per repeat
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = count, help_heading = "Protocol")]
    pub(crate) directions_per_repeat: usize,

    /// Repeats with fresh directions
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = count, help_heading = "Protocol")]
    pub(crate) repeats: usize,

    /// Print one JSON object instead of a table
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) input: ImageArgs,
}

impl SwdArgs {
    pub(crate) fn settings(&self) -> SwdSettings {
        SwdSettings {
            patches_per_image: self.protocol.patches_per_image,
            directions_per_repeat: self.directions_per_repeat,
            repeats: self.repeats,
            seed: self.protocol.seed,
        }
    }
}

/// What the descriptors of a set depend on.
#[derive(Debug, ClapArgs)]
pub(crate) struct SwdProtocolArgs {
    /// Take the first N images of each side [default: all; of two sides, as many as the smaller has]
    #[arg(long, value_name = "N", value_parser = at_least_two, help_heading = "Protocol")]
    pub(crate) images: Option<usize>,

    /// Levels of the pyramid, such as 16..64 or 128,16 [default: all, from the images' side to 16]
    #[arg(long, value_name = "LEVELS", help_heading = "Protocol")]
    pub(crate) levels: Option<LevelChoice>,

    /// Seed of patch positions and directions
    #[arg(long, value_name = "S", default_value_t = 0, help_heading = "Protocol")]
    pub(crate) seed: u64,

    /// Patches per image and level
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = count, help_heading = "Protocol")]
    pub(crate) patches_per_image: usize,
}
