//! REAL: images, or what is known of them.

use anyhow::{Result, bail};
use pg_stats::Stats;
use serde_json::{Value, json};

use crate::args::SwdArgs;
use crate::image_set::{ImageSet, is_stats_file};

#[derive(Debug)]
pub(crate) enum Reference {
    Images(ImageSet),
    Stats(Stats),
}

impl Reference {
    pub(super) fn open(args: &SwdArgs) -> Result<Self> {
        if is_stats_file(&args.real) {
            let stats = Stats::open(&args.real)?;
            check_protocol(&stats, args)?;
            return Ok(Self::Stats(stats));
        }
        Ok(Self::Images(ImageSet::open("REAL", &args.real, args.input, None)?))
    }

    /// Number of images.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Images(set) => set.len(),
            Self::Stats(stats) => stats.image_count(),
        }
    }

    /// The argument as typed.
    pub(crate) fn argument(&self) -> String {
        match self {
            Self::Images(set) => set.argument().to_owned(),
            Self::Stats(stats) => stats.path().display().to_string(),
        }
    }

    /// What to call image `index` in a message.
    pub(super) fn name(&self, index: usize) -> String {
        match self {
            Self::Images(set) => set.name(index),
            Self::Stats(stats) => format!("image {index} of {}", stats.path().display()),
        }
    }

    pub(super) fn size_px(&self) -> (usize, usize) {
        match self {
            Self::Images(set) => (set.width_px(), set.height_px()),
            Self::Stats(stats) => (stats.protocol().resolution, stats.protocol().resolution),
        }
    }

    /// The images, where there are any.
    pub(crate) fn images(&self) -> Option<&ImageSet> {
        match self {
            Self::Images(set) => Some(set),
            Self::Stats(_) => None,
        }
    }

    /// For the provenance of a result.
    pub(crate) fn describe(&self) -> Value {
        match self {
            Self::Images(set) => set.describe(),
            Self::Stats(stats) => json!({
                "path": self.argument(),
                "kind": "pgstats",
                "images": stats.image_count(),
                "width_px": stats.protocol().resolution,
                "height_px": stats.protocol().resolution,
                "content": format!("blake3:{}", stats.content()),
            }),
        }
    }
}

/// The patches of a statistics file are drawn: whoever asks for others cannot have them.
fn check_protocol(stats: &Stats, args: &SwdArgs) -> Result<()> {
    let found = stats.protocol();
    let asked = &args.protocol;
    let things = [
        ("seed", "--seed", found.seed, asked.seed),
        (
            "patches per image",
            "--patches-per-image",
            found.patches_per_image as u64,
            asked.patches_per_image as u64,
        ),
        (
            "resolution",
            "--resolution",
            found.resolution as u64,
            args.input.resolution.unwrap_or(found.resolution) as u64,
        ),
    ];
    for (what, flag, has, asked) in things {
        if has != asked {
            bail!(
                "REAL {} was made with the {what} {has}, this comparison has {asked}; give {flag} {has}, or make another with `pgeval stats REAL {flag} {asked} -o FILE`",
                stats.path().display()
            );
        }
    }
    Ok(())
}
