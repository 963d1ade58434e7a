//! Long work in pieces that survive an interruption: shards of a dataset, or single files.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use pg_cli::{Interrupted, Progress, Provenance};
use pg_image::Planar;
use pg_image::level_of_detail::pyramid;
use pg_shard::format::FAILED_FILE;
use pg_shard::{
    BuildPlan, Claimed, DatasetBuilder, FailedItem, IndexLine, Manifest, Opened, OutputFolder,
    write_atomically,
};
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::session::{Session, output_context};

/// How a piece of work ended.
pub(crate) enum Ended<T> {
    /// All items were tried.
    Complete(T),
    /// The first failed item stopped it (`--on-error fail`).
    StoppedByFailure,
}

/// An image of a dataset: its finest level and where it comes from.
pub(crate) struct Packed {
    pub(crate) image: Planar<u8>,
    pub(crate) line: IndexLine,
}

/// Builds or goes on with the dataset of `plan`, without labels.
pub(crate) fn build_dataset(
    session: &Session,
    output: &Path,
    plan: BuildPlan,
    label: &str,
    stop_at_failure: bool,
    provenance: impl FnOnce(u64, u64) -> Provenance,
    make: impl Fn(usize) -> Result<Packed, FailedItem> + Sync,
) -> anyhow::Result<Ended<Manifest>> {
    let job = DatasetJob { output, plan, label, stop_at_failure, labels: None };
    job.run(session, provenance, make)
}

/// Label rows of a dataset being built.
pub(crate) struct LabelRows<'a> {
    /// Names of the columns.
    pub(crate) names: Vec<String>,
    /// The row of item i.
    pub(crate) row: &'a dyn Fn(usize) -> Vec<f32>,
}

/// A dataset to build.
pub(crate) struct DatasetJob<'a> {
    pub(crate) output: &'a Path,
    /// Its settings must tell other labels.
    pub(crate) plan: BuildPlan,
    pub(crate) label: &'a str,
    pub(crate) stop_at_failure: bool,
    pub(crate) labels: Option<LabelRows<'a>>,
}

impl DatasetJob<'_> {
    /// Builds or goes on with the dataset: item i is `make(i)`, or fails with a path and reason.
    pub(crate) fn run(
        self,
        session: &Session,
        provenance: impl FnOnce(u64, u64) -> Provenance,
        make: impl Fn(usize) -> Result<Packed, FailedItem> + Sync,
    ) -> anyhow::Result<Ended<Manifest>> {
        let Self { output, plan, label, stop_at_failure, labels } = self;
        let builder = match DatasetBuilder::open(output, plan).with_context(|| output_context(output))? {
            Opened::Building(builder) => match &labels {
                Some(labels) => {
                    builder.with_labels(labels.names.clone()).with_context(|| output_context(output))?
                }
                None => *builder,
            },
            Opened::Complete(manifest) => {
                session.notes.note(format!("{} is complete already, nothing was done", output.display()));
                return Ok(Ended::Complete(*manifest));
            }
        };
        let shards = builder.plan().shards();
        let progress = session.progress(label, "images", builder.plan().items);
        let finished = (0..shards).filter(|&s| builder.is_finished(s)).map(|s| builder.items_of(s).len());
        let resumed: usize = finished.sum();
        if resumed > 0 {
            session.notes.note(format!("going on after {resumed} of {} images", builder.plan().items));
            progress.resume_at(resumed as u64);
        }
        let advice = |done: usize| {
            let kept = (0..shards).filter(|&s| builder.is_finished(s)).count() + done;
            format!("{kept} of {shards} shards are finished; run the same command again to go on")
        };
        let mut failures = 0;
        for (written, shard) in (0..shards).filter(|&s| !builder.is_finished(s)).enumerate() {
            let mut writer = builder.shard(shard).with_context(|| output_context(output))?;
            let items: Vec<usize> = builder.items_of(shard).collect();
            for batch in items.chunks(session.batch_size()) {
                // Leaving here drops the shard in hand.
                let made = made_in_parallel(session, &progress, batch, |i| {
                    make(i).map(|packed| (pyramid(&packed.image, 4), packed.line))
                });
                session.check_interrupt(|| advice(written))?;
                for (&item, result) in batch.iter().zip(made) {
                    let Some(result) = result else { continue };
                    match result {
                        Ok((levels, line)) => {
                            let row = labels.as_ref().map_or_else(Vec::new, |labels| (labels.row)(item));
                            writer
                                .push_labeled(&levels, &line, &row)
                                .with_context(|| output_context(output))?;
                        }
                        Err(item) => {
                            failures += 1;
                            session.failure(&progress, failures, &item.path, &item.reason);
                            if stop_at_failure {
                                return Ok(Ended::StoppedByFailure);
                            }
                            writer.fail(item);
                        }
                    }
                }
            }
            writer.finish().with_context(|| output_context(output))?;
        }
        progress.finish();
        let (images, failed) = builder.counts();
        let provenance = serde_json::to_value(provenance(images, failed))?;
        Ok(Ended::Complete(builder.complete(provenance).with_context(|| output_context(output))?))
    }
}

/// `make(i)` for every item of the batch, in order; `None` once a signal came.
fn made_in_parallel<T: Send>(
    session: &Session,
    progress: &Progress,
    batch: &[usize],
    make: impl Fn(usize) -> Result<T, FailedItem> + Sync,
) -> Vec<Option<Result<T, FailedItem>>> {
    batch
        .par_iter()
        .map(|&i| {
            (!session.interrupted()).then(|| {
                let made = make(i);
                if made.is_err() {
                    progress.fail();
                }
                progress.advance(1);
                made
            })
        })
        .collect()
}

/// What a folder of files ended with; also the content of the file that marks it as done.
pub(crate) struct FilesSummary {
    pub(crate) files: u64,
    pub(crate) failed: u64,
    /// The whole JSON object of the done file.
    pub(crate) json: Value,
}

/// A folder of one file per item.
pub(crate) struct FileJob<'a> {
    pub(crate) output: &'a Path,
    pub(crate) plan: BuildPlan,
    /// Name of the file written last, e.g. `align.json`.
    pub(crate) done_file: &'a str,
    pub(crate) label: &'a str,
    /// What items are called.
    pub(crate) unit: &'static str,
    pub(crate) stop_at_failure: bool,
}

impl FileJob<'_> {
    /// Writes file `name(i)` with the bytes `make(i)` for every item, leaving out those an earlier run
    /// wrote; `finish` writes what belongs to the whole.
    pub(crate) fn run(
        self,
        session: &Session,
        name: impl Fn(usize) -> String + Sync,
        make: impl Fn(usize) -> Result<Vec<u8>, FailedItem> + Sync,
        finish: impl FnOnce(&Path) -> anyhow::Result<()>,
        provenance: impl FnOnce(u64, u64) -> Provenance,
    ) -> anyhow::Result<Ended<FilesSummary>> {
        let output = self.output;
        let context = || output_context(output);
        let folder = match OutputFolder::claim(output, &self.plan, self.done_file).with_context(context)? {
            Claimed::Begun(folder) => folder,
            Claimed::Done => return self.already_done(session).map(Ended::Complete),
        };
        let items = self.plan.items;
        let progress = session.progress(self.label, self.unit, items);
        let there = |i: usize| folder.is_resumed() && output.join(name(i)).is_file();
        let todo: Vec<usize> = (0..items).filter(|&i| !there(i)).collect();
        if todo.len() < items {
            session.notes.note(format!("going on after {} of {items} {}", items - todo.len(), self.unit));
            progress.resume_at((items - todo.len()) as u64);
        }
        let mut failed: BTreeMap<usize, FailedItem> = BTreeMap::new();
        let mut written = items - todo.len();
        for batch in todo.chunks(session.batch_size()) {
            let results = made_in_parallel(session, &progress, batch, |i| {
                make(i).map(|bytes| {
                    let path = output.join(name(i));
                    write_atomically(&path, |file| file.write_all(&bytes))
                        .with_context(|| format!("cannot write {} (-o)", path.display()))
                })
            });
            for (&i, result) in batch.iter().zip(results) {
                match result {
                    None => {}
                    Some(Ok(outcome)) => {
                        outcome?;
                        written += 1;
                    }
                    Some(Err(item)) => {
                        session.failure(&progress, failed.len() + 1, &item.path, &item.reason);
                        failed.insert(i, item);
                        if self.stop_at_failure {
                            return Ok(Ended::StoppedByFailure);
                        }
                    }
                }
            }
            session.check_interrupt(|| {
                format!("{written} of {items} {} are written; run the same command again to go on", self.unit)
            })?;
        }
        progress.finish();
        finish(output)?;
        if !failed.is_empty() {
            let mut lines = Vec::new();
            for item in failed.values() {
                serde_json::to_writer(&mut lines, item)?;
                lines.push(b'\n');
            }
            write_atomically(&output.join(FAILED_FILE), |file| file.write_all(&lines))
                .with_context(context)?;
        }
        let (files, failed) = (written as u64, failed.len() as u64);
        let json = json!({
            "files": files,
            "failed": failed,
            "plan_blake3": self.plan.blake3(),
            "provenance": provenance(files, failed),
        });
        let mut text = serde_json::to_vec_pretty(&json)?;
        text.push(b'\n');
        write_atomically(&output.join(self.done_file), |file| file.write_all(&text)).with_context(context)?;
        folder.release().with_context(context)?;
        Ok(Ended::Complete(FilesSummary { files, failed, json }))
    }

    /// The summary of the finished output, if it is of this plan.
    pub(crate) fn already_done(&self, session: &Session) -> anyhow::Result<FilesSummary> {
        let path = self.output.join(self.done_file);
        let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let json: Value = serde_json::from_slice(&text)
            .with_context(|| format!("{} is malformed: expected JSON as pgprep writes it", path.display()))?;
        if json["plan_blake3"].as_str() != Some(self.plan.blake3().as_str()) {
            anyhow::bail!(
                "{} was already filled by another command (see {}): choose another output folder (-o)",
                self.output.display(),
                path.display()
            );
        }
        session.notes.note(format!("{} is complete already, nothing was done", self.output.display()));
        let number = |name: &str| json[name].as_u64().unwrap_or(0);
        Ok(FilesSummary { files: number("files"), failed: number("failed"), json })
    }
}

/// The error after a signal outside of batches.
pub(crate) fn stopped(session: &Session, done: usize, total: usize, unit: &str) -> Result<(), Interrupted> {
    session.check_interrupt(|| format!("{done} of {total} {unit} were done; run the same command again"))
}
