//! `pgtrain plan`: the schedule as a table, before anything is trained.

use pg_cli::{ExitStatus, Output, Provenance};
use pg_schedule::TrainingSettings;
use serde::Serialize;

use crate::args::PlanArgs;
use crate::settings::resolve;

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
}

#[derive(Debug, Serialize)]
struct Plan {
    phases: Vec<PlanRow>,
    provenance: Provenance,
}

pub(crate) fn plan(args: &PlanArgs) -> anyhow::Result<ExitStatus> {
    let settings = resolve(&args.settings)?.settings;
    // Without data, a preset that takes the dataset's resolution is shown at the paper's.
    let resolution_px = if settings.resolution == 0 { 1024 } else { settings.resolution };
    let phases = phases(&settings, resolution_px);
    let output = Output;
    if args.json {
        let provenance =
            Provenance::of_this_process("pgtrain", env!("CARGO_PKG_VERSION"), Some(settings.seed));
        let provenance = serde_json::to_value(&settings)?
            .as_object()
            .into_iter()
            .flatten()
            .fold(provenance, |p, (key, value)| p.setting(key, value.clone()));
        output.json(&Plan { phases, provenance })?;
        return Ok(ExitStatus::Done);
    }
    output.line("      kimg           resolution  phase   minibatch  learning rate  feature maps")?;
    for p in &phases {
        output.line(format_args!(
            "{:8} - {:<8} {:>7} px  {:<7} {:>8}  {:>13}  {:>12}",
            p.from_kimg, p.to_kimg, p.resolution, p.phase, p.minibatch, p.learning_rate, p.feature_maps
        ))?;
    }
    Ok(ExitStatus::Done)
}

fn phases(settings: &TrainingSettings, resolution_px: u32) -> Vec<PlanRow> {
    let plan = settings.growth_plan(resolution_px);
    let (train, fade, total) = (plan.lod_train_kimg, plan.lod_fade_kimg, settings.total_kimg);
    let mut phases = Vec::new();
    let mut kimg = 0.0;
    let mut px = plan.start_resolution_px;
    let mut add = |from: f64, to: f64, px: u32, phase| {
        if from < to {
            phases.push(PlanRow {
                from_kimg: from,
                to_kimg: to,
                resolution: px,
                phase,
                minibatch: settings.minibatch.at(px),
                learning_rate: settings.learning_rate.at(px),
                feature_maps: settings.feature_maps(px),
            });
        }
    };
    while px < resolution_px && train + fade > 0.0 && kimg < total {
        add(kimg, (kimg + train).min(total), px, "stable");
        add(kimg + train, (kimg + train + fade).min(total), px * 2, "fade in");
        kimg += train + fade;
        px *= 2;
    }
    add(kimg, total, if train + fade > 0.0 { px } else { resolution_px }, "stable");
    phases
}

#[cfg(test)]
mod tests {
    use super::*;
    use pg_schedule::Preset;

    #[test]
    fn the_phases_tile_the_run_and_agree_with_the_schedule() {
        for preset in pg_schedule::PRESETS {
            let settings = preset.settings();
            let px = if settings.resolution == 0 { 1024 } else { settings.resolution };
            let phases = phases(&settings, px);
            let mut end = 0.0;
            for phase in &phases {
                assert_eq!(phase.from_kimg, end);
                end = phase.to_kimg;
                let middle = f64::midpoint(phase.from_kimg, phase.to_kimg) * 1000.0;
                let state = settings.growth_plan(px).at(middle as u64);
                assert_eq!(state.resolution_px, phase.resolution, "{} {phase:?}", preset.name());
                assert_eq!(state.fade_in() < 1.0, phase.phase == "fade in", "{phase:?}");
            }
            assert_eq!(end, settings.total_kimg);
        }
        assert_eq!(phases(&Preset::PaperCelebahq.settings(), 1024).len(), 17);
    }
}
