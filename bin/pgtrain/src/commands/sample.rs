//! `pgtrain sample`: images from a snapshot.

use anyhow::{Context as _, bail, ensure};
use pg_cli::{CommonArgs, ExitStatus, Progress, StderrNotes};
use pg_training::{ImageSheet, Sampler};

use crate::args::SampleArgs;
use crate::{device, pictures};

/// Images drawn and held at a time.
const CHUNK: usize = 64;

pub(crate) fn sample(
    args: &SampleArgs,
    common: &CommonArgs,
    notes: StderrNotes,
) -> anyhow::Result<ExitStatus> {
    let device = device::select(&args.device, common.threads, notes)?;
    ensure!(args.source.exists(), "{} does not exist: expected a run or a snapshot", args.source.display());
    let sampler = Sampler::open(&args.source, device)?;
    let seeds: Vec<u64> = match (&args.seeds, args.count) {
        (Some(list), _) => list.0.iter().cloned().flatten().collect(),
        (None, Some(count)) => (0..count).collect(),
        (None, None) => bail!("expected --count N or --seeds 0-63"),
    };
    notes.note(format_args!(
        "{} images of {} px from {}",
        seeds.len(),
        sampler.resolution_px(),
        sampler.snapshot().folder().display()
    ));
    let progress = Progress::new(common.progress_style(), "sample", "images", seeds.len() as u64);
    if let Some(grid) = args.grid {
        let cells = grid.columns * grid.rows;
        if cells != seeds.len() {
            bail!(
                "--grid {}x{} has {cells} places for {} images: make them equal",
                grid.columns,
                grid.rows,
                seeds.len()
            );
        }
        let mut all: Option<ImageSheet> = None;
        for chunk in seeds.chunks(CHUNK) {
            let sheet = sampler.sample(chunk)?;
            match &mut all {
                None => all = Some(sheet),
                Some(all) => {
                    all.bytes.extend_from_slice(&sheet.bytes);
                    all.count += sheet.count;
                }
            }
            progress.advance(chunk.len() as u64);
        }
        if let Some(sheet) = all {
            pictures::write_sheet(&args.output, &sheet, grid.columns, 1)?;
        }
    } else {
        std::fs::create_dir_all(&args.output)
            .with_context(|| format!("-o: cannot create {}", args.output.display()))?;
        for chunk in seeds.chunks(CHUNK) {
            let sheet = sampler.sample(chunk)?;
            for (seed, image) in chunk.iter().zip(sheet.images()) {
                let path = args.output.join(format!("{seed:06}.png"));
                pictures::write_image(&path, image, sheet.channels, sheet.resolution_px)?;
            }
            progress.advance(chunk.len() as u64);
        }
    }
    progress.finish();
    Ok(ExitStatus::Done)
}
