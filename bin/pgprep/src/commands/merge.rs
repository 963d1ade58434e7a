//! `pgprep merge`: parts that were made apart, as one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use pg_build::{
    Destination, FilesPart, FilesPartItem, OutputNames, Workspace, WorkspaceState, done_json,
    write_failed_items,
};
use pg_cli::{ExitStatus, Interrupted, Provenance};
use pg_shard::format::{BUILD_FILE, MANIFEST_FILE, PART_FILE};
use pg_shard::{FailedItem, PartSet, ShardError, Transfer, all_parts, is_part};
use serde_json::{Value, json};

use crate::args::{MergeArgs, TransferChoice};
use crate::at_url;
use crate::build_results::{failed_note, show_dataset, status};
use crate::building::{failed, note_complete, nothing_made};
use crate::session::{Session, count, output_context};

/// Counts that are of a part's items; all others are of the sources, and the same in every part.
const OF_ITEMS: [&str; 3] = ["aligned", "packed", "failed"];

pub(crate) fn run(session: &Session, args: &MergeArgs) -> anyhow::Result<ExitStatus> {
    let folders = folders(&args.parts)?;
    for folder in &folders {
        session.reads(folder);
    }
    let of_files = folders.iter().filter(|folder| FilesPart::is_in(folder)).count();
    if of_files == 0 {
        return merge_dataset(session, args, &folders);
    }
    if of_files < folders.len() {
        bail!("some of the parts are of a dataset, and some of PNG files: give those of one command");
    }
    merge_files(session, args, &folders)
}

/// The parts, those below folders of parts included.
fn folders(given: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for path in given {
        let is_begun = path.join(BUILD_FILE).is_file() || path.join(MANIFEST_FILE).is_file();
        if is_part(path) || is_begun || !path.is_dir() {
            folders.push(path.clone());
            continue;
        }
        let listed = || format!("cannot list {} (PART)", path.display());
        let mut below = Vec::new();
        for entry in fs::read_dir(path).with_context(listed)? {
            let folder = entry.with_context(listed)?.path();
            if is_part(&folder) || folder.join(BUILD_FILE).is_file() {
                below.push(folder);
            }
        }
        if below.is_empty() {
            folders.push(path.clone());
        }
        below.sort();
        folders.extend(below);
    }
    Ok(folders)
}

fn merge_dataset(session: &Session, args: &MergeArgs, folders: &[PathBuf]) -> anyhow::Result<ExitStatus> {
    let set = PartSet::open(folders)?;
    let summaries = set.summaries();
    if summaries.iter().all(|part| part.images == 0) {
        let failed = summaries.iter().map(|part| part.failed).sum::<u64>();
        return Err(nothing_made(failed as usize, "images", &args.output));
    }
    let of_parts: Vec<Value> = summaries.into_iter().map(|part| part.provenance).collect();
    let provenance = json!(of_whole(of_parts, &args.output)?);
    let progress = session.progress("merge", "shards", set.shards());
    at_url::make_room(session, &args.output, None)?;
    let stop = || ShardError::Unfinished { path: args.output.clone() };
    let mut advance = || {
        progress.advance(1);
        if session.interrupted() { Err(stop()) } else { Ok(()) }
    };
    let merged = set.merge(&args.output, transfer(args.by), provenance, &mut advance);
    interrupted(session)?;
    let manifest = merged.with_context(|| output_context(&args.output))?;
    progress.finish();
    show_dataset(session, &manifest, &args.output)
}

fn interrupted(session: &Session) -> Result<(), Interrupted> {
    session.check_interrupt(|| "run the same command again to go on".to_owned())
}

fn transfer(choice: TransferChoice) -> Transfer {
    match choice {
        TransferChoice::Link => Transfer::Link,
        TransferChoice::Move => Transfer::Move,
        TransferChoice::Copy => Transfer::Copy,
    }
}

/// The provenance of one run over all parts, written to `output`, from those of the `parts`.
fn of_whole(parts: Vec<Value>, output: &Path) -> anyhow::Result<Provenance> {
    let parts = parts.into_iter().map(serde_json::from_value).collect::<Result<Vec<Provenance>, _>>();
    let parts = parts.context("a part's provenance is malformed (part.json)")?;
    let mut whole = parts.first().context("no part was given")?.clone();
    for name in OF_ITEMS {
        let counts: Vec<u64> = parts.iter().filter_map(|part| part.counts.get(name)?.as_u64()).collect();
        if let Some(count) = whole.counts.get_mut(name) {
            *count = counts.iter().sum::<u64>().into();
        }
    }
    Ok(whole.with_output(&output.display().to_string()))
}

/// The folder of files of all parts, as one run would have written it.
fn merge_files(session: &Session, args: &MergeArgs, folders: &[PathBuf]) -> anyhow::Result<ExitStatus> {
    let parts = parts_of_files(folders)?;
    let Some((_, first)) = parts.first() else { bail!("no part was given") };
    let (output, plan, done_file) = (&args.output, first.plan.clone(), first.done_file.clone());
    check_names(&parts)?;
    let provenance = of_whole(parts.iter().map(|(_, part)| part.provenance.clone()).collect(), output)?;
    let counts = parts.iter().map(|(_, part)| part.counts());
    let counts = counts.fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
    if counts.0 == 0 {
        return Err(nothing_made(counts.1 as usize, "files", output));
    }
    let written = parts.iter().flat_map(|(_, part)| part.written());
    let json = done_json(counts, &plan, written, &json!(provenance));
    at_url::make_room(session, output, Some(&plan))?;
    let context = |error| failed(error, output);
    let to = Destination { name: output, remote: None };
    match Workspace::open(to, &plan, &done_file).map_err(context)? {
        WorkspaceState::Done(done) => {
            let is_same = done.read().is_ok_and(|found| found == json);
            done.accept(is_same.then_some(())).map_err(context)?;
            note_complete(session, output);
        }
        WorkspaceState::Begun(workspace) => {
            workspace.will_write(parts.iter().flat_map(|(_, part)| part.written())).map_err(context)?;
            let failed = bring_files(session, args, &parts, counts.0 as usize)?;
            write_failed_items(output, failed.into_iter()).map_err(context)?;
            let folder = fs::File::open(output).and_then(|folder| folder.sync_all());
            folder.with_context(|| output_context(output))?;
            workspace.complete(&json).map_err(context)?;
        }
    }
    let line = format!(
        "{} in {}{}",
        count(counts.0, "file"),
        output.display(),
        failed_note(session, counts.1, output)
    );
    session.result(&json, [line])?;
    Ok(status(counts.1))
}

/// Brings the files of all parts, `total` of them, and says which items failed.
fn bring_files<'a>(
    session: &Session,
    args: &MergeArgs,
    parts: &'a [(PathBuf, FilesPart)],
    total: usize,
) -> anyhow::Result<Vec<&'a FailedItem>> {
    let progress = session.progress("merge", "files", total);
    let mut failed = Vec::new();
    for (from, part) in parts {
        for item in &part.items {
            match item {
                FilesPartItem::Failed(item) => failed.push(item),
                FilesPartItem::Written(name) => {
                    interrupted(session)?;
                    if bring(&from.join(name), &args.output.join(name), transfer(args.by))? {
                        progress.advance(1);
                    } else {
                        progress.resume_at(1);
                    }
                }
            }
        }
    }
    progress.finish();
    Ok(failed)
}

/// Refuses parts that list one file twice.
fn check_names(parts: &[(PathBuf, FilesPart)]) -> anyhow::Result<()> {
    let written =
        parts.iter().flat_map(|(folder, part)| part.written().map(move |name| (folder, name.to_owned())));
    let (folders, names): (Vec<&PathBuf>, Vec<String>) = written.unzip();
    let of_part = names.clone();
    OutputNames::new(names, |i| folders[i].join(&of_part[i]).display().to_string())?;
    Ok(())
}

/// Every part once, in order, all of one job.
fn parts_of_files(folders: &[PathBuf]) -> anyhow::Result<Vec<(PathBuf, FilesPart)>> {
    let read = |folder: &PathBuf| -> anyhow::Result<(PathBuf, FilesPart)> {
        if !is_part(folder) {
            return Err(ShardError::UnfinishedPart { path: folder.clone() }.into());
        }
        Ok((folder.clone(), FilesPart::read(folder)?))
    };
    let parts = folders.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let difference = |first: &FilesPart, other: &FilesPart| {
        let difference = first.plan.difference(&other.plan);
        let same = (first.parts, &first.done_file) == (other.parts, &other.done_file);
        if difference.is_empty() && !same { "the number of parts".to_owned() } else { difference }
    };
    Ok(all_parts(parts, |part| (part.part, part.parts), difference)?)
}

/// False when an earlier run brought it.
fn bring(from: &Path, to: &Path, by: Transfer) -> anyhow::Result<bool> {
    if to.is_file() {
        // Of an interrupted merge: links and names are whole, copies are named last.
        return Ok(false);
    }
    if !from.is_file() {
        bail!("{} is missing, {PART_FILE} beside it lists it: make that part again", from.display());
    }
    by.carry(from, to)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_provenance_of_the_whole_adds_up_what_was_done_and_names_the_output() {
        let part = |packed: u64, failed: u64| {
            let mut part = Provenance::of_this_process("pgprep", "1", None)
                .setting("fit", "crop")
                .count("source_images", 10)
                .count("packed", packed)
                .count("failed", failed);
            part.command_line = ["pgprep", "pack", "a", "-o", "parts"].map(str::to_owned).to_vec();
            json!(part)
        };
        let whole = of_whole(vec![part(3, 1), part(6, 0)], Path::new("b")).unwrap();
        assert_eq!(json!(whole.counts), json!({ "source_images": 10, "packed": 9, "failed": 1 }));
        assert_eq!(whole.command_line, ["pgprep", "pack", "a", "-o", "b"]);
    }
}
