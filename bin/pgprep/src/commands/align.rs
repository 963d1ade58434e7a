//! `pgprep align`: photos and landmarks to aligned faces.

use anyhow::Context as _;
use pg_build::{Again, DatasetBuild, FilesBuild, OutputNames};
use pg_cli::ExitStatus;
use pg_image::files::encode_png;
use pg_shard::{FailedItem, reason};

use crate::align_job::{AlignJob, stem};
use crate::align_preview;
use crate::args::{AlignArgs, Format, OnError};
use crate::build_results::{failed_note, finished_dataset, next_step, output_of, status, stopped_by_failure};
use crate::building::{build_dataset, build_files};
use crate::session::{Session, count};

pub(crate) fn run(session: &Session, args: &AlignArgs) -> anyhow::Result<ExitStatus> {
    let (job, wrong) = AlignJob::prepare(session, args)?;
    if args.preview {
        return align_preview::run(session, args, &job, wrong.as_ref());
    }
    let order: Vec<usize> = job.faces.iter().filter_map(|face| face.item).collect();
    job.source.will_read(&order);
    match args.format {
        Format::Png => to_png_files(&job, session, args),
        Format::Shards => to_dataset(&job, session, args),
    }
}

fn to_png_files(job: &AlignJob, session: &Session, args: &AlignArgs) -> anyhow::Result<ExitStatus> {
    let by_stem = job.faces.iter().map(|face| format!("{}.png", stem(&face.row.file))).collect();
    let names = OutputNames::new(by_stem, |i| job.faces[i].row.file.clone())
        .context("--format png names files by their photos; --format shards does not")?;
    let plan = job.plan(args, 1);
    let part = args.parts.chosen()?;
    let output = output_of(part, &args.output)?;
    let modified = |i: usize| job.modified(i, args);
    let source_before = |failed: &[FailedItem]| job.source_blake3(failed);
    let build = FilesBuild {
        names: &names,
        whole: None,
        part,
        plan: plan.clone(),
        done_file: "align.json",
        label: "align",
        unit: "photos",
        stop_at_failure: args.on_error == OnError::Fail,
        again: Again { failed: args.retry_failed.then_some(&source_before), modified: Some(&modified) },
    };
    let built = build_files(
        session,
        &output,
        build,
        |done, failed| job.provenance(args, &plan, done, failed),
        |i| {
            let (aligned, _) = job.aligned(i)?;
            let path = || job.faces[i].row.file.clone();
            encode_png(&aligned.image).map_err(|e| FailedItem::new(path(), reason(&e)))
        },
    )?;
    let Some(summary) = built else { return Ok(stopped_by_failure(session)) };
    let line = format!(
        "{} of {}x{} px in {}{}",
        count(summary.files, "aligned image"),
        job.size,
        job.size,
        output.display(),
        failed_note(session, summary.failed, &output)
    );
    session
        .result(&summary.json, [line].into_iter().chain(part.map(|part| next_step(part, &args.output))))?;
    Ok(status(summary.failed))
}

fn to_dataset(job: &AlignJob, session: &Session, args: &AlignArgs) -> anyhow::Result<ExitStatus> {
    let plan = job.dataset_plan(args);
    let part = args.parts.chosen()?;
    let output = output_of(part, &args.output)?;
    let modified = |i: usize| job.modified(i, args);
    let source_before = |failed: &[FailedItem]| job.source_blake3(failed);
    let build = DatasetBuild {
        part,
        plan: plan.clone(),
        storage: job.storage.clone(),
        label: "align",
        stop_at_failure: args.on_error == OnError::Fail,
        labels: None,
        again: Again { failed: args.retry_failed.then_some(&source_before), modified: Some(&modified) },
    };
    let provenance = |done, failed| job.provenance(args, &plan, done, failed);
    let built = build_dataset(session, &output, build, provenance, |i| job.make(i))?;
    finished_dataset(session, built, part, &args.output)
}
