//! `pgtrain run` and `pgtrain resume`.

use std::path::Path;

use anyhow::{Context as _, bail};
use pg_cli::{CommonArgs, ExitStatus, Interrupt, Progress, Provenance, StderrNotes, WorkFailed};
use pg_schedule::TrainingSettings;
use pg_shard::Dataset;
use pg_training::{RunEnd, RunFolder, RunRecord, TrainingError, TrainingRun};

use crate::args::{ResumeArgs, RunArgs};
use crate::run_observer::Observer;
use crate::settings::resolve_for_run;
use crate::{device, memory};

pub(crate) fn start(args: &RunArgs, common: &CommonArgs, notes: StderrNotes) -> anyhow::Result<ExitStatus> {
    let resolved = resolve_for_run(args)?;
    let dataset = open_dataset(&args.dataset)?;
    let finest = dataset.resolutions().last().map_or(0, |&r| u32::from(r));
    let resolution = resolved.settings.resolution_on(finest, resolved.resolution_asked_for)?;
    check_levels(&dataset, &args.dataset, resolved.settings.start_resolution.min(resolution), resolution)?;
    let record = RunRecord {
        dataset: args.dataset.canonicalize().unwrap_or_else(|_| args.dataset.clone()),
        dataset_fingerprint: dataset.fingerprint(),
        resolution,
        provenance: provenance(&resolved.settings)?,
    };
    // Nothing is written before all of this is known to do.
    let device = device::select(&args.device, common.threads, notes)?;
    let folder = RunFolder::open(&args.output).context("-o")?;
    match RunFolder::recorded(&args.output)? {
        Some((settings, earlier)) if !args.force => {
            if let Some(what) = difference(&settings, &earlier, &resolved.settings, &record) {
                return Err(TrainingError::OtherRun { path: args.output.clone(), what }.into());
            }
        }
        _ => folder.record(&resolved.settings, &record)?,
    }
    train(folder, dataset, &resolved.settings, resolution, device, common, notes)
}

pub(crate) fn resume(
    args: &ResumeArgs,
    common: &CommonArgs,
    notes: StderrNotes,
) -> anyhow::Result<ExitStatus> {
    let Some((settings, record)) = RunFolder::recorded(&args.run)? else {
        bail!(
            "{} is no run folder: expected run.json in it; start one with `pgtrain run`",
            args.run.display()
        );
    };
    let path = args.dataset.as_deref().unwrap_or(&record.dataset);
    let dataset = open_dataset(path)?;
    if dataset.fingerprint() != record.dataset_fingerprint {
        bail!(
            "dataset {} is not the one that {} was trained on: expected fingerprint {}, found {}; \
             give the right one with --dataset",
            path.display(),
            args.run.display(),
            record.dataset_fingerprint,
            dataset.fingerprint()
        );
    }
    let device = device::select(&args.device, common.threads, notes)?;
    let folder = RunFolder::open(&args.run)?;
    train(folder, dataset, &settings, record.resolution, device, common, notes)
}

fn train(
    folder: RunFolder,
    dataset: Dataset,
    settings: &TrainingSettings,
    resolution: u32,
    device: tch::Device,
    common: &CommonArgs,
    notes: StderrNotes,
) -> anyhow::Result<ExitStatus> {
    let interrupt = Interrupt::install().context("cannot watch for signals")?;
    let path = folder.path().to_owned();
    let mut run = TrainingRun::prepare(folder, dataset, settings, resolution, device)?;
    if device == tch::Device::Cpu {
        memory::check_before_training(settings, resolution, run.further_weight_bytes(), notes)?;
    }
    let total = (settings.total_kimg * 1000.0).ceil() as u64;
    let progress = Progress::new(common.progress_style(), "train", "images", total);
    if run.images_shown() > 0 {
        notes.note(format_args!("going on after {} images", run.images_shown()));
        progress.resume_at(run.images_shown());
    }
    if settings.eval_kimg > 0.0 {
        rayon::ThreadPoolBuilder::new()
            .num_threads(common.threads)
            .build_global()
            .with_context(|| format!("cannot start {} threads (--threads)", common.threads))?;
    }
    let shown = run.images_shown();
    let mut observer = Observer::new(&path, settings, resolution, shown, &interrupt, &progress);
    let end = run.train(&mut observer).map_err(|error| explained(error, settings, &path))?;
    progress.finish();
    match end {
        RunEnd::Complete(snapshot) => {
            notes.note(format_args!("done: {}", snapshot.folder().display()));
            Ok(ExitStatus::Done)
        }
        RunEnd::Stopped(snapshot) => {
            interrupt.check(|| {
                format!(
                    "saved {}; go on with `pgtrain resume {}`",
                    snapshot.folder().display(),
                    path.display()
                )
            })?;
            Ok(ExitStatus::Done)
        }
    }
}

/// A run that has diverged did run: exit status 1, with what to try.
fn explained(error: TrainingError, settings: &TrainingSettings, run: &Path) -> anyhow::Error {
    let TrainingError::Diverged { .. } = error else { return error.into() };
    let rates: Vec<f64> = settings.learning_rate.values().collect();
    let largest = rates.into_iter().fold(0.0, f64::max);
    let advice = format!(
        "{error}\n  try a lower learning_rate (it is up to {largest}) or a larger minibatch: give `pgtrain run` with \
         --set learning_rate=… and -o {} --force to go on from that snapshot, or another -o to start anew",
        run.display()
    );
    WorkFailed(advice).into()
}

fn open_dataset(path: &Path) -> anyhow::Result<Dataset> {
    let dataset = Dataset::open(path)?;
    if dataset.is_empty() {
        bail!("dataset {} has no images: nothing to train on", path.display());
    }
    Ok(dataset)
}

/// Growth visits every level in between.
fn check_levels(dataset: &Dataset, path: &Path, start_px: u32, end_px: u32) -> anyhow::Result<()> {
    let there: Vec<u32> = dataset.resolutions().iter().map(|&r| r.into()).collect();
    let missing = (start_px.ilog2()..=end_px.ilog2()).map(|log2| 1 << log2).find(|px| !there.contains(px));
    if let Some(px) = missing {
        let coarsest = there.first().copied().unwrap_or(px);
        bail!(
            "dataset {} has no level of {px} px, through which the run grows: found {}; pack it with all levels, or \
             --set start_resolution={coarsest}",
            path.display(),
            there.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
        );
    }
    Ok(())
}

fn provenance(settings: &TrainingSettings) -> anyhow::Result<serde_json::Value> {
    let provenance = Provenance::of_this_process("pgtrain", env!("CARGO_PKG_VERSION"), Some(settings.seed));
    Ok(serde_json::to_value(provenance)?)
}

/// What differs between the run in the folder and the one asked for, in the user's words.
fn difference(
    settings: &TrainingSettings,
    record: &RunRecord,
    asked_settings: &TrainingSettings,
    asked: &RunRecord,
) -> Option<String> {
    if record.dataset_fingerprint != asked.dataset_fingerprint {
        return Some("data".to_owned());
    }
    let (old, new) = (settings.to_toml(), asked_settings.to_toml());
    let changed = old.lines().zip(new.lines()).find(|(a, b)| a != b);
    changed.map(|(a, b)| format!("settings ({a}; asked for: {b})"))
}
