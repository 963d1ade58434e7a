//! `pgprep export`: a dataset in the format of another program.

use std::io;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use pg_build::{Workspace, WorkspaceState};
use pg_cli::{ExitStatus, Progress, Provenance};
use pg_image::Resolution;
use pg_image::files::{encode_png, write_atomically};
use pg_shard::{BuildPlan, Dataset, Level, Manifest, NAMES_KEY, names_blake3};
use pg_sources::{Labels, StyleganZip, TfRecordFile};
use rayon::prelude::*;
use serde_json::{Map, Value, json};

use crate::args::{ExportArgs, ExportFormat};
use crate::at_url;
use crate::building::{destination, failed, note_complete};
use crate::dataset_labels::labels_of;
use crate::level_images::picture;
use crate::session::{Session, TOOL, count, level_asked_for, output_context};

/// Written last into a folder of TFRecords.
const DONE_FILE: &str = "export.json";

/// What is exported.
struct Export<'a> {
    session: &'a Session,
    output: &'a Path,
    dataset: Dataset,
    finest: Resolution,
    labels: Option<Labels>,
}

pub(crate) fn run(session: &Session, args: &ExportArgs) -> anyhow::Result<ExitStatus> {
    let chosen = |manifest: &Manifest| level_asked_for(manifest, args.resolution, &args.dataset);
    let dataset = at_url::dataset(session, &args.dataset, |manifest| {
        let finest = chosen(manifest)?;
        Ok(match args.format {
            ExportFormat::Tfrecord => manifest.levels().into_iter().filter(|&r| r <= finest).collect(),
            ExportFormat::Zip => vec![finest],
        })
    })?;
    let finest = chosen(dataset.manifest())?;
    dataset.level(finest).context("--resolution cannot be used")?;
    if dataset.is_empty() {
        bail!("{} holds no images", args.dataset.display());
    }
    let labels = labels_of(&dataset)?;
    let export = Export { session, output: &args.output, dataset, finest, labels };
    match args.format {
        ExportFormat::Tfrecord => export.to_tfrecords(),
        ExportFormat::Zip => export.to_zip(),
    }
}

impl Export<'_> {
    fn provenance(&self, format: &str) -> Provenance {
        Provenance::of_this_process(TOOL.0, TOOL.1, None)
            .setting("format", format)
            .setting("resolution", u32::from(self.finest))
            .setting("dataset_fingerprint", self.dataset.fingerprint())
            .count("images", self.dataset.len())
            .count("label_columns", self.labels.as_ref().map_or(0, |labels| labels.names().len()))
    }

    /// A file per level, coarsest first; a level that is there is not written again.
    fn to_tfrecords(&self) -> anyhow::Result<ExitStatus> {
        let levels: Vec<Resolution> =
            self.dataset.resolutions().iter().copied().filter(|&r| r <= self.finest).collect();
        let all: Vec<Resolution> = self.finest.down_to(Resolution::MIN).collect();
        if let Some(missing) = all.iter().rev().find(|r| !levels.contains(r)) {
            bail!(
                "the dataset has no level of {missing} px, and ProGAN reads all from 4 to {} px: choose --resolution below it, or pack with all levels",
                self.finest
            );
        }
        let name = folder_name(self.output)?;
        let plan = self.plan(&name, levels.len());
        let to = destination(self.session, self.output, &plan, DONE_FILE)?;
        let context = |error| failed(error, self.output);
        let workspace = match Workspace::open(to, &plan, DONE_FILE).map_err(context)? {
            WorkspaceState::Begun(workspace) => workspace,
            WorkspaceState::Done(done) => {
                let json = done.of(&plan).map_err(context)?;
                note_complete(self.session, self.output);
                return self.finish(&json, &levels);
            }
        };
        let mut files: Vec<String> =
            levels.iter().map(|&r| TfRecordFile::<Vec<u8>>::file_name(&name, r)).collect();
        let of_labels = self.labels.as_ref().map(|_| TfRecordFile::<Vec<u8>>::labels_file_name(&name));
        workspace.will_write(files.iter().chain(&of_labels).map(String::as_str)).map_err(context)?;
        self.write_levels(&workspace, &levels, &files)?;
        if let Some(labels) = &self.labels {
            let file = of_labels.unwrap_or_default();
            let path = workspace.join(&file);
            write_atomically(&path, |out| TfRecordFile::write_labels(out, labels))
                .with_context(|| output_context(&path))?;
            files.push(file);
        }
        let json = json!({
            "format": "tfrecord",
            "images": self.dataset.len(),
            "resolutions": levels.iter().map(|&r| u32::from(r)).collect::<Vec<_>>(),
            "labels": self.labels.as_ref().map(|labels| labels.names().len()),
            "files": files.len(),
            "failed": 0,
            "file_names": files,
            "plan_blake3": plan.blake3(),
            NAMES_KEY: names_blake3(files.iter().map(String::as_str)),
            "provenance": self.provenance("tfrecord"),
        });
        workspace.complete(&json).map_err(context)?;
        self.finish(&json, &levels)
    }

    /// What decides the bytes of the TFRecords called `name`.
    fn plan(&self, name: &str, levels: usize) -> BuildPlan {
        let mut settings = Map::new();
        for (key, value) in
            [("command", "export"), ("version", TOOL.1), ("format", "tfrecord"), ("name", name)]
        {
            settings.insert(key.to_owned(), json!(value));
        }
        BuildPlan {
            settings,
            source_blake3: self.dataset.fingerprint(),
            items: levels,
            items_per_shard: 1,
            channels: self.dataset.channels(),
            resolution: self.finest.into(),
        }
    }

    /// Writes those of `files`, one for each level, that are not there.
    fn write_levels(
        &self,
        workspace: &Workspace<'_>,
        levels: &[Resolution],
        files: &[String],
    ) -> anyhow::Result<()> {
        let images = self.dataset.len();
        let progress = self.session.progress("export", "records", levels.len() * images);
        let is_there = |file: &String| workspace.is_resumed() && workspace.join(file).is_file();
        let todo = levels.iter().zip(files).filter(|(_, file)| !is_there(file)).collect::<Vec<_>>();
        let finished = levels.len() - todo.len();
        if finished > 0 {
            self.session.notes.note(format!("going on after {finished} of {} levels", levels.len()));
            progress.resume_at((finished * images) as u64);
        }
        for (&r, file) in todo {
            self.write_level(&self.dataset.level(r)?, &workspace.join(file), &progress)?;
            workspace.send(file).map_err(|error| failed(error, self.output))?;
        }
        progress.finish();
        Ok(())
    }

    fn write_level(&self, level: &Level, path: &Path, progress: &Progress) -> anyhow::Result<()> {
        let written = write_atomically(path, |out| {
            let mut records = TfRecordFile::new(out, level.channels(), level.resolution());
            for i in 0..level.len() {
                if self.session.interrupted() {
                    return Err(io::Error::other("interrupted"));
                }
                records.push(&level.image(i).map_err(io::Error::other)?)?;
                progress.advance(1);
            }
            Ok(())
        });
        if written.is_err() {
            self.session.check_interrupt(|| {
                "finished levels are kept; run the same command again to go on".to_owned()
            })?;
        }
        written.with_context(|| output_context(path))
    }

    /// The finest level as PNG files, encoded in parallel, written in order.
    fn to_zip(&self) -> anyhow::Result<ExitStatus> {
        let outgoing = at_url::output_file(self.session, self.output, "-o")?;
        let level = self.dataset.level(self.finest)?;
        let progress = self.session.progress("export", "images", level.len());
        let images: Vec<usize> = (0..level.len()).collect();
        let written = write_atomically(outgoing.path(), |out| {
            let mut zip = StyleganZip::new(out);
            for batch in images.chunks(self.session.batch_size()) {
                if self.session.interrupted() {
                    return Err(io::Error::other("interrupted"));
                }
                let encoded: Vec<anyhow::Result<Vec<u8>>> =
                    batch.par_iter().map(|&i| Ok(encode_png(&picture(&level, i)?)?)).collect();
                for png in encoded {
                    zip.push(&png.map_err(|e| io::Error::other(format!("{e:#}")))?)?;
                    progress.advance(1);
                }
            }
            zip.finish(self.labels.as_ref())
        });
        if written.is_err() {
            self.session.check_interrupt(|| "nothing was kept; run the same command again".to_owned())?;
        }
        written.with_context(|| output_context(self.output))?;
        outgoing.send().with_context(|| output_context(self.output))?;
        progress.finish();
        let json = json!({
            "format": "zip",
            "images": level.len(),
            "resolutions": [u32::from(self.finest)],
            "labels": self.labels.as_ref().map(|labels| labels.names().len()),
            "files": 1,
            "failed": 0,
            "provenance": self.provenance("zip"),
        });
        self.finish(&json, &[self.finest])
    }

    fn finish(&self, json: &Value, levels: &[Resolution]) -> anyhow::Result<ExitStatus> {
        let levels: Vec<String> = levels.iter().rev().map(ToString::to_string).collect();
        let line = format!(
            "{} at {} px in {}{}",
            count(self.dataset.len() as u64, "image"),
            levels.join(", "),
            self.output.display(),
            self.labels.as_ref().map_or_else(String::new, |labels| {
                format!(", {}", count(labels.names().len() as u64, "label column"))
            })
        );
        self.session.result(json, [line])?;
        Ok(ExitStatus::Done)
    }
}

/// The last part of the output's path, which the files are named after.
fn folder_name(output: &Path) -> anyhow::Result<String> {
    let absolute = std::path::absolute(output).with_context(|| output_context(output))?;
    let name = absolute.file_name().map(|name| name.to_string_lossy().into_owned());
    name.ok_or_else(|| anyhow!("{} (-o) has no name that files could be named after", output.display()))
}
