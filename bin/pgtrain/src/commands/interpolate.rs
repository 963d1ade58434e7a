//! `pgtrain interpolate`: a smooth walk through the latents that ends where it began.

use anyhow::{Context as _, ensure};
use pg_cli::{CommonArgs, ExitStatus, Interrupt, Progress, StderrNotes};
use pg_training::LatentLoop;

use super::sample::open;
use crate::animation::Animation;
use crate::args::InterpolateArgs;
use crate::pictures;

pub(crate) fn interpolate(
    args: &InterpolateArgs,
    common: &CommonArgs,
    notes: StderrNotes,
) -> anyhow::Result<ExitStatus> {
    let sampler = open(&args.snapshot, common, notes)?;
    let interrupt = Interrupt::install().context("cannot watch for signals")?;
    let cells = args.grid.columns * args.grid.rows;
    let side = sampler.resolution_px() as usize;
    // GIF's limit, and well below what a folder of PNG files can take.
    let (width, height) = (args.grid.columns * side, args.grid.rows * side);
    ensure!(
        width.max(height) <= 65_535,
        "--grid {}x{} makes frames of {width}x{height} pixels: expected at most 65535 on a side",
        args.grid.columns,
        args.grid.rows
    );
    notes.note(format_args!(
        "{} frames of {width}x{height} px from {}",
        args.frames,
        sampler.snapshot().folder().display()
    ));
    let smoothing_frames = args.smoothing * args.fps;
    let latents = LatentLoop::new(args.seed, args.frames, cells, sampler.latent_size(), smoothing_frames);
    let mut animation = Animation::open(&args.output, args.fps)?;
    let progress = Progress::new(common.progress_style(), "interpolate", "frames", args.frames as u64);
    for frame in 0..args.frames {
        interrupt.check(|| "nothing is kept".to_owned())?;
        let sheet = sampler.sample_latents(&latents.frame(frame))?;
        animation.push(&pictures::sheet_picture(&sheet, args.grid.columns, 1))?;
        progress.advance(1);
    }
    animation.finish()?;
    progress.finish();
    Ok(ExitStatus::Done)
}
