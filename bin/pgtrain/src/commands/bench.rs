//! `pgtrain bench`: how fast this machine trains, level by level.

use anyhow::bail;
use pg_cli::{CommonArgs, ExitStatus, Output, Progress, StderrNotes};
use serde::Serialize;

use crate::args::BenchArgs;
use crate::device;
use crate::phases::Phase;
use crate::probe::Probe;
use crate::settings::resolve;
use crate::settings::settings_provenance;

#[derive(Debug, Serialize)]
struct Level {
    resolution: u32,
    minibatch: u32,
    /// Images of the step measured; where fewer than the minibatch, its time is scaled up.
    probed_minibatch: u32,
    images_per_second: f64,
}

#[derive(Debug, Serialize)]
struct Speeds {
    levels: Vec<Level>,
    provenance: pg_cli::Provenance,
}

pub(crate) fn bench(args: &BenchArgs, common: &CommonArgs, notes: StderrNotes) -> anyhow::Result<ExitStatus> {
    let settings = resolve(&args.settings)?.settings;
    let top_px = if settings.resolution == 0 { 1024 } else { settings.resolution };
    settings.resolution_on(top_px, false)?;
    let first_log2 = settings.start_resolution.min(top_px).ilog2();
    let all: Vec<u32> = (first_log2..=top_px.ilog2()).map(|log2| 1 << log2).collect();
    if let Some(px) = args.levels.iter().find(|px| !all.contains(px)) {
        bail!("--levels: {px} is no level of these networks; expected some of {all:?}");
    }
    let chosen = |px: &u32| args.levels.is_empty() || args.levels.contains(px);
    let phases: Vec<Phase> = all
        .into_iter()
        .filter(chosen)
        .map(|resolution_px| Phase { resolution_px, is_fading: false })
        .collect();
    let device = device::select(&args.device, common.threads, notes)?;
    let mut probe = Probe::new(&settings, top_px, device)?;
    let progress = Progress::new(common.progress_style(), "bench", "levels", phases.len() as u64);
    let probed = probe.times(&phases, &progress)?;
    progress.finish();
    let level = |(phase, probed): (&Phase, &crate::probe::Probed)| Level {
        resolution: phase.resolution_px,
        minibatch: settings.minibatch.at(phase.resolution_px),
        probed_minibatch: probed.minibatch,
        images_per_second: 1.0 / probed.seconds_per_image,
    };
    let levels: Vec<Level> = phases.iter().zip(&probed).map(level).collect();
    if args.json {
        Output.json(&Speeds { levels, provenance: settings_provenance(&settings)? })?;
        return Ok(ExitStatus::Done);
    }
    print_table(&levels)?;
    Ok(ExitStatus::Done)
}

fn print_table(levels: &[Level]) -> std::io::Result<()> {
    Output.line("resolution  minibatch  images/s  ms an image")?;
    let scaled = |level: &Level| level.probed_minibatch < level.minibatch;
    for level in levels {
        Output.line(format_args!(
            "{:>7} px  {:>9}  {:>8.1}  {:>11.2}{}",
            level.resolution,
            level.minibatch,
            level.images_per_second,
            1e3 / level.images_per_second,
            if scaled(level) { " *" } else { "" }
        ))?;
    }
    if levels.iter().any(scaled) {
        Output.line("* measured with fewer images than the minibatch, and scaled")?;
    }
    Ok(())
}
