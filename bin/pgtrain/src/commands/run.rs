//! `pgtrain run` and `pgtrain resume`.

use std::path::Path;

use anyhow::{Context as _, bail};
use pg_cli::{
    CommonArgs, ExitStatus, Interrupt, Interrupted, Progress, ProgressStyle, Provenance, StderrNotes,
    WorkFailed, explain_full_disk,
};
use pg_schedule::{GeneratorNorm, TrainingSettings};
use pg_shard::{Dataset, ShardError};
use pg_training::{RunEnd, RunFolder, RunRecord, SnapshotStore, TrainingError, TrainingRun};

use crate::args::{ResumeArgs, RunArgs};
use crate::launch::Launch;
use crate::memory::RankCounts;
use crate::opened_snapshot::warn_of_passed_over;
use crate::run_observer::Observer;
use crate::settings::resolve_for_run;
use crate::{device, memory};

pub(crate) fn start(args: &RunArgs, common: &CommonArgs, notes: StderrNotes) -> anyhow::Result<ExitStatus> {
    let launch = Launch::begin()?;
    let result = start_as(&launch, args, common, notes);
    launch.end(result)
}

pub(crate) fn resume(
    args: &ResumeArgs,
    common: &CommonArgs,
    notes: StderrNotes,
) -> anyhow::Result<ExitStatus> {
    let launch = Launch::begin()?;
    let result = resume_as(&launch, args, common, notes);
    launch.end(result)
}

/// What a run needs before its folder is touched.
struct Prepared {
    dataset: Dataset,
    settings: TrainingSettings,
    resolution: u32,
    device: tch::Device,
    threads: usize,
    overlapping: bool,
}

fn start_as(
    launch: &Launch,
    args: &RunArgs,
    common: &CommonArgs,
    notes: StderrNotes,
) -> anyhow::Result<ExitStatus> {
    let (threads, gpu) = (launch.threads(common, notes)?, launch.gpu()?);
    let prepare = || {
        let resolved = resolve_for_run(args)?;
        let dataset = open_dataset(&args.dataset)?;
        let finest = dataset.resolutions().last().map_or(0, |&r| u32::from(r));
        let resolution = resolved.settings.resolution_on(finest, resolved.resolution_asked_for)?;
        let coarsest = resolved.settings.start_resolution.min(resolution);
        check_levels(&dataset, &args.dataset, coarsest, resolution)?;
        // Nothing is written before all of this is known to do.
        let device = device::select_for(&args.device, threads, gpu, of_first(launch, notes))?;
        let overlapping = !args.sum_after_backward;
        Ok(Prepared { dataset, settings: resolved.settings, resolution, device, threads, overlapping })
    };
    let prepared = match launch.agree(prepare())? {
        Ok(prepared) => prepared,
        Err(status) => return Ok(status),
    };
    let open = || {
        if !launch.is_first() {
            return Ok(RunFolder::of_further_rank(&args.output));
        }
        let record = RunRecord {
            dataset: args.dataset.canonicalize().unwrap_or_else(|_| args.dataset.clone()),
            dataset_fingerprint: prepared.dataset.fingerprint(),
            resolution: prepared.resolution,
            threads: Some(prepared.threads),
            provenance: provenance(&prepared.settings)?,
        };
        if common.overwrite {
            RunFolder::remove(&args.output)
                .with_context(|| format!("cannot replace {} (-o, --overwrite)", args.output.display()))?;
        }
        let folder = RunFolder::open(&args.output).context("-o")?;
        match RunFolder::recorded(&args.output)? {
            Some((settings, earlier)) if !args.force => {
                if let Some(what) = difference(&settings, &earlier, &prepared.settings, &record) {
                    return Err(TrainingError::OtherRun { path: args.output.clone(), what }.into());
                }
                warn_of_other_threads(&earlier, &prepared, notes);
            }
            _ => folder.record(&prepared.settings, &record)?,
        }
        Ok(folder)
    };
    match launch.agree(open())? {
        Ok(folder) => train(launch, folder, prepared, common, notes),
        Err(status) => Ok(status),
    }
}

fn resume_as(
    launch: &Launch,
    args: &ResumeArgs,
    common: &CommonArgs,
    notes: StderrNotes,
) -> anyhow::Result<ExitStatus> {
    let (threads, gpu) = (launch.threads(common, notes)?, launch.gpu()?);
    let prepare = || {
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
        let device = device::select_for(&args.device, threads, gpu, of_first(launch, notes))?;
        let resolution = record.resolution;
        let prepared = Prepared { dataset, settings, resolution, device, threads, overlapping: true };
        warn_of_other_threads(&record, &prepared, of_first(launch, notes));
        Ok(prepared)
    };
    let prepared = match launch.agree(prepare())? {
        Ok(prepared) => prepared,
        Err(status) => return Ok(status),
    };
    let first = launch.is_first();
    let open = || {
        if !first {
            return Ok(RunFolder::of_further_rank(&args.run));
        }
        let folder = RunFolder::open(&args.run)?;
        if let Some(name) = &args.from {
            for aside in folder.go_back_to(name).context("--from")? {
                notes.note(format_args!("put aside: {}", aside.display()));
            }
        }
        Ok(folder)
    };
    match launch.agree(open())? {
        Ok(folder) => train(launch, folder, prepared, common, notes),
        Err(status) => Ok(status),
    }
}

/// On the CPU, sums are cut by the number of threads: another number rounds differently.
fn warn_of_other_threads(record: &RunRecord, prepared: &Prepared, notes: StderrNotes) {
    let (Some(before), now) = (record.threads, prepared.threads) else { return };
    if before != now && prepared.device == tch::Device::Cpu {
        notes.warning(format_args!(
            "this run began with --threads {before} and goes on with {now}: its weights will differ in rounding from \
             those of a run that was never stopped; add `--threads {before}` for the same bits"
        ));
    }
}

/// Notes of the first process only: the others would repeat them.
fn of_first(launch: &Launch, notes: StderrNotes) -> StderrNotes {
    if launch.is_first() { notes } else { StderrNotes::new(true) }
}

fn train(
    launch: &Launch,
    folder: RunFolder,
    prepared: Prepared,
    common: &CommonArgs,
    all_notes: StderrNotes,
) -> anyhow::Result<ExitStatus> {
    let interrupt = Interrupt::install().context("cannot watch for signals")?;
    let path = folder.path().to_owned();
    let Prepared { dataset, settings, resolution, device, threads, overlapping } = prepared;
    let (settings, notes) = (&settings, of_first(launch, all_notes));
    let ranks = launch.ranks(&path, &interrupt, all_notes);
    let counts = RankCounts { here: launch.ranks_here(), all: ranks.count() };
    if counts.all > 1 {
        notes.note(format_args!(
            "{} ranks, {threads} thread{} each",
            counts.all,
            if threads == 1 { "" } else { "s" }
        ));
        if let Some(layer) = layer_of_whole_minibatches(settings) {
            notes.note(format_args!("{layer} sees the images of its own rank only"));
        }
    }
    warn_of_passed_over(&path, notes);
    let mut run = TrainingRun::prepare(folder, dataset, settings, resolution, device, ranks)?;
    run.overlap_sums(overlapping);
    if device == tch::Device::Cpu {
        memory::check_before_training(settings, resolution, run.further_weight_bytes(), counts, notes)?;
    }
    let total = (settings.total_kimg * 1000.0).ceil() as u64;
    let style = if launch.is_first() { common.progress_style() } else { ProgressStyle::Hidden };
    let progress = Progress::new(style, "train", "images", total);
    if run.images_shown() > 0 {
        notes.note(format_args!("going on after {} images", run.images_shown()));
        progress.resume_at(run.images_shown());
    }
    if settings.eval_kimg > 0.0 {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()
            .with_context(|| format!("cannot start {threads} threads (--threads)"))?;
    }
    let shown = run.images_shown();
    let mut observer = Observer::new(&path, settings, (resolution, device), shown, &interrupt, &progress);
    let end = run.train(&mut observer).map_err(|error| explained(error, settings, &path))?;
    progress.finish();
    match end {
        RunEnd::Complete(snapshot) => {
            notes.note(format_args!("done: {}", snapshot.folder().display()));
            Ok(ExitStatus::Done)
        }
        RunEnd::Stopped(snapshot) => match launch.signal(&interrupt)? {
            Some(signal) => Err(Interrupted {
                signal,
                advice: format!(
                    "saved {}; go on with `pgtrain resume {}`",
                    snapshot.folder().display(),
                    path.display()
                ),
            }
            .into()),
            None => Ok(ExitStatus::Done),
        },
    }
}

/// The layer whose output for an image depends on the whole minibatch, not on a group of it.
fn layer_of_whole_minibatches(settings: &TrainingSettings) -> Option<&'static str> {
    if settings.generator_norm == GeneratorNorm::Batch {
        return Some("batch normalisation");
    }
    (settings.minibatch_discrimination > 0).then_some("minibatch discrimination")
}

/// A run that has diverged did run: exit status 1, with what to try; one whose disk is full goes on later.
fn explained(error: TrainingError, settings: &TrainingSettings, run: &Path) -> anyhow::Error {
    let TrainingError::Diverged { .. } = error else {
        let newest =
            SnapshotStore::of_run(run).ok().and_then(|store| Some(store.newest()?.folder().to_owned()));
        let kept = match newest {
            Some(newest) => format!(
                "`{}` is whole: free some room, and go on with `pgtrain resume {}`",
                newest.display(),
                run.display()
            ),
            None => "there is no snapshot yet: free some room, and run the same command again".to_owned(),
        };
        return explain_full_disk(error.into(), run, None, &kept);
    };
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
    let dataset = Dataset::open(path).map_err(|error| match error {
        ShardError::NotADataset { .. } => anyhow::Error::new(error).context(format!(
            "cannot train on `{}`: it is not a dataset; make one of it with `pgprep pack {} -o DATASET`, and train on that",
            path.display(),
            path.display()
        )),
        other => other.into(),
    })?;
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
