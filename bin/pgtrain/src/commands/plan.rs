//! `pgtrain plan`: the schedule as a table, before anything is trained.

use pg_cli::{CommonArgs, ExitStatus, Output, Progress, Provenance, StderrNotes};
use pg_schedule::TrainingSettings;
use serde::Serialize;

use crate::args::PlanArgs;
use crate::phases::{Phase, PhaseSpan, phases};
use crate::probe::{MemoryNeed, Probe, Probed};
use crate::settings::resolve;
use crate::settings::settings_provenance;
use crate::{device, memory};

/// One phase of the plan.
#[derive(Debug, Serialize)]
struct PlanRow {
    from_kimg: f64,
    to_kimg: f64,
    resolution: u32,
    phase: &'static str,
    minibatch: u32,
    learning_rate: f64,
    feature_maps: u32,
    #[serde(flatten)]
    time: Option<PhaseTime>,
}

/// With `--probe`.
#[derive(Debug, Serialize)]
struct PhaseTime {
    /// Images of the step measured; where fewer than the minibatch, its time is scaled up.
    probed_minibatch: u32,
    images_per_second: f64,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct Plan {
    phases: Vec<PlanRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<MemoryNeed>,
    provenance: Provenance,
}

pub(crate) fn plan(args: &PlanArgs, common: &CommonArgs, notes: StderrNotes) -> anyhow::Result<ExitStatus> {
    let settings = resolve(&args.settings)?.settings;
    // Without data, a preset that takes the dataset's resolution is shown at the paper's.
    let resolution_px = if settings.resolution == 0 { 1024 } else { settings.resolution };
    // Also that the networks have feature maps at every level.
    settings.resolution_on(resolution_px, false)?;
    let mut rows = rows(&settings, resolution_px);
    let (mut total_seconds, mut memory) = (None, None);
    if args.probe {
        let device = device::select(&args.device, common.threads, notes)?;
        let mut probe = Probe::new(&settings, resolution_px, device)?;
        memory = probe.memory()?;
        let progress = Progress::new(common.progress_style(), "probe", "phases", rows.len() as u64);
        let measured: Vec<Phase> =
            phases(&settings, resolution_px).into_iter().map(|span| span.phase).collect();
        let probed = probe.times(&measured, &progress)?;
        progress.finish();
        for (row, probed) in rows.iter_mut().zip(probed) {
            row.time = Some(phase_time(row, probed));
        }
        total_seconds = Some(rows.iter().filter_map(|p| p.time.as_ref()).map(|t| t.seconds).sum());
    }
    if args.json {
        let provenance = settings_provenance(&settings)?;
        Output.json(&Plan { phases: rows, total_seconds, memory, provenance })?;
        return Ok(ExitStatus::Done);
    }
    print_table(&rows)?;
    if let Some(seconds) = total_seconds {
        print_probe(&rows, seconds, memory.as_ref())?;
    }
    Ok(ExitStatus::Done)
}

fn phase_time(row: &PlanRow, probed: Probed) -> PhaseTime {
    PhaseTime {
        probed_minibatch: probed.minibatch,
        images_per_second: 1.0 / probed.seconds_per_image,
        seconds: (row.to_kimg - row.from_kimg) * 1000.0 * probed.seconds_per_image,
    }
}

fn print_table(phases: &[PlanRow]) -> std::io::Result<()> {
    let probed = phases.iter().any(|p| p.time.is_some());
    let further = if probed { "  images/s      time" } else { "" };
    Output.line(format_args!(
        "      kimg           resolution  phase   minibatch  learning rate  feature maps{further}"
    ))?;
    for p in phases {
        let time = p.time.as_ref().map_or_else(String::new, |time| {
            let mark = if time.probed_minibatch < p.minibatch { '*' } else { ' ' };
            format!("  {:>7.1}{mark}  {:>8}", time.images_per_second, span(time.seconds))
        });
        Output.line(format_args!(
            "{:8} - {:<8} {:>7} px  {:<7} {:>8}  {:>13}  {:>12}{time}",
            p.from_kimg, p.to_kimg, p.resolution, p.phase, p.minibatch, p.learning_rate, p.feature_maps
        ))?;
    }
    Ok(())
}

fn print_probe(phases: &[PlanRow], seconds: f64, memory: Option<&MemoryNeed>) -> std::io::Result<()> {
    Output.line("")?;
    Output.line(format_args!(
        "about {} in all, by steps on random images; sample sheets, snapshots and scores come on top",
        span(seconds)
    ))?;
    if phases.iter().any(|p| p.time.as_ref().is_some_and(|time| time.probed_minibatch < p.minibatch)) {
        Output.line("* measured with fewer images than the minibatch, and scaled")?;
    }
    let Some(need) = memory else { return Ok(()) };
    let free = need
        .available_bytes
        .map_or_else(String::new, |bytes| format!(" ({} are free now)", memory::gigabytes(bytes as f64)));
    Output.line(format_args!(
        "about {} of memory{free}:",
        memory::gigabytes((need.weight_bytes + need.activation_bytes) as f64)
    ))?;
    Output.line(format_args!(
        "  {} of weights, moments, gradients; {} of activations at {} px, minibatch {}",
        memory::gigabytes(need.weight_bytes as f64),
        memory::gigabytes(need.activation_bytes as f64),
        need.resolution,
        need.minibatch
    ))
}

/// `3d 04h`, `2h05m`, `4m10s`.
fn span(seconds: f64) -> String {
    let s = seconds.round() as u64;
    match s {
        86_400.. => format!("{}d {:02}h", s / 86_400, s % 86_400 / 3600),
        3600.. => format!("{}h{:02}m", s / 3600, s % 3600 / 60),
        _ => format!("{}m{:02}s", s / 60, s % 60),
    }
}

fn rows(settings: &TrainingSettings, resolution_px: u32) -> Vec<PlanRow> {
    let row = |span: PhaseSpan| {
        let px = span.phase.resolution_px;
        PlanRow {
            from_kimg: span.from_kimg,
            to_kimg: span.to_kimg,
            resolution: px,
            phase: if span.phase.is_fading { "fade in" } else { "stable" },
            minibatch: settings.minibatch.at(px),
            learning_rate: settings.learning_rate.at(px),
            feature_maps: settings.feature_maps(px),
            time: None,
        }
    };
    phases(settings, resolution_px).into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time_are_short() {
        assert_eq!([250.0, 7500.0, 273_600.0].map(span), ["4m10s", "2h05m", "3d 04h"]);
    }
}
