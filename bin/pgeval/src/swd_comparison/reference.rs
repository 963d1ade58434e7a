//! REAL: images, or what is known of them.

use std::sync::Arc;

use anyhow::{Result, bail};
use pg_stats::{Stats, SwdProtocol};
use serde_json::{Value, json};

use crate::args::SwdArgs;
use crate::features::Given;
use crate::image_set::{ImageSet, is_stats_file};

#[derive(Debug)]
pub(crate) enum Reference {
    Images(Arc<ImageSet>),
    Stats(Arc<Stats>, SwdProtocol),
}

impl Reference {
    pub(super) fn open(args: &SwdArgs) -> Result<Self> {
        if is_stats_file(&args.real) {
            let stats = Stats::open(&args.real)?;
            let Some(protocol) = stats.protocol().swd.clone() else {
                bail!(
                    "REAL {} holds features of a network only; make another with `pgeval stats IMAGES -o FILE`",
                    stats.path().display()
                );
            };
            check_protocol(&stats, &protocol, args)?;
            return Ok(Self::Stats(Arc::new(stats), protocol));
        }
        Ok(Self::Images(Arc::new(ImageSet::open("REAL", &args.real, args.input, None)?)))
    }

    /// The same, for metrics of features.
    pub(crate) fn given(&self) -> Result<Given> {
        match self {
            Self::Images(set) => Ok(Given::Images(Arc::clone(set))),
            Self::Stats(stats, _) => Given::of_stats("REAL", Arc::clone(stats)),
        }
    }

    /// Number of images.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Images(set) => set.len(),
            Self::Stats(stats, _) => stats.image_count(),
        }
    }

    /// The argument as typed.
    pub(crate) fn argument(&self) -> String {
        match self {
            Self::Images(set) => set.argument().to_owned(),
            Self::Stats(stats, _) => stats.path().display().to_string(),
        }
    }

    /// What to call image `index` in a message.
    pub(super) fn name(&self, index: usize) -> String {
        match self {
            Self::Images(set) => set.name(index),
            Self::Stats(stats, _) => format!("image {index} of {}", stats.path().display()),
        }
    }

    pub(super) fn size_px(&self) -> (usize, usize) {
        match self {
            Self::Images(set) => (set.width_px(), set.height_px()),
            Self::Stats(_, protocol) => (protocol.resolution, protocol.resolution),
        }
    }

    /// The images, where there are any.
    pub(crate) fn images(&self) -> Option<&ImageSet> {
        match self {
            Self::Images(set) => Some(set),
            Self::Stats(..) => None,
        }
    }

    /// For the provenance of a result.
    pub(crate) fn describe(&self) -> Value {
        match self {
            Self::Images(set) => set.describe(),
            Self::Stats(stats, protocol) => json!({
                "path": self.argument(),
                "kind": "pgstats",
                "images": stats.image_count(),
                "width_px": protocol.resolution,
                "height_px": protocol.resolution,
                "content": format!("blake3:{}", stats.content()),
            }),
        }
    }
}

/// The patches of a statistics file are drawn: whoever asks for others cannot have them.
fn check_protocol(stats: &Stats, found: &SwdProtocol, args: &SwdArgs) -> Result<()> {
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
