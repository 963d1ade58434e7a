//! Flags of how images are read.

use clap::Args as ClapArgs;
use pg_cli::{FitChoice, Provenance};
use pg_image::files::DecodeLimits;

#[derive(Debug, Clone, Copy, ClapArgs)]
pub(crate) struct ImageArgs {
    /// How image files of another size become squares of one size
    #[arg(long, value_enum, default_value_t = FitChoice::Strict, help_heading = "Input")]
    pub(crate) fit: FitChoice,

    /// Side of these squares, in pixels [default: the largest power of two in the first image]
    #[arg(long, value_name = "R", value_parser = side, help_heading = "Input")]
    pub(crate) resolution: Option<usize>,

    /// Refuse image files of more pixels than this
    #[arg(long, value_name = "N", default_value_t = 200_000_000, value_parser = clap::value_parser!(u64).range(1..), help_heading = "Input")]
    pub(crate) max_pixels: u64,
}

impl ImageArgs {
    pub(crate) fn limits(self) -> DecodeLimits {
        DecodeLimits { max_pixels: self.max_pixels, ..DecodeLimits::default() }
    }

    /// `provenance` with these flags.
    pub(crate) fn recorded(self, provenance: Provenance) -> Provenance {
        provenance
            .setting("fit", self.fit.name())
            .setting("resolution", self.resolution)
            .setting("max_pixels", self.max_pixels)
    }
}

fn side(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(side) if (16..=4096).contains(&side) && side.is_power_of_two() => Ok(side),
        _ => Err("expected a power of two from 16 to 4096".to_owned()),
    }
}
