//! `pgtrain sample` and `pgtrain grid`: images from a snapshot.

use std::collections::HashSet;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use pg_cli::{CommonArgs, ExitStatus, Interrupt, Progress, StderrNotes};
use pg_training::{ImageSheet, Sampler, TrainingError};

use crate::args::{Grid, GridArgs, SampleArgs};
use crate::image_output::{ImageOutput, SampleOrigin};
use crate::opened_snapshot::open;
use crate::pictures;

/// Images drawn and held at a time.
const CHUNK: usize = 64;

pub(crate) fn sample(
    args: &SampleArgs,
    common: &CommonArgs,
    notes: StderrNotes,
) -> anyhow::Result<ExitStatus> {
    if args.grid.is_some() {
        common.try_file(&args.output, "-o")?;
    }
    let sampler = open(&args.snapshot, common, notes)?;
    let seeds: Vec<u64> = match (&args.seeds, args.count) {
        (Some(list), _) => list.seeds(),
        (None, Some(count)) => (0..count).collect(),
        (None, None) => bail!("expected --count N or --seeds 0-63"),
    };
    note(&sampler, seeds.len(), notes);
    if let Some(grid) = args.grid {
        return write_grid(&sampler, &seeds, grid, &args.output, common);
    }
    if let Some(seed) = repeated(&seeds) {
        bail!(
            "cannot write two images of seed {seed} (--seeds): images are named by their seeds; give each seed once, or --grid for one picture"
        );
    }
    let snapshot = sampler.snapshot();
    let weights = snapshot.average_path();
    let bytes = std::fs::read(&weights).with_context(|| format!("cannot read {}", weights.display()))?;
    let origin = SampleOrigin {
        weights_blake3: blake3::hash(&bytes).to_hex().to_string(),
        seeds: &seeds,
        class: args.snapshot.class,
        images_shown: snapshot.state().images_shown,
        channels: sampler.channels(),
        resolution_px: sampler.resolution_px(),
    };
    drop(bytes);
    let interrupt = Interrupt::install().context("cannot watch for signals")?;
    let mut output = ImageOutput::open(&args.output, args.format, &origin, common)?;
    let progress = Progress::new(common.progress_style(), "sample", "images", seeds.len() as u64);
    let there = output.already_there(seeds.len());
    if there > 0 {
        notes.note(format_args!("{there} of {} images are there already", seeds.len()));
        progress.resume_at(there as u64);
    }
    for chunk in seeds[there..].chunks(CHUNK) {
        interrupt.check(|| output.kept().to_owned())?;
        let sheet = sampler.sample(chunk)?;
        for (seed, image) in chunk.iter().zip(sheet.images()) {
            output.push(*seed, pictures::image_picture(image, sheet.channels, sheet.resolution_px)?)?;
        }
        progress.advance(chunk.len() as u64);
    }
    output.finish()?;
    progress.finish();
    Ok(ExitStatus::Done)
}

/// A seed that is there twice.
fn repeated(seeds: &[u64]) -> Option<u64> {
    let mut seen = HashSet::with_capacity(seeds.len());
    seeds.iter().copied().find(|&seed| !seen.insert(seed))
}

pub(crate) fn grid(args: &GridArgs, common: &CommonArgs, notes: StderrNotes) -> anyhow::Result<ExitStatus> {
    common.try_file(&args.output, "-o")?;
    let sampler = open(&args.snapshot, common, notes)?;
    if args.by_class {
        return write_classes(&sampler, args, common, notes);
    }
    let cells = (args.grid.columns * args.grid.rows) as u64;
    let seeds = match &args.seeds {
        Some(list) => list.seeds(),
        None => (0..cells).collect::<Vec<u64>>(),
    };
    note(&sampler, seeds.len(), notes);
    write_grid(&sampler, &seeds, args.grid, &args.output, common)
}

fn note(sampler: &Sampler, count: usize, notes: StderrNotes) {
    notes.note(format_args!(
        "{count} images of {} px from {}",
        sampler.resolution_px(),
        sampler.snapshot().folder().display()
    ));
}

fn write_grid(
    sampler: &Sampler,
    seeds: &[u64],
    grid: Grid,
    path: &Path,
    common: &CommonArgs,
) -> anyhow::Result<ExitStatus> {
    let cells = grid.columns * grid.rows;
    if cells != seeds.len() {
        bail!(
            "--grid {}x{} has {cells} places for {} images: make them equal",
            grid.columns,
            grid.rows,
            seeds.len()
        );
    }
    write_cells(seeds, |chunk| sampler.sample(chunk), grid.columns, path, common)
}

/// A column for each class, a row for each seed.
fn write_classes(
    sampler: &Sampler,
    args: &GridArgs,
    common: &CommonArgs,
    notes: StderrNotes,
) -> anyhow::Result<ExitStatus> {
    let classes = sampler.classes();
    ensure!(classes > 0, "--by-class: the generator was trained without labels");
    let seeds: Vec<u64> = match &args.seeds {
        Some(list) => list.seeds(),
        None => (0..8).collect(),
    };
    let cells: Vec<(u64, u32)> =
        seeds.iter().flat_map(|&seed| (0..classes).map(move |class| (seed, class))).collect();
    note(sampler, cells.len(), notes);
    write_cells(&cells, |chunk| sampler.sample_classes(chunk), classes as usize, &args.output, common)
}

/// One picture of all `cells`, drawn a few at a time.
fn write_cells<C>(
    cells: &[C],
    draw: impl Fn(&[C]) -> Result<ImageSheet, TrainingError>,
    columns: usize,
    path: &Path,
    common: &CommonArgs,
) -> anyhow::Result<ExitStatus> {
    let interrupt = Interrupt::install().context("cannot watch for signals")?;
    let progress = Progress::new(common.progress_style(), "sample", "images", cells.len() as u64);
    let mut all: Option<ImageSheet> = None;
    for chunk in cells.chunks(CHUNK) {
        interrupt.check(|| "nothing is kept".to_owned())?;
        let sheet = draw(chunk)?;
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
        let picture = pictures::sheet_picture(&sheet, columns, 1);
        pictures::write_bytes(path, &pictures::encode(&picture)?)?;
    }
    progress.finish();
    Ok(ExitStatus::Done)
}

#[cfg(test)]
mod tests {
    use super::repeated;

    #[test]
    fn a_seed_that_is_there_twice_is_found() {
        assert_eq!(repeated(&[3, 1, 2, 1, 3]), Some(1));
        assert_eq!(repeated(&[3, 1, 2]), None);
    }
}
