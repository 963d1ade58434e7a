//! `pgtrain interpolate`: a smooth walk through the latents that ends where it began.

use anyhow::{Context as _, ensure};
use pg_cli::{CommonArgs, ExitStatus, Interrupt, Progress, StderrNotes};
use pg_training::{ImageSheet, LatentLoop, Sampler, StyleLoop, StyledImage};

use crate::animation::Animation;
use crate::args::{InterpolateArgs, Space};
use crate::opened_snapshot::open;
use crate::pictures;

pub(crate) fn interpolate(
    args: &InterpolateArgs,
    common: &CommonArgs,
    notes: StderrNotes,
) -> anyhow::Result<ExitStatus> {
    if args.output.extension().is_some() {
        common.try_file(&args.output, "-o")?;
    }
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
    let path = Path::new(&sampler, args, cells, smoothing_frames)?;
    let mut animation = Animation::open(&args.output, args.fps)?;
    let progress = Progress::new(common.progress_style(), "interpolate", "frames", args.frames as u64);
    for frame in 0..args.frames {
        interrupt.check(|| "nothing is kept".to_owned())?;
        let sheet = path.draw(&sampler, frame)?;
        animation.push(&pictures::sheet_picture(&sheet, args.grid.columns, 1))?;
        progress.advance(1);
    }
    animation.finish()?;
    progress.finish();
    Ok(ExitStatus::Done)
}

/// The walk of every cell.
enum Path {
    Latents(LatentLoop),
    Styles(Vec<StyleLoop>),
}

impl Path {
    fn new(
        sampler: &Sampler,
        args: &InterpolateArgs,
        cells: usize,
        smoothing_frames: f64,
    ) -> anyhow::Result<Self> {
        let size = sampler.latent_size();
        if args.space == Space::Z {
            return Ok(Self::Latents(LatentLoop::new(args.seed, args.frames, cells, size, smoothing_frames)));
        }
        sampler.require_styles().context("--space w")?;
        // Styles as far from each other in time as noise is that smoothing has made independent.
        let keys = (args.frames as f64 / (3.0 * smoothing_frames).max(1.0)).round().max(2.0) as usize;
        let latents = LatentLoop::new(args.seed, keys, cells, size, 0.0);
        let mut by_cell = vec![Vec::new(); cells];
        for key in 0..keys {
            for (cell, w) in by_cell.iter_mut().zip(sampler.styles_of_latents(&latents.frame(key))?) {
                cell.push(w);
            }
        }
        Ok(Self::Styles(by_cell.into_iter().map(|keys| StyleLoop::new(args.frames, keys)).collect()))
    }

    fn draw(&self, sampler: &Sampler, frame: usize) -> anyhow::Result<ImageSheet> {
        match self {
            Self::Latents(path) => Ok(sampler.sample_latents(&path.frame(frame))?),
            Self::Styles(paths) => {
                let image = |path: &StyleLoop| {
                    let styles = sampler.by_layer(&path.frame(frame))?;
                    Ok(StyledImage { styles, noise_seed: Some(0) })
                };
                let images = paths.iter().map(image).collect::<anyhow::Result<Vec<_>>>()?;
                Ok(sampler.sample_styled(&images)?)
            }
        }
    }
}
