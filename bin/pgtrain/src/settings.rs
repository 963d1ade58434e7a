//! From what was typed to settings that are ready to use.

use anyhow::Context as _;
use pg_cli::Provenance;
use pg_image::files::read_short_text;
use pg_schedule::{Preset, TrainingSettings};

use crate::args::{RunArgs, SettingsArgs};

/// Validated settings, and whether the user asked for a resolution (the preset's one only caps).
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) settings: TrainingSettings,
    pub(crate) resolution_asked_for: bool,
}

pub(crate) fn resolve(args: &SettingsArgs) -> anyhow::Result<Resolved> {
    resolve_with(args, |_| {})
}

/// With the flags of `pgtrain run` that stand for settings.
pub(crate) fn resolve_for_run(args: &RunArgs) -> anyhow::Result<Resolved> {
    resolve_with(&args.settings, |settings| {
        if let Some(kimg) = args.eval_every {
            settings.eval_kimg = kimg;
        }
        if let Some(count) = args.keep_last {
            settings.keep_last = count;
        }
        if let Some(metric) = args.keep_best {
            settings.keep_best = metric.setting();
        }
    })
}

fn resolve_with(
    args: &SettingsArgs,
    further: impl FnOnce(&mut TrainingSettings),
) -> anyhow::Result<Resolved> {
    let preset = Preset::named(&args.preset).context("--preset")?.settings();
    let mut settings = preset.clone();
    if let Some(path) = &args.config {
        let text = read_short_text(path).context("--config")?;
        settings = settings.with_toml(&path.display().to_string(), &text).context("--config")?;
    }
    // The loss first: it brings companions, which the other assignments may change in any order.
    let (loss, others): (Vec<_>, Vec<_>) = args.assignments.iter().partition(|set| is_of("loss", set));
    for assignment in loss.into_iter().chain(others) {
        settings = settings.with_assignment(assignment).context("--set")?;
    }
    if let Some(format) = &args.precision {
        settings = settings.with_assignment(&format!("precision={format}")).context("--precision")?;
    }
    if let Some(kimg) = args.kimg {
        settings.total_kimg = kimg;
    }
    if let Some(seed) = args.seed {
        settings.seed = seed;
    }
    further(&mut settings);
    settings.validate()?;
    let assigned = args.assignments.iter().any(|assignment| is_of("resolution", assignment));
    let resolution_asked_for = assigned || settings.resolution != preset.resolution;
    Ok(Resolved { settings, resolution_asked_for })
}
/// Whether an assignment KEY=VALUE is of `key`.
fn is_of(key: &str, assignment: &str) -> bool {
    assignment.split('=').next().is_some_and(|found| found.trim() == key)
}

/// What made a result that follows from settings alone.
pub(crate) fn settings_provenance(settings: &TrainingSettings) -> serde_json::Result<Provenance> {
    let provenance = Provenance::of_this_process("pgtrain", env!("CARGO_PKG_VERSION"), Some(settings.seed));
    let values = serde_json::to_value(settings)?;
    let pairs = values.as_object().into_iter().flatten();
    Ok(pairs.fold(provenance, |provenance, (key, value)| provenance.setting(key, value.clone())))
}
