//! `pgtrain run` and `pgtrain resume`.

use std::path::Path;

use anyhow::{Context as _, bail};
use pg_cli::{CommonArgs, ExitStatus, Interrupt, Progress, Provenance, StderrNotes};
use pg_schedule::{LevelOfDetail, TrainingSettings};
use pg_shard::Dataset;
use pg_training::{
    ImageSheet, RunEnd, RunFolder, RunObserver, RunRecord, Snapshot, TickLine, TrainingError, TrainingRun,
    sheet_columns,
};

use crate::args::{ResumeArgs, RunArgs};
use crate::settings::resolve;
use crate::{device, pictures};

pub(crate) fn start(args: &RunArgs, common: &CommonArgs, notes: StderrNotes) -> anyhow::Result<ExitStatus> {
    let resolved = resolve(&args.settings)?;
    let dataset = open_dataset(&args.dataset)?;
    let finest = dataset.resolutions().last().map_or(0, |&r| u32::from(r));
    let resolution = resolved.settings.resolution_on(finest, resolved.resolution_asked_for)?;
    let record = RunRecord {
        dataset: args.dataset.canonicalize().unwrap_or_else(|_| args.dataset.clone()),
        dataset_fingerprint: dataset.fingerprint(),
        resolution,
        provenance: provenance(&resolved.settings)?,
    };
    let folder = RunFolder::open(&args.output).context("-o")?;
    match RunFolder::recorded(&args.output)? {
        Some((settings, earlier)) if !args.force => {
            if let Some(what) = difference(&settings, &earlier, &resolved.settings, &record) {
                return Err(TrainingError::OtherRun { path: args.output.clone(), what }.into());
            }
        }
        _ => folder.record(&resolved.settings, &record)?,
    }
    train(folder, dataset, &resolved.settings, resolution, &args.device, common, notes)
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
    let folder = RunFolder::open(&args.run)?;
    train(folder, dataset, &settings, record.resolution, &args.device, common, notes)
}

fn train(
    folder: RunFolder,
    dataset: Dataset,
    settings: &TrainingSettings,
    resolution: u32,
    device: &str,
    common: &CommonArgs,
    notes: StderrNotes,
) -> anyhow::Result<ExitStatus> {
    let device = device::select(device, common.threads, notes)?;
    let interrupt = Interrupt::install().context("cannot watch for signals")?;
    let path = folder.path().to_owned();
    let mut run = TrainingRun::prepare(folder, dataset, settings, resolution, device)?;
    let total = (settings.total_kimg * 1000.0).ceil() as u64;
    let progress = Progress::new(common.progress_style(), "train", "images", total);
    if run.images_shown() > 0 {
        notes.note(format_args!("going on after {} images", run.images_shown()));
        progress.resume_at(run.images_shown());
    }
    let mut observer = Observer {
        path: &path,
        resolution,
        interrupt: &interrupt,
        progress: &progress,
        shown: run.images_shown(),
    };
    let end = run.train(&mut observer)?;
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

fn open_dataset(path: &Path) -> anyhow::Result<Dataset> {
    let dataset = Dataset::open(path)?;
    if dataset.is_empty() {
        bail!("dataset {} has no images: nothing to train on", path.display());
    }
    Ok(dataset)
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

/// Shows the run's progress and writes its pictures.
struct Observer<'a> {
    path: &'a Path,
    resolution: u32,
    interrupt: &'a Interrupt,
    progress: &'a Progress,
    shown: u64,
}

impl RunObserver for Observer<'_> {
    fn round(&mut self, images_shown: u64, level: LevelOfDetail) {
        self.progress.set_message(format!("lod {:.2} ({} px)", level.lod, level.resolution_px));
        self.progress.advance(images_shown - self.shown);
        self.shown = images_shown;
    }

    fn tick(&mut self, line: &TickLine) {
        // What a tick did not measure is left out.
        let part = |name: &str, value: Option<f64>| {
            value.map_or_else(String::new, |value| format!("  {name} {value:8.3}"))
        };
        self.progress.note(&format!(
            "{:8.1} kimg  {:4} px  lod {:5.2}  D {:9.3}{}{}  {:7.1} images/s",
            line.kimg,
            line.resolution,
            line.lod,
            line.d_loss,
            part("G", line.g_loss),
            part("|grad|", line.gradient_norm),
            line.images_per_second
        ));
    }

    fn sheet(&mut self, name: &str, sheet: &ImageSheet) -> Result<(), TrainingError> {
        let path = self.path.join(format!("{name}.png"));
        // All sheets of a run have the same size, whatever the level.
        let zoom = (self.resolution as usize / sheet.resolution_px).max(1);
        pictures::write_sheet(&path, sheet, sheet_columns(self.resolution), zoom).map_err(|e| {
            TrainingError::Io { action: "write", path, source: std::io::Error::other(format!("{e:#}")) }
        })
    }

    fn snapshot(&mut self, _snapshot: &Snapshot) {}

    fn stop_requested(&self) -> bool {
        self.interrupt.requested()
    }
}
