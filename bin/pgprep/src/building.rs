//! Builds of pgprep: where they are written, and how their end is told.

use std::path::Path;

use pg_build::{
    BuildError, Built, DatasetBuild, Destination, FilesBuild, FilesSummary, Host, Outcome, Packed,
};
use pg_cli::{Interrupted, Progress, Provenance, WorkFailed, explain_full_disk};
use pg_shard::format::MANIFEST_FILE;
use pg_shard::{BuildPlan, Codec, FailedItem, ShardError};
use serde_json::json;

use crate::at_url;
use crate::session::{Session, output_context};

impl Host for Session {
    type Counter = Progress;

    fn progress(&self, label: &str, unit: &'static str, total: usize) -> Progress {
        Session::progress(self, label, unit, total)
    }

    fn note(&self, text: String) {
        self.notes.note(text);
    }

    fn failure(&self, progress: &Progress, number: usize, item: &FailedItem) {
        Session::failure(self, progress, number, &item.path, &item.reason);
    }

    fn is_ending(&self) -> bool {
        Session::is_ending(self)
    }

    fn threads(&self) -> usize {
        Session::threads(self)
    }
}

/// Builds the dataset at `output`; `None` where its first failed item stopped it.
pub(crate) fn build_dataset(
    session: &Session,
    output: &Path,
    build: DatasetBuild<'_>,
    provenance: impl FnOnce(u64, u64) -> Provenance,
    make: impl Fn(usize) -> Result<Packed, FailedItem> + Sync,
) -> anyhow::Result<Option<Built>> {
    let to = destination(session, output, &build.claim(), MANIFEST_FILE)?;
    if build.again.failed.is_some() {
        at_url::refuse_url(output, "-o", "--retry-failed works on disks only")?;
    }
    let outcome = build.run(session, &to, |images, failed| json!(provenance(images, failed)), make);
    ended(session, &to, outcome)
}

/// Builds the folder of files at `output`; `None` where its first failed item stopped it.
pub(crate) fn build_files(
    session: &Session,
    output: &Path,
    build: FilesBuild<'_>,
    provenance: impl FnOnce(u64, u64) -> Provenance,
    make: impl Fn(usize) -> Result<Vec<u8>, FailedItem> + Sync,
) -> anyhow::Result<Option<FilesSummary>> {
    let to = destination(session, output, &build.claim(), build.last_file())?;
    if build.again.failed.is_some() {
        at_url::refuse_url(output, "-o", "--retry-failed works on disks only")?;
    }
    let outcome = build.run(session, to.clone(), |done, failed| json!(provenance(done, failed)), make);
    ended(session, &to, outcome)
}

/// Where to write the output at `path`, which will be claimed by `plan`; `done_file` is written last.
pub(crate) fn destination<'a>(
    session: &Session,
    path: &'a Path,
    plan: &BuildPlan,
    done_file: &str,
) -> anyhow::Result<Destination<'a>> {
    Ok(Destination { name: path, remote: at_url::output(session, path, plan, done_file)? })
}

/// What was built, or the error that tells why not.
fn ended<T>(
    session: &Session,
    to: &Destination<'_>,
    outcome: Result<Outcome<T>, BuildError>,
) -> anyhow::Result<Option<T>> {
    match outcome.map_err(|error| failed(error, to.name))? {
        Outcome::Complete(built) => Ok(Some(built)),
        Outcome::StoppedByFailure => Ok(None),
        Outcome::Nothing { items, unit } => Err(nothing_made(items, unit, to.name)),
        Outcome::Ended { kept } => {
            session.check_ending(|| kept.clone())?;
            anyhow::bail!("ended early: {kept}")
        }
        Outcome::Failed { error, kept, left_bytes } => {
            session.check_interrupt(|| kept.clone())?;
            Err(explain_full_disk(failed(error, to.name), to.folder(), left_bytes, &kept))
        }
    }
}

/// The error of a build of `output` that failed by `error`.
pub(crate) fn failed(error: BuildError, output: &Path) -> anyhow::Error {
    let context = output_context(output);
    match error {
        // These name the output.
        BuildError::Shard(error @ ShardError::OtherOutput { .. }) => error.into(),
        BuildError::Names(_) => error.into(),
        // Those below are asked for by their own types.
        BuildError::Shard(error) => anyhow::Error::new(error).context(context),
        BuildError::Cloud(error) => anyhow::Error::new(error).context(context),
        BuildError::TooLittleRoom { .. } => anyhow::anyhow!(
            "{context}: {error}: free them, choose another folder, fewer --levels, or --codec {}",
            Codec::MedZstd.name()
        ),
        other => anyhow::Error::new(other).context(context),
    }
}

/// Says that the output at `output` is finished already.
pub(crate) fn note_complete(session: &Session, output: &Path) {
    session.notes.note(format!("{} is complete already, nothing was done", output.display()));
}

/// A build of which nothing came is no success.
pub(crate) fn nothing_made(items: usize, unit: &str, output: &Path) -> anyhow::Error {
    let output = output.display();
    WorkFailed(format!("none of the {items} {unit} could be used: nothing was written to {output}")).into()
}

/// The error after a signal outside of batches.
pub(crate) fn stopped(session: &Session, done: usize, total: usize, unit: &str) -> Result<(), Interrupted> {
    session.check_interrupt(|| format!("{done} of {total} {unit} were done; run the same command again"))
}
