//! The snapshot that a command draws from.

use std::path::Path;

use anyhow::{Context as _, ensure};
use pg_cli::{CommonArgs, StderrNotes};
use pg_training::{Sampler, SnapshotStore};

use crate::args::SnapshotArgs;
use crate::device;

/// The snapshot that `args` names, ready to sample.
pub(crate) fn open(args: &SnapshotArgs, common: &CommonArgs, notes: StderrNotes) -> anyhow::Result<Sampler> {
    let device = device::select(&args.device, common.threads, notes)?;
    ensure!(args.source.exists(), "{} does not exist: expected a run or a snapshot", args.source.display());
    warn_of_passed_over(&args.source, notes);
    let sampler = if args.best {
        Sampler::open_best(&args.source, device)?
    } else {
        Sampler::open(&args.source, device)?
    };
    let sampler = match args.class {
        Some(class) => sampler.of_class(class).context("--class")?,
        None => sampler,
    };
    match &args.truncation {
        Some(truncation) => sampler.truncated(truncation.clone()).context("--truncation"),
        None => Ok(sampler),
    }
}

/// Names what lies among the snapshots of `run` and is none.
pub(crate) fn warn_of_passed_over(run: &Path, notes: StderrNotes) {
    // What cannot be listed is an error where it is needed.
    let Ok(store) = SnapshotStore::of_run(run) else { return };
    for passed_over in store.passed_over() {
        notes.warning(format_args!("passed over: {passed_over}"));
    }
}
