//! `pgprep select`: the best images of a source by the frequency-based quality measure.

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::path::{Component, Path};

use anyhow::{Context as _, anyhow, bail};
use pg_build::{OutputNames, Workspace, WorkspaceState};
use pg_cli::{ExitStatus, Progress, Provenance};
use pg_image::files::encode_png;
use pg_image::{Fit, Raster, contact_sheet, fit, frequency_quality};
use pg_shard::format::{BUILD_FILE, BUILD_FOLDER, FAILED_FILE, LOCK_FILE};
use pg_shard::{BuildPlan, FailedItem, NAMES_KEY, names_blake3, reason, write_atomically};
use pg_sources::{Content, Source, SourceFormat};
use rayon::prelude::*;
use serde_json::{Map, Value, json};

use crate::args::SelectArgs;
use crate::at_url::is_inside;
use crate::build_results::{failed_note, status};
use crate::building::{destination, failed as build_failed, note_complete, nothing_made, stopped};
use crate::image_items::{Loader, list_blake3};
use crate::pack_source::PackSource;
use crate::session::{Session, TOOL, count, output_context};

/// The file written last.
const DONE_FILE: &str = "select.json";
/// Images scored between two files that keep what is done.
const SCORED_AT_ONCE: usize = 256;
/// Scores are compared to this many parts of one, so that their last bits decide nothing.
const SCORE_STEPS: f64 = 1e6;
/// Images of each contact sheet of the report.
const SHOWN: usize = 48;
const COLUMNS: usize = 8;
const SIDE_PX: usize = 160;

/// Image `item` of the source, scored.
struct Scored {
    item: usize,
    score: f64,
    /// The line of `scores.jsonl`.
    line: Value,
}

pub(crate) fn run(session: &Session, args: &SelectArgs) -> anyhow::Result<ExitStatus> {
    let loader = session.loader(&args.limits);
    let source = PackSource::open(session, &args.source, args.source_format, None)
        .with_context(|| format!("cannot select from {}", args.source.display()))?;
    if is_inside(&args.output, &args.source)? {
        bail!(
            "{} (-o) lies inside {}: what is put there would be selected from next time, choose a folder outside",
            args.output.display(),
            args.source.display()
        );
    }
    if let Some(report) = &args.report {
        check_report(args, report)?;
    }
    let names: Vec<String> = (0..source.items().len()).map(|i| output_name(&source, i)).collect();
    check_names(&names, &args.source)?;
    let names = OutputNames::new(names, |i| source.place(i))?;
    let plan = plan(args, &source);
    let to = destination(session, &args.output, &plan, DONE_FILE)?;
    let context = |error| build_failed(error, &args.output);
    let workspace = match Workspace::open(to, &plan, DONE_FILE).map_err(context)? {
        WorkspaceState::Begun(workspace) => workspace,
        WorkspaceState::Done(done) => {
            let json = done.of(&plan).map_err(context)?;
            note_complete(session, &args.output);
            return finish(session, args, &json);
        }
    };
    let selection = Selection { session, args, source, names, loader };
    let (mut scored, failed) = selection.score_all(&workspace)?;
    if scored.is_empty() {
        workspace.give_up().map_err(context)?;
        return Err(nothing_made(failed.len(), "images", &args.output));
    }
    // Best first, equal ones in the order of the source.
    scored.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.item.cmp(&b.item)));
    let kept = scored.len().min(args.keep as usize);
    if kept < args.keep as usize {
        session.notes.warning(format!(
            "--keep {}: only {} could be scored",
            args.keep,
            count(kept as u64, "image")
        ));
    }
    let to_write = scored[..kept].iter().map(|best| selection.names.get(best.item));
    workspace.will_write(to_write).map_err(context)?;
    selection.put_all(&workspace, &scored[..kept])?;
    if let Some(report) = &args.report {
        let write = || {
            let report = session.cloud.outgoing(report)?;
            write_report(&selection, report.path(), &scored, kept)?;
            anyhow::Ok(report.send()?)
        };
        write().with_context(|| format!("cannot write the report to {} (--report)", report.display()))?;
    }
    let failed_lines: Vec<Value> = failed.iter().map(|item| json!(item)).collect();
    write_lines(&workspace.join(FAILED_FILE), &failed_lines).with_context(|| output_context(&args.output))?;
    let json = selection.done(&plan, &scored, kept, failed.len());
    workspace.complete(&json).map_err(context)?;
    finish(session, args, &json)
}

/// Prints the result.
fn finish(session: &Session, args: &SelectArgs, json: &Value) -> anyhow::Result<ExitStatus> {
    let number = |name: &str| json[name].as_u64().unwrap_or(0);
    let failed = number("failed");
    let score = |name: &str| json[name].as_f64().map_or_else(|| "-".to_owned(), |v| format!("{v:.3}"));
    let line = format!(
        "{} of {} in {}, scores {} to {} (worst of all {}){}",
        number("kept"),
        count(number("scored"), "image"),
        args.output.display(),
        score("best_score"),
        score("least_score_kept"),
        score("worst_score"),
        failed_note(session, failed, &args.output)
    );
    session.result(json, [line])?;
    Ok(status(failed))
}

fn plan(args: &SelectArgs, source: &PackSource) -> BuildPlan {
    let mut settings = Map::new();
    for (name, value) in [
        ("command", json!("select")),
        ("version", json!(TOOL.1)),
        ("keep", json!(args.keep)),
        ("report", json!(args.report.is_some())),
        ("source_format", json!(source.format_name())),
        ("max_pixels", json!(args.limits.max_pixels)),
        ("max_bytes", json!(args.limits.max_bytes)),
    ] {
        settings.insert(name.to_owned(), value);
    }
    let list = source.items().iter().map(|item| (item, source.identity().to_owned()));
    BuildPlan {
        settings,
        source_blake3: list_blake3(list, &HashMap::new()),
        items: source.items().len(),
        items_per_shard: SCORED_AT_ONCE,
        channels: 3,
        resolution: 0,
    }
}

/// The path of item `i` below OUT: its own name, with `.png` where the source stores pixels.
fn output_name(source: &PackSource, i: usize) -> String {
    let name = &source.items()[i].name;
    match source {
        // Images of one dataset may stem from photos of one name.
        PackSource::Dataset(_) => format!("{i:06}.png"),
        PackSource::Collection(source) => match source.format() {
            SourceFormat::Folder | SourceFormat::Zip | SourceFormat::Lmdb => name.clone(),
            _ => format!("{name}.png"),
        },
    }
}

/// Refuses a report whose files would take the place of images.
fn check_report(args: &SelectArgs, report: &Path) -> anyhow::Result<()> {
    for (folder, what) in [(&args.output, "-o"), (&args.source, "SOURCE")] {
        if is_inside(report, folder)? {
            bail!(
                "cannot write the report to `{}` (--report): it lies inside `{}` ({what}), whose images it could replace; choose a folder outside",
                report.display(),
                folder.display()
            );
        }
    }
    Ok(())
}

/// Refuses names that would leave OUT or meet the files that select itself keeps there.
fn check_names(names: &[String], source: &Path) -> anyhow::Result<()> {
    for name in names {
        let mut parts = Path::new(name).components();
        if name.is_empty() || !parts.all(|part| matches!(part, Component::Normal(_))) {
            bail!(
                "{} holds an image named {name:?}, which is no place below OUT: rename it",
                source.display()
            );
        }
        let first = name.split('/').next().unwrap_or_default();
        if [BUILD_FOLDER, BUILD_FILE, LOCK_FILE, DONE_FILE, FAILED_FILE].contains(&first) {
            bail!(
                "{} holds {name}, but pgprep select keeps its own state in OUT/{first}: rename it, or select from the folder above",
                source.display()
            );
        }
    }
    Ok(())
}

/// What is selected from, and by what names.
struct Selection<'a> {
    session: &'a Session,
    args: &'a SelectArgs,
    source: PackSource,
    names: OutputNames,
    loader: Loader,
}

impl Selection<'_> {
    /// The scores of all images; those that an earlier run wrote down are read back.
    fn score_all(&self, workspace: &Workspace<'_>) -> anyhow::Result<(Vec<Scored>, Vec<FailedItem>)> {
        let Self { session, source, .. } = self;
        let context = || output_context(&self.args.output);
        fs::create_dir_all(workspace.join(BUILD_FOLDER)).with_context(context)?;
        let all: Vec<usize> = (0..source.items().len()).collect();
        let progress = session.progress("score", "images", all.len());
        let (mut scored, mut failed) = (Vec::new(), Vec::new());
        source.will_load(&all);
        for (part, indices) in all.chunks(SCORED_AT_ONCE).enumerate() {
            let name = format!("{BUILD_FOLDER}/scores-{part:05}.jsonl");
            let path = workspace.join(&name);
            let lines = if let Some(lines) = read_lines(&path, indices.len()) {
                lines.iter().filter(|line| line["failed"].is_string()).for_each(|_| progress.fail());
                progress.resume_at(lines.len() as u64);
                lines
            } else {
                let lines = self.score(indices, &progress)?;
                write_lines(&path, &lines).with_context(context)?;
                let sent = workspace.send_and_keep(&name);
                sent.map_err(|error| build_failed(error, &self.args.output))?;
                lines
            };
            for (&item, line) in indices.iter().zip(lines) {
                match (line["score"].as_f64(), line["failed"].as_str()) {
                    (Some(score), None) => scored.push(Scored { item, score, line }),
                    (_, why) => {
                        let path = source.items()[item].name.clone();
                        let reason = why.unwrap_or("no score").to_owned();
                        session.failure(&progress, failed.len() + 1, &path, &reason);
                        failed.push(FailedItem::new(path, reason));
                    }
                }
            }
        }
        progress.finish();
        Ok((scored, failed))
    }

    /// The lines of the images `indices`.
    fn score(&self, indices: &[usize], progress: &Progress) -> anyhow::Result<Vec<Value>> {
        let Self { session, source, loader, .. } = self;
        let mut lines = Vec::with_capacity(indices.len());
        for batch in indices.chunks(session.batch_size()) {
            stopped(session, batch[0], source.items().len(), "images")?;
            let of_batch: Vec<Value> = batch
                .par_iter()
                .map(|&i| {
                    let line = score_line(source, i, loader);
                    if line["failed"].is_string() {
                        progress.fail();
                    }
                    progress.advance(1);
                    line
                })
                .collect();
            lines.extend(of_batch);
        }
        if session.is_ending() {
            session.check_ending(|| "what was scored is kept; run the same command again".to_owned())?;
        }
        Ok(lines)
    }

    /// Puts the files of the images `kept` into the output; those that an earlier run put there stay.
    fn put_all(&self, workspace: &Workspace<'_>, kept: &[Scored]) -> anyhow::Result<()> {
        let progress = self.session.progress("select", "files", kept.len());
        for (done, best) in kept.iter().enumerate() {
            stopped(self.session, done, kept.len(), "files")?;
            let name = self.names.get(best.item);
            let to = workspace.join(name);
            let cannot = || format!("cannot write {} (-o)", to.display());
            if put(&self.source, best.item, &to, &self.loader).with_context(cannot)? {
                workspace.send(name).with_context(cannot)?;
                progress.advance(1);
            } else {
                progress.resume_at(1);
            }
        }
        progress.finish();
        Ok(())
    }

    /// The content of [`DONE_FILE`].
    fn done(&self, plan: &BuildPlan, scored: &[Scored], kept: usize, failed: usize) -> Value {
        let score = |scored: Option<&Scored>| scored.map(|s| s.score);
        json!({
            "kept": kept,
            "scored": scored.len(),
            "failed": failed,
            "best_score": score(scored.first()),
            "least_score_kept": score(scored[..kept].last()),
            "worst_score": score(scored.last()),
            "plan_blake3": plan.blake3(),
            NAMES_KEY: names_blake3(scored[..kept].iter().map(|best| self.names.get(best.item))),
            "provenance": Provenance::of_this_process(TOOL.0, TOOL.1, None)
                .setting("keep", self.args.keep)
                .setting("source_format", self.source.format_name())
                .count("scored", scored.len())
                .count("kept", kept)
                .count("failed", failed),
        })
    }
}

/// `{"path":…,"score":…,…}`, or `{"path":…,"failed":…}`.
fn score_line(source: &PackSource, i: usize, loader: &Loader) -> Value {
    let path = &source.items()[i].name;
    let rounded = |v: f64| (v * SCORE_STEPS).round() / SCORE_STEPS;
    let quality = source.load(i, loader).and_then(|photo| {
        let (width, height) = (photo.raster.width(), photo.raster.height());
        frequency_quality(&photo.raster)
            .ok_or_else(|| format!("the picture has {width}x{height} pixels, expected 16 or more each way"))
    });
    match quality {
        Ok(q) => json!({
            "path": path,
            "score": rounded(q.score),
            "breadth": rounded(q.breadth),
            "symmetry": rounded(q.symmetry),
            "grid": rounded(q.grid),
        }),
        Err(reason) => json!({ "path": path, "failed": reason }),
    }
}

/// The lines of a file of scores; `None` unless it is there with as many as expected.
fn read_lines(path: &Path, expected: usize) -> Option<Vec<Value>> {
    let text = fs::read_to_string(path).ok()?;
    let lines: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>().ok()?;
    (lines.len() == expected).then_some(lines)
}

/// One JSON object per line; no file for no line.
fn write_lines(path: &Path, lines: &[Value]) -> anyhow::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let text = json_lines(lines)?;
    Ok(write_atomically(path, |file| file.write_all(&text))?)
}

fn json_lines(lines: &[Value]) -> serde_json::Result<Vec<u8>> {
    let mut text = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
    }
    Ok(text)
}

/// Puts item `i` at `to`: a hard link where the file system allows it, else a copy of the same bytes; a PNG
/// file where the source stores pixels. False when an earlier run did.
fn put(source: &PackSource, i: usize, to: &Path, loader: &Loader) -> anyhow::Result<bool> {
    if to.is_file() {
        return Ok(false);
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    let PackSource::Collection(collection) = source else {
        put_pixels(&source.load(i, loader).map_err(|e| anyhow!(e))?.raster, to)?;
        return Ok(true);
    };
    if linked(collection, i, to) {
        return Ok(true);
    }
    match loader.read(collection, i).map_err(|e| anyhow!(e))? {
        Content::Encoded(bytes) => write_atomically(to, |file| file.write_all(&bytes))?,
        Content::Pixels(raster) => put_pixels(&raster, to)?,
    }
    Ok(true)
}

fn put_pixels(raster: &Raster, to: &Path) -> anyhow::Result<()> {
    let bytes = encode_png(raster)?;
    Ok(write_atomically(to, |file| file.write_all(&bytes))?)
}

/// Links a file of a folder; a link of the folder's is not linked to itself but copied.
fn linked(source: &Source, i: usize, to: &Path) -> bool {
    // Not by the name of the item, which may be that of another file.
    let Some(from) = source.file(i) else { return false };
    fs::symlink_metadata(from).is_ok_and(|m| m.is_file()) && fs::hard_link(from, to).is_ok()
}

/// `scores.jsonl`, best first, and contact sheets of the best and the worst, the latter worst first.
fn write_report(
    selection: &Selection<'_>,
    folder: &Path,
    scored: &[Scored],
    kept: usize,
) -> anyhow::Result<()> {
    let Selection { session, source, loader, .. } = selection;
    fs::create_dir_all(folder)?;
    let lines: Vec<Value> = scored
        .iter()
        .enumerate()
        .map(|(rank, scored)| {
            let mut line = scored.line.clone();
            line["rank"] = json!(rank + 1);
            line["kept"] = json!(rank < kept);
            line
        })
        .collect();
    let write =
        |name: &str, bytes: &[u8]| session.common.write_one_of_many(&folder.join(name), "--report", bytes);
    write("scores.jsonl", &json_lines(&lines)?)?;
    let shown = scored.len().min(SHOWN);
    let best: Vec<usize> = scored[..shown].iter().map(|s| s.item).collect();
    let worst: Vec<usize> = scored.iter().rev().take(shown).map(|s| s.item).collect();
    for (name, items) in [("best.png", best), ("worst.png", worst)] {
        let pictures = items
            .par_iter()
            .map(|&i| {
                let photo = source.load(i, loader).map_err(|e| anyhow!(e))?;
                fit(photo.raster.into_rgb(), SIDE_PX, Fit::Pad).map_err(|e| anyhow!(reason(&e)))
            })
            .collect::<anyhow::Result<Vec<Raster>>>()?;
        if let Some(sheet) = contact_sheet(&pictures, COLUMNS) {
            write(name, &encode_png(&sheet)?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_leave_the_output_are_refused() {
        let check = |name: &str| check_names(&[name.to_owned()], Path::new("in"));
        assert!(check("a/b.png").is_ok() && check("builds/b.png").is_ok());
        for name in ["../b.png", "/b.png", "a/../../b.png", "", "pgkit-build/a.png", "select.json"] {
            assert!(check(name).is_err(), "{name}");
        }
    }
}
