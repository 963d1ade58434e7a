//! Long work in pieces that survive an interruption: shards of a dataset, or single files.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io::Write as _;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::thread::{JoinHandle, spawn};
use std::time::SystemTime;

use anyhow::{Context as _, anyhow};
use pg_cli::{Interrupted, Part, Progress, Provenance, WorkFailed, explain_full_disk};
use pg_cloud::RemoteOutput;
use pg_image::Planar;
use pg_shard::format::{FAILED_FILE, MANIFEST_FILE, PART_FILE};
use pg_shard::{
    BuildPlan, Claimed, DatasetBuilder, EncodedImage, FailedItem, IndexLine, Manifest, NAMES_KEY, Opened,
    OpenedPart, OutputFolder, PartPlan, PartSummary, ShardError, ShardWriter, Storage, names_blake3,
    reopen_failed, reopen_files, write_atomically,
};
use serde_json::{Value, json};

use crate::at_url;
use crate::disk_space::BuildSize;
use crate::files_part::{FilesPart, FilesPartItem};
use crate::output_names::OutputNames;
use crate::pipeline::in_order;
use crate::session::{Session, count, output_context};

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

/// Label rows of a dataset being built.
pub(crate) struct LabelRows<'a> {
    /// Names of the columns.
    pub(crate) names: Vec<String>,
    /// The row of item i.
    pub(crate) row: &'a dyn Fn(usize) -> Vec<f32>,
}

/// A dataset, or a part of one, that was built.
pub(crate) enum Built {
    Dataset(Box<Manifest>),
    Part(PartSummary),
}

/// A dataset to build.
pub(crate) struct DatasetJob<'a> {
    /// The part's own folder where there is a `part`.
    pub(crate) output: &'a Path,
    /// The part to build, or all.
    pub(crate) part: Option<Part>,
    /// Its settings must tell other labels.
    pub(crate) plan: BuildPlan,
    pub(crate) storage: Storage,
    pub(crate) label: &'a str,
    pub(crate) stop_at_failure: bool,
    pub(crate) labels: Option<LabelRows<'a>>,
    pub(crate) again: Again<'a>,
}

/// What of an earlier run is done again.
#[derive(Clone, Copy, Default)]
pub(crate) struct Again<'a> {
    /// Items that failed (`--retry-failed`).
    pub(crate) failed: Option<&'a SourceBefore<'a>>,
    /// Items whose source was written to since, told by the time of this.
    pub(crate) modified: Option<&'a Modified<'a>>,
}

/// What identified the source when these items had the lengths that they failed with.
pub(crate) type SourceBefore<'a> = dyn Fn(&[FailedItem]) -> String + 'a;
/// When the source of an item was last written to.
pub(crate) type Modified<'a> = dyn Fn(usize) -> Option<SystemTime> + Sync + 'a;

/// An item on its way into a shard; `None` once a signal came.
type Made = Option<Result<(EncodedImage, IndexLine), FailedItem>>;

impl DatasetJob<'_> {
    /// Builds or goes on with the dataset: item i is `make(i)`, or fails with a path and reason.
    ///
    /// Items are made on the pool's threads; meanwhile this one writes them, and one more completes the
    /// shard before.
    pub(crate) fn run(
        self,
        session: &Session,
        provenance: impl FnOnce(u64, u64) -> Provenance,
        make: impl Fn(usize) -> Result<Packed, FailedItem> + Sync,
    ) -> anyhow::Result<Ended<Built>> {
        let Self { output, part, plan, storage, label, stop_at_failure, labels, again } = self;
        let context = || output_context(output);
        let levels = storage.clone();
        let encode = |packed: Packed| match levels.encode(packed.image) {
            Ok(image) => Ok((image, packed.line)),
            Err(e) => Err(FailedItem::new(packed.line.path, e.to_string())),
        };
        let columns = labels.as_ref().map_or(0, |labels| labels.names.len());
        let covered = part_plan(part, &plan).shards;
        let per_shard = plan.items_per_shard.max(1);
        let first = (covered.start * per_shard).min(plan.items);
        let items = (covered.end * per_shard).min(plan.items) - first;
        let of_part = BuildPlan { items, ..plan.clone() };
        let size = BuildSize::of(&of_part, &storage, columns, |i| {
            make(first + i).and_then(encode).ok().map(|(image, _)| image)
        });
        let of = part.map(|part| part_plan(Some(part), &plan));
        let claim = DatasetBuilder::claim_of(&plan, &storage, of.as_ref());
        let remote = at_url::output(session, output, &claim, MANIFEST_FILE)?;
        let folder = remote.as_ref().map_or(output, |remote| remote.folder());
        // At a URL shards leave this disk as they are finished.
        let is_done = [MANIFEST_FILE, PART_FILE].iter().any(|done| output.join(done).is_file());
        if remote.is_none() && !is_done {
            size.check(session, output, &storage)?;
        }
        if let Some(source_before) = again.failed {
            at_url::refuse_url(output, "-o", "--retry-failed works on disks only")?;
            let before = BuildPlan { source_blake3: source_before(&read_failed(output)), ..plan.clone() };
            reopen_failed(folder, &before, &plan, &storage).with_context(context)?;
        }
        let builder = match open(folder, part, plan, storage).with_context(context)? {
            OpenedBuild::Building(builder) => {
                let mut builder = match &labels {
                    Some(labels) => builder.with_labels(labels.names.clone()).with_context(context)?,
                    None => *builder,
                };
                forget_outdated(&mut builder, &again, session).with_context(context)?;
                builder
            }
            OpenedBuild::Complete(built) => {
                if let Some(remote) = &remote {
                    remote.clean_up().with_context(context)?;
                }
                session.notes.note(format!("{} is complete already, nothing was done", output.display()));
                return Ok(Ended::Complete(built));
            }
        };
        if let Some(remote) = &remote {
            remote.begin().with_context(context)?;
        }
        let shards = builder.shards().len();
        let progress = session.progress(label, "images", items);
        let unfinished = || builder.shards().filter(|&s| !builder.is_finished(s));
        let todo: Vec<usize> = unfinished().flat_map(|s| builder.items_of(s)).collect();
        let resumed = items - todo.len();
        if resumed > 0 {
            session.notes.note(format!("going on after {resumed} of {items} images"));
            progress.resume_at(resumed as u64);
        }
        let mut shelf = Shelf::new(&builder, remote.clone());
        let mut failures = 0;
        let made_item = |i: usize| -> Made { counted(session, &progress, || make(i).and_then(encode)) };
        let written = in_order(session.threads(), &todo, made_item, |item, made| {
            let Some(made) = made else { return Err(anyhow!(Halt::Ending)) };
            match made {
                Ok((image, line)) => {
                    let row = labels.as_ref().map_or_else(Vec::new, |labels| (labels.row)(item));
                    shelf.writer(item)?.push_encoded(&image, &line, &row).with_context(context)
                }
                Err(failed) => {
                    failures += 1;
                    session.failure(&progress, failures, &failed.path, &failed.reason);
                    if stop_at_failure {
                        return Err(anyhow!(Halt::Failure));
                    }
                    shelf.writer(item)?.fail(failed);
                    Ok(())
                }
            }
        });
        // What is in hand is dropped, the shard before it completed.
        let (written, done) = match written {
            Ok(()) => shelf.complete(),
            Err(error) => shelf.abandon(error),
        };
        let kept = || {
            let kept = shards - unfinished().count() + done;
            format!("{kept} of {shards} shards are finished; run the same command again to go on")
        };
        if let Err(error) = written {
            match error.downcast_ref() {
                Some(Halt::Failure) => return Ok(Ended::StoppedByFailure),
                Some(Halt::Ending) => session.check_ending(kept)?,
                None if session.interrupted() => session.check_interrupt(kept)?,
                None => {}
            }
            let left = size.after(resumed + done * builder.plan().items_per_shard);
            return Err(explain_full_disk(error, folder, Some(left), &kept()));
        }
        progress.finish();
        let (images, failed) = builder.counts();
        if images == 0 && part.is_none() {
            builder.discard().with_context(context)?;
            if let Some(remote) = &remote {
                remote.clean_up().with_context(context)?;
            }
            return Err(nothing_made(items, "images", output));
        }
        let provenance = serde_json::to_value(provenance(images, failed))?;
        let complete = match part {
            Some(_) => builder.complete_part(provenance).map(Built::Part),
            None => builder.complete(provenance).map(|manifest| Built::Dataset(Box::new(manifest))),
        };
        let none_left =
            |error| explain_full_disk(error, folder, Some(0), "run the same command again to go on");
        let built = complete.with_context(context).map_err(none_left)?;
        if let Some(remote) = &remote {
            remote.complete(MANIFEST_FILE).with_context(context)?;
        }
        Ok(Ended::Complete(built))
    }
}

/// Shards whose sources were written to after they were finished are built again.
fn forget_outdated(
    builder: &mut DatasetBuilder,
    again: &Again<'_>,
    session: &Session,
) -> Result<(), ShardError> {
    let Some(modified) = again.modified else { return Ok(()) };
    let mut outdated = 0;
    for shard in builder.shards() {
        let Some(finished) = builder.finished_at(shard) else { continue };
        if builder.items_of(shard).any(|item| modified(item).is_some_and(|time| time > finished)) {
            builder.forget(shard)?;
            outdated += 1;
        }
    }
    if outdated > 0 {
        let shards = count(outdated, "finished shard");
        session.notes.note(format!("{shards} will be built again: their sources were written to since"));
    }
    Ok(())
}

/// A build of which nothing came is no success.
fn nothing_made(items: usize, unit: &str, output: &Path) -> anyhow::Error {
    let output = output.display();
    WorkFailed(format!("none of the {items} {unit} could be used: nothing was written to {output}")).into()
}

/// Ends work of which nothing came: `folder` is as it was, and gone where it was not there.
pub(crate) fn give_up<T>(
    folder: OutputFolder,
    remote: Option<&RemoteOutput>,
    items: usize,
    unit: &str,
    output: &Path,
) -> anyhow::Result<T> {
    let context = || output_context(output);
    let path = folder.path().to_owned();
    folder.release().with_context(context)?;
    if let Some(remote) = remote {
        remote.clean_up().with_context(context)?;
    }
    let _ = std::fs::remove_dir(path);
    Err(nothing_made(items, unit, output))
}

/// What `make` gives, counted; `None` once the session ends, also for what failed because of that.
fn counted<T, E>(
    session: &Session,
    progress: &Progress,
    make: impl FnOnce() -> Result<T, E>,
) -> Option<Result<T, E>> {
    if session.is_ending() {
        return None;
    }
    let made = make();
    if made.is_err() {
        if session.is_ending() {
            return None;
        }
        progress.fail();
    }
    progress.advance(1);
    Some(made)
}

/// The shards of `part`: a contiguous range of those of `plan`.
fn part_plan(part: Option<Part>, plan: &BuildPlan) -> PartPlan {
    let part = part.unwrap_or(Part { index: 1, count: 1 });
    PartPlan { part: part.index, parts: part.count, shards: part.range(plan.shards()) }
}

enum OpenedBuild {
    Building(Box<DatasetBuilder>),
    Complete(Built),
}

fn open(
    output: &Path,
    part: Option<Part>,
    plan: BuildPlan,
    storage: Storage,
) -> Result<OpenedBuild, ShardError> {
    if part.is_none() {
        return Ok(match DatasetBuilder::open_stored(output, plan, storage)? {
            Opened::Building(builder) => OpenedBuild::Building(builder),
            Opened::Complete(manifest) => OpenedBuild::Complete(Built::Dataset(manifest)),
        });
    }
    let of = part_plan(part, &plan);
    Ok(match DatasetBuilder::open_part(output, plan, storage, of)? {
        OpenedPart::Building(builder) => OpenedBuild::Building(builder),
        OpenedPart::Complete(summary) => OpenedBuild::Complete(Built::Part(summary)),
    })
}

/// Why a build stops in the middle without an error.
#[derive(Debug, Clone, Copy)]
enum Halt {
    /// A signal came, or the connection was lost.
    Ending,
    Failure,
}

impl std::fmt::Display for Halt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ending => "ended early",
            Self::Failure => "stopped at a failure",
        })
    }
}

impl std::error::Error for Halt {}

/// The shard in hand, and the one before it, which waits for the disk on a thread of its own.
struct Shelf<'a> {
    builder: &'a DatasetBuilder,
    /// Where finished shards are sent.
    remote: Option<Arc<RemoteOutput>>,
    in_hand: Option<ShardWriter>,
    finishing: Option<JoinHandle<anyhow::Result<()>>>,
    done: usize,
}

impl<'a> Shelf<'a> {
    fn new(builder: &'a DatasetBuilder, remote: Option<Arc<RemoteOutput>>) -> Self {
        Self { builder, remote, in_hand: None, finishing: None, done: 0 }
    }

    /// The writer of the shard that `item` belongs to; another one in hand is completed first.
    fn writer(&mut self, item: usize) -> anyhow::Result<&mut ShardWriter> {
        let shard = item / self.builder.plan().items_per_shard.max(1);
        let context = || output_context(self.builder.path());
        let writer = match self.in_hand.take() {
            Some(writer) if writer.number() == shard => writer,
            other => {
                if let Some(writer) = other {
                    self.finish(writer).with_context(context)?;
                }
                self.builder.shard(shard).with_context(context)?
            }
        };
        Ok(self.in_hand.insert(writer))
    }

    fn finish(&mut self, writer: ShardWriter) -> anyhow::Result<()> {
        self.wait()?;
        let remote = self.remote.clone();
        self.finishing = Some(spawn(move || {
            let shard = writer.number();
            writer.finish()?;
            remote.map_or(Ok(()), |remote| Ok(remote.send_shard(shard)?))
        }));
        Ok(())
    }

    fn wait(&mut self) -> anyhow::Result<()> {
        if let Some(thread) = self.finishing.take() {
            match thread.join() {
                Ok(finished) => finished?,
                Err(panic) => resume_unwind(panic),
            }
            self.done += 1;
        }
        Ok(())
    }

    /// Completes all, and says how many shards were.
    fn complete(mut self) -> (anyhow::Result<()>, usize) {
        let last = self.in_hand.take();
        let finished = last.map_or(Ok(()), |writer| self.finish(writer)).and_then(|()| self.wait());
        let context = || output_context(self.builder.path());
        (finished.with_context(context), self.done)
    }

    /// Drops the shard in hand and waits for the one before it; says how many were completed.
    fn abandon(mut self, error: anyhow::Error) -> (anyhow::Result<()>, usize) {
        self.in_hand = None;
        let _ = self.wait();
        (Err(error), self.done)
    }
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
    /// The part to write, into its own folder, or all.
    pub(crate) part: Option<Part>,
    pub(crate) again: Again<'a>,
}

impl FileJob<'_> {
    /// Writes the file of each of `names` with the bytes `make(i)`, leaving out those an earlier run wrote; `finish`
    /// writes what belongs to the whole, and gives the names of those files.
    pub(crate) fn run(
        self,
        session: &Session,
        names: &OutputNames,
        make: impl Fn(usize) -> Result<Vec<u8>, FailedItem> + Sync,
        finish: impl FnOnce(&Path) -> anyhow::Result<&'static [&'static str]>,
        provenance: impl FnOnce(u64, u64) -> Provenance,
    ) -> anyhow::Result<Ended<FilesSummary>> {
        let output = self.output;
        let context = || output_context(output);
        let (claim, done_file) = match self.part {
            Some(part) => (FilesPart::claim(part, &self.plan), PART_FILE),
            None => (self.plan.clone(), self.done_file),
        };
        let remote = at_url::output(session, output, &claim, done_file)?;
        let work = remote.as_ref().map_or(output, |remote| remote.folder());
        if let Some(source_before) = self.again.failed {
            at_url::refuse_url(output, "-o", "--retry-failed works on disks only")?;
            let source_blake3 = source_before(&read_failed(output));
            let before = Self { plan: BuildPlan { source_blake3, ..self.plan.clone() }, ..self };
            if before.finished(work)?.is_some_and(|done| done.failed > 0) {
                reopen_files(work, &claim, done_file).with_context(context)?;
            }
        }
        let folder = match OutputFolder::claim(work, &claim, done_file).with_context(context)? {
            Claimed::Begun(folder) => folder,
            Claimed::Done => {
                let done = self.already_done(session, work)?;
                if let Some(remote) = &remote {
                    remote.clean_up().with_context(context)?;
                }
                return Ok(Ended::Complete(done));
            }
        };
        if let Some(remote) = &remote {
            remote.begin().with_context(context)?;
        }
        // All lie in one folder.
        if let Some(parent) = names.as_slice().first().and_then(|first| Path::new(first).parent()) {
            std::fs::create_dir_all(work.join(parent)).with_context(context)?;
        }
        let covered = self.part.map_or(0..self.plan.items, |part| part.range(self.plan.items));
        let items = covered.len();
        let progress = session.progress(self.label, self.unit, items);
        let is_newer = |written: &Metadata, i: usize| {
            let modified = self.again.modified.and_then(|modified| modified(i));
            modified.zip(written.modified().ok()).is_some_and(|(source, written)| source > written)
        };
        let there = |i: usize| {
            let written =
                folder.is_resumed().then(|| std::fs::metadata(work.join(names.get(i))).ok()).flatten();
            written.is_some_and(|written| written.is_file() && !is_newer(&written, i))
        };
        let todo: Vec<usize> = covered.clone().filter(|&i| !there(i)).collect();
        if todo.len() < items {
            session.notes.note(format!("going on after {} of {items} {}", items - todo.len(), self.unit));
            progress.resume_at((items - todo.len()) as u64);
        }
        let mut failed: BTreeMap<usize, FailedItem> = BTreeMap::new();
        let mut written = items - todo.len();
        let made_item = |i: usize| {
            let written = |bytes: Vec<u8>| {
                let (name, path) = (names.get(i), work.join(names.get(i)));
                write_atomically(&path, |file| file.write_all(&bytes))
                    .map_err(anyhow::Error::new)
                    .and_then(|()| remote.as_ref().map_or(Ok(()), |remote| Ok(remote.send(name)?)))
                    .with_context(|| format!("cannot write {} (-o)", path.display()))
            };
            counted(session, &progress, || make(i).map(written))
        };
        let ended = in_order(session.threads(), &todo, made_item, |i, made| match made {
            None => Err(anyhow!(Halt::Ending)),
            Some(Ok(outcome)) => {
                outcome?;
                written += 1;
                Ok(())
            }
            Some(Err(item)) => {
                session.failure(&progress, failed.len() + 1, &item.path, &item.reason);
                failed.insert(i, item);
                if self.stop_at_failure { Err(anyhow!(Halt::Failure)) } else { Ok(()) }
            }
        });
        if let Err(error) = ended {
            let kept = || {
                let unit = self.unit;
                format!("{written} of {items} {unit} are written; run the same command again to go on")
            };
            match error.downcast_ref() {
                Some(Halt::Failure) => return Ok(Ended::StoppedByFailure),
                Some(Halt::Ending) => session.check_ending(kept)?,
                None if session.interrupted() => session.check_interrupt(kept)?,
                None => {}
            }
            return Err(error);
        }
        progress.finish();
        if written == 0 && items > 0 && self.part.is_none() {
            let inner = names.as_slice().first().and_then(|first| Path::new(first).parent());
            if let Some(inner) = inner {
                // One with other things in it stays.
                let _ = std::fs::remove_dir(work.join(inner));
            }
            return give_up(folder, remote.as_deref(), items, self.unit, output);
        }
        let of_the_whole = finish(work)?;
        write_failed(work, failed.values()).with_context(context)?;
        let counts = (written as u64, failed.len() as u64);
        let provenance = provenance(counts.0, counts.1);
        let json = if let Some(part) = self.part {
            let item = |i: usize| match failed.remove(&i) {
                Some(failed) => FilesPartItem::Failed(failed),
                None => FilesPartItem::Written(names.get(i).to_owned()),
            };
            let items = covered.map(item).collect();
            json!(FilesPart::new(part, self.plan.clone(), self.done_file, items, provenance))
        } else {
            let made = covered.filter(|i| !failed.contains_key(i)).map(|i| names.get(i));
            done_json(counts, &self.plan, made.chain(of_the_whole.iter().copied()), &provenance)
        };
        write_json(&work.join(done_file), &json).with_context(context)?;
        folder.release().with_context(context)?;
        if let Some(remote) = &remote {
            remote.complete(done_file).with_context(context)?;
        }
        Ok(Ended::Complete(FilesSummary { files: counts.0, failed: counts.1, json }))
    }

    /// The summary of the finished output, whose files are in `folder`, if it is of this plan.
    pub(crate) fn already_done(&self, session: &Session, folder: &Path) -> anyhow::Result<FilesSummary> {
        let Some(done) = self.finished(folder)? else {
            let done_file = if self.part.is_some() { PART_FILE } else { self.done_file };
            anyhow::bail!(
                "{} was already filled by another command (see {done_file} there): choose another output folder (-o), or --overwrite",
                self.output.display(),
            );
        };
        session.notes.note(format!("{} is complete already, nothing was done", self.output.display()));
        Ok(done)
    }

    /// The summary of what is finished in `folder`, if it is of this plan.
    fn finished(&self, folder: &Path) -> anyhow::Result<Option<FilesSummary>> {
        let path = folder.join(if self.part.is_some() { PART_FILE } else { self.done_file });
        if !path.is_file() {
            return Ok(None);
        }
        if let Some(part) = self.part {
            let found = FilesPart::read(folder)?;
            let (files, failed) = found.counts();
            return Ok(found.is(part, &self.plan).then(|| FilesSummary {
                files,
                failed,
                json: json!(found),
            }));
        }
        let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let json: Value = serde_json::from_slice(&text)
            .with_context(|| format!("{} is malformed: expected JSON as pgprep writes it", path.display()))?;
        let is_same = json["plan_blake3"].as_str() == Some(self.plan.blake3().as_str());
        let number = |name: &str| json[name].as_u64().unwrap_or(0);
        let (files, failed) = (number("files"), number("failed"));
        Ok(is_same.then_some(FilesSummary { files, failed, json }))
    }
}

/// What `failed.jsonl` of an earlier run lists.
pub(crate) fn read_failed(output: &Path) -> Vec<FailedItem> {
    let text = std::fs::read_to_string(output.join(FAILED_FILE)).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The content of the file that marks a folder of files as done; `names` are those of all files in it.
pub(crate) fn done_json<'a>(
    (files, failed): (u64, u64),
    plan: &BuildPlan,
    names: impl Iterator<Item = &'a str>,
    provenance: &Provenance,
) -> Value {
    json!({
        "files": files,
        "failed": failed,
        "plan_blake3": plan.blake3(),
        NAMES_KEY: names_blake3(names),
        "provenance": provenance,
    })
}

/// Writes indented JSON with a final newline, atomically.
pub(crate) fn write_json(path: &Path, value: &Value) -> anyhow::Result<()> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    Ok(write_atomically(path, |file| file.write_all(&text))?)
}

/// Writes `failed.jsonl` where there is anything in it.
pub(crate) fn write_failed<'a>(
    output: &Path,
    failed: impl Iterator<Item = &'a FailedItem>,
) -> anyhow::Result<()> {
    let mut lines = Vec::new();
    for item in failed {
        serde_json::to_writer(&mut lines, item)?;
        lines.push(b'\n');
    }
    if !lines.is_empty() {
        write_atomically(&output.join(FAILED_FILE), |file| file.write_all(&lines))?;
    }
    Ok(())
}

/// The error after a signal outside of batches.
pub(crate) fn stopped(session: &Session, done: usize, total: usize, unit: &str) -> Result<(), Interrupted> {
    session.check_interrupt(|| format!("{done} of {total} {unit} were done; run the same command again"))
}
