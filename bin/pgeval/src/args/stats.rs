//! `pgeval stats`

use std::path::PathBuf;

use clap::Args as ClapArgs;
use pg_cli::PartArgs;

use super::{ImageArgs, NetworkArgs, SwdProtocolArgs, path_or_url};

#[derive(Debug, ClapArgs)]
pub(crate) struct StatsArgs {
    /// The reference: a folder or zip of images, or a dataset (DATASET@64 for its level of 64 pixels); or statistics to
    /// bring from or to .npz
    #[arg(value_name = "REAL", required_unless_present = "merge", value_parser = path_or_url())]
    pub(crate) real: Option<PathBuf>,

    /// Make one file of several, of different images described in the same way, in this order; files made with --part
    /// in their own order, all of them
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["real", "part", "images", "levels", "seed", "patches_per_image", "model", "fit", "resolution", "max_pixels"], value_parser = path_or_url())]
    pub(crate) merge: Vec<PathBuf>,

    /// The file to write
    #[arg(short, long, value_name = "FILE", help_heading = "Output", value_parser = path_or_url())]
    pub(crate) output: PathBuf,

    /// With --model: only features, for images of any size
    #[arg(long, requires = "model", help_heading = "Protocol")]
    pub(crate) no_swd: bool,

    #[command(flatten)]
    pub(crate) part: PartArgs,

    #[command(flatten)]
    pub(crate) protocol: SwdProtocolArgs,

    /// Print one JSON object about the file instead of a few lines
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) network: NetworkArgs,

    #[command(flatten)]
    pub(crate) input: ImageArgs,
}
