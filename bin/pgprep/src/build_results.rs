//! What a build came to, as lines, as JSON and as an exit status; and where a part of one goes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::bail;
use pg_build::{Built, Part, failed_items};
use pg_cli::ExitStatus;
use pg_cloud::Location;
use pg_shard::format::FAILED_FILE;
use pg_shard::{Manifest, PartSummary};
use serde_json::json;

use crate::session::{Session, count};

/// Where a command writes: of a part, a folder of its own below `output`.
pub(crate) fn output_of(part: Option<Part>, output: &Path) -> anyhow::Result<PathBuf> {
    let Some(part) = part else { return Ok(output.to_owned()) };
    if Location::of(output)?.is_some() {
        bail!(
            "--part {part}: {} (-o) is a URL, where parts cannot be merged: give a folder of a file system that all parts share",
            output.display()
        );
    }
    Ok(part.folder(output))
}

/// What to do once all parts are there.
pub(crate) fn next_step(part: Part, output: &Path) -> String {
    format!(
        "part {} of {}; once all are there: pgprep merge {} -o OUT",
        part.index,
        part.count,
        output.display()
    )
}

/// The end of a command that builds a dataset.
pub(crate) fn finished_dataset(
    session: &Session,
    built: Option<Built>,
    part: Option<Part>,
    output: &Path,
) -> anyhow::Result<ExitStatus> {
    let Some(built) = built else { return Ok(stopped_by_failure(session)) };
    match (built, part) {
        (Built::Part(summary), Some(part)) => finished_part(session, &summary, part, output),
        (Built::Part(_), None) => bail!("a part was built where a dataset was asked for"),
        (Built::Dataset(manifest), _) => show_dataset(session, &manifest, output),
    }
}

fn finished_part(
    session: &Session,
    summary: &PartSummary,
    part: Part,
    output: &Path,
) -> anyhow::Result<ExitStatus> {
    let folder = part.folder(output);
    let shards = &summary.shards;
    let line = format!(
        "{} in {} in {}{}",
        count(summary.images, "image"),
        count(shards.len() as u64, "shard"),
        folder.display(),
        failed_note(session, summary.failed, &folder)
    );
    let json = json!({
        "part": part.index,
        "parts": part.count,
        "folder": folder.display().to_string(),
        "images": summary.images,
        "failed": summary.failed,
        "shards": [shards.start, shards.end],
        "provenance": summary.provenance,
    });
    if shards.is_empty() {
        session.notes.note(format!(
            "part {part} has no shard: there are fewer than parts; --images-per-shard N makes more"
        ));
    }
    session.result(&json, [line, next_step(part, output)])?;
    Ok(status(summary.failed))
}

/// Says what a dataset that is complete holds.
pub(crate) fn show_dataset(
    session: &Session,
    manifest: &Manifest,
    output: &Path,
) -> anyhow::Result<ExitStatus> {
    let levels: Vec<String> = manifest.resolutions.iter().rev().map(ToString::to_string).collect();
    let line = format!(
        "{} at {} px in {}{}",
        count(manifest.images, "image"),
        levels.join(", "),
        output.display(),
        failed_note(session, manifest.failed, output)
    );
    let json = json!({
        "images": manifest.images,
        "failed": manifest.failed,
        "channels": manifest.channels,
        "resolutions": manifest.resolutions,
        "provenance": manifest.provenance,
    });
    session.result(&json, [line])?;
    Ok(status(manifest.failed))
}

/// How many items failed, of which kinds by the endings of their names, and where they are listed.
pub(crate) fn failed_note(session: &Session, failed: u64, output: &Path) -> String {
    if failed == 0 {
        return String::new();
    }
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    for item in failed_items(output) {
        let extension = Path::new(&item.path).extension().unwrap_or_default();
        *kinds.entry(extension.to_string_lossy().to_ascii_lowercase()).or_default() += 1;
    }
    let named = kinds.iter().map(|(kind, number)| match kind.as_str() {
        "" => format!("{number} without an ending"),
        kind => format!("{number} {kind}"),
    });
    let named: Vec<String> = named.collect();
    // Of an output at a URL the list is not here.
    let of_kinds = if named.is_empty() {
        String::new()
    } else {
        session.also("failed_kinds", json!(kinds));
        format!(" ({})", named.join(", "))
    };
    format!("; {failed} failed{of_kinds}, see {}", output.join(FAILED_FILE).display())
}

pub(crate) fn stopped_by_failure(session: &Session) -> ExitStatus {
    session.notes.warning("stopped at the first failure (--on-error fail); what was finished is kept: run the same command again to go on");
    ExitStatus::SomeFailed
}

pub(crate) fn status(failed: u64) -> ExitStatus {
    if failed == 0 { ExitStatus::Done } else { ExitStatus::SomeFailed }
}
