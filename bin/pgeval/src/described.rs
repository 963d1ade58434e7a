//! Describing a set of images for the sliced Wasserstein distance: into a statistics file that stays, or into a
//! scratch file.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Error, Result, bail};
use pg_cli::{Interrupt, Progress};
use pg_image::{Planar, Resolution};
use pg_metrics::{SWD_LOWEST_PX, Side, SwdLayout, swd_resolutions};
use pg_stats::{StatsError, StatsWriter};
use rayon::prelude::*;

use crate::args::SwdProtocolArgs;
use crate::commands::nothing_kept;
use crate::image_set::ImageSet;

/// The levels that `--levels` picks for images of side `resolution_px`; `None` when it was not given.
pub(crate) fn compared_levels(args: &SwdProtocolArgs, resolution_px: usize) -> Result<Option<Vec<usize>>> {
    let Some(choice) = &args.levels else { return Ok(None) };
    let resolution = |px: usize| Resolution::new(px as u64);
    let levels = choice.of(resolution(resolution_px)?, resolution(SWD_LOWEST_PX)?)?;
    Ok(Some(levels.into_iter().rev().map(Resolution::pixels).collect()))
}

/// Refuses images that have no pyramid, of which the one called `name` is the first.
pub(crate) fn check_size((width_px, height_px): (usize, usize), name: &str) -> Result<()> {
    if width_px != height_px || swd_resolutions(width_px).is_err() {
        bail!(
            "{name} has {width_px}x{height_px} pixels: the sliced Wasserstein distance needs square images whose side is a power of two of at least 16; --fit crop, pad or stretch makes such of them"
        );
    }
    Ok(())
}

/// Room for `image_count` images that are compared at once.
pub(crate) fn described_in_scratch(
    layout: SwdLayout,
    side: Side,
    seed: u64,
    image_count: usize,
) -> Result<StatsWriter> {
    let folder = scratch_folder();
    StatsWriter::scratch(&folder, layout, side, seed, image_count)
        .context("the scratch file cannot be made; TMPDIR names another folder")
}

/// `$TMPDIR`, or /var/tmp, which is on disk where /tmp may be in memory.
fn scratch_folder() -> PathBuf {
    let on_disk = Path::new("/var/tmp");
    if std::env::var_os("TMPDIR").is_none() && on_disk.is_dir() {
        return on_disk.to_owned();
    }
    std::env::temp_dir()
}

/// Reads the first images of `set`, each once, as many as `writer` has room for; `see` gets them too.
pub(crate) fn describe(
    writer: &StatsWriter,
    set: &ImageSet,
    progress: &Progress,
    interrupt: &Interrupt,
    see: &(dyn Fn(usize, &Planar<u8>) -> Result<()> + Sync),
) -> Result<()> {
    let one = |index: usize| -> Result<()> {
        interrupt.check(nothing_kept)?;
        let image = set.read(index)?;
        see(index, &image)?;
        let put = writer.put(index, &set.file_name(index), &image);
        put.map_err(|error| explained(error, writer, || set.name(index)))?;
        progress.advance(1);
        Ok(())
    };
    // The first failure in the order of the images, whichever is met first; what comes after it is left out.
    let first_failed = AtomicUsize::new(usize::MAX);
    let failures = (0..writer.image_count()).into_par_iter().with_max_len(1).filter_map(|index| {
        if index > first_failed.load(Ordering::Relaxed) {
            return None;
        }
        let error = one(index).err()?;
        first_failed.fetch_min(index, Ordering::Relaxed);
        Some((index, error))
    });
    failures.min_by_key(|(index, _)| *index).map_or(Ok(()), |(_, error)| Err(error))
}

fn explained(error: StatsError, writer: &StatsWriter, name: impl Fn() -> String) -> Error {
    if matches!(error, StatsError::Io { .. }) {
        let megabytes = writer.file_bytes() >> 20;
        return Error::new(error)
            .context(format!("what is kept of the images takes {megabytes} MB on disk; make room, or have it elsewhere (TMPDIR for scratch files)"));
    }
    Error::new(error).context(name())
}
