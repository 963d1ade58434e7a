//! A folder of one file per item.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::ops::Range;
use std::path::Path;

use pg_image::files::write_atomically;
use pg_shard::format::PART_FILE;
use pg_shard::{BuildPlan, FailedItem, reopen_files};
use serde_json::{Value, json};

use crate::host::counted;
use crate::outcome::Stop;
use crate::records::{done_json, failed_items, is_of, read_json, write_failed_items};
use crate::{
    Again, BuildError, Counter as _, Destination, FilesPart, FilesPartItem, Host, Outcome, OutputNames, Part,
    Workspace, WorkspaceState, in_order,
};

/// What a folder of files ended with; also the content of the file that marks it as done.
#[derive(Debug)]
pub struct FilesSummary {
    /// Files written, by this run and earlier ones.
    pub files: u64,
    /// Items left out.
    pub failed: u64,
    /// The whole JSON object of the done file.
    pub json: Value,
}

/// Files of a build that belong to no item.
#[derive(Clone, Copy)]
pub struct WholeFiles<'a> {
    /// Their names.
    pub names: &'a [&'a str],
    /// Writes them into the folder.
    pub write: &'a dyn Fn(&Path) -> io::Result<()>,
}

/// A folder of one file per item.
pub struct FilesBuild<'a> {
    /// The name of each item's file; all lie in one folder.
    pub names: &'a OutputNames,
    /// Files of the whole, which are written once all items are.
    pub whole: Option<WholeFiles<'a>>,
    /// Everything that decides the bytes.
    pub plan: BuildPlan,
    /// Name of the file written last, e.g. `align.json`.
    pub done_file: &'a str,
    /// What its progress is called.
    pub label: &'a str,
    /// What items are called.
    pub unit: &'static str,
    /// Whether the first failed item ends it.
    pub stop_at_failure: bool,
    /// The part to write, into its own folder, or all.
    pub part: Option<Part>,
    /// What of an earlier run is done again.
    pub again: Again<'a>,
}

/// What became of the items that this run tried.
#[derive(Default)]
struct Tried {
    /// Files that are there, those of earlier runs included.
    written: usize,
    failed: BTreeMap<usize, FailedItem>,
}

impl FilesBuild<'_> {
    /// What the output is claimed by.
    #[must_use]
    pub fn claim(&self) -> BuildPlan {
        self.part.map_or_else(|| self.plan.clone(), |part| FilesPart::claim(part, &self.plan))
    }

    /// The file that, written last, says that all of this build is there.
    #[must_use]
    pub fn last_file(&self) -> &str {
        if self.part.is_some() { PART_FILE } else { self.done_file }
    }

    /// Writes the file of each item i with the bytes `make(i)`, leaving out those that an earlier run wrote. `provenance` of the
    /// files written and the items failed is recorded.
    ///
    /// # Errors
    /// [`BuildError`], where it cannot be begun or finished; what breaks it off between is in the outcome.
    pub fn run<H: Host>(
        self,
        host: &H,
        to: Destination<'_>,
        provenance: impl FnOnce(u64, u64) -> Value,
        make: impl Fn(usize) -> Result<Vec<u8>, FailedItem> + Sync,
    ) -> Result<Outcome<FilesSummary>, BuildError> {
        let name = to.name;
        self.reopen(&to)?;
        let workspace = match Workspace::open(to, &self.claim(), self.last_file())? {
            WorkspaceState::Begun(workspace) => workspace,
            WorkspaceState::Done(done) => {
                let found = self.finished(done.folder(), &self.plan)?;
                let summary = done.accept(found)?;
                host.note(format!("{} is complete already, nothing was done", name.display()));
                return Ok(Outcome::Complete(summary));
            }
        };
        let whole = self.whole.map_or(&[][..], |whole| whole.names);
        let of_items = self.covered().map(|i| self.names.get(i));
        workspace.will_write(of_items.chain(whole.iter().copied()))?;
        let inner = self.names.as_slice().first().and_then(|first| Path::new(first).parent());
        if let Some(inner) = inner {
            let inner = workspace.path().join(inner);
            fs::create_dir_all(&inner).map_err(BuildError::io("create", inner))?;
        }
        let covered = self.covered();
        let mut tried = Tried::default();
        if let Err(stop) = self.write(host, &workspace, &mut tried, make) {
            let kept = format!(
                "{} of {} {} are written; run the same command again to go on",
                tried.written,
                covered.len(),
                self.unit
            );
            return Ok(stop.outcome(kept, None));
        }
        if tried.written == 0 && !covered.is_empty() && self.part.is_none() {
            if let Some(inner) = inner {
                // One with other things in it stays.
                let _ = fs::remove_dir(workspace.path().join(inner));
            }
            workspace.give_up()?;
            return Ok(Outcome::Nothing { items: covered.len(), unit: self.unit });
        }
        if let Some(whole) = self.whole {
            (whole.write)(workspace.path()).map_err(BuildError::io("write to", workspace.path()))?;
        }
        write_failed_items(workspace.path(), tried.failed.values())?;
        let counts = (tried.written as u64, tried.failed.len() as u64);
        let json = self.done(tried, whole, provenance(counts.0, counts.1));
        workspace.complete(&json)?;
        Ok(Outcome::Complete(FilesSummary { files: counts.0, failed: counts.1, json }))
    }

    /// The items of the part, or all.
    fn covered(&self) -> Range<usize> {
        self.part.map_or(0..self.plan.items, |part| part.range(self.plan.items))
    }

    /// Makes a finished output in which items failed unfinished, where they are to be tried again.
    fn reopen(&self, to: &Destination<'_>) -> Result<(), BuildError> {
        let Some(source_before) = self.again.failed else { return Ok(()) };
        let source_blake3 = source_before(&failed_items(to.name));
        let before = BuildPlan { source_blake3, ..self.plan.clone() };
        let had_failures = |summary: FilesSummary| summary.failed > 0;
        if self.finished(to.folder(), &before)?.is_some_and(had_failures) {
            reopen_files(to.folder(), &self.claim(), self.last_file())?;
        }
        Ok(())
    }

    /// The summary of what is finished in `folder`, if it is of `plan`.
    fn finished(&self, folder: &Path, plan: &BuildPlan) -> Result<Option<FilesSummary>, BuildError> {
        let path = folder.join(self.last_file());
        if !path.is_file() {
            return Ok(None);
        }
        if let Some(part) = self.part {
            let found = FilesPart::read(folder)?;
            let (files, failed) = found.counts();
            return Ok(found.is(part, plan).then(|| FilesSummary { files, failed, json: json!(found) }));
        }
        let json = read_json(&path)?;
        let number = |name: &str| json[name].as_u64().unwrap_or(0);
        let (files, failed) = (number("files"), number("failed"));
        Ok(is_of(&json, plan).then_some(FilesSummary { files, failed, json }))
    }

    /// Makes and writes what is missing.
    fn write<H: Host>(
        &self,
        host: &H,
        workspace: &Workspace<'_>,
        tried: &mut Tried,
        make: impl Fn(usize) -> Result<Vec<u8>, FailedItem> + Sync,
    ) -> Result<(), Stop> {
        let covered = self.covered();
        let items = covered.len();
        let progress = host.progress(self.label, self.unit, items);
        let todo: Vec<usize> = covered.filter(|&i| !self.is_there(workspace, i)).collect();
        tried.written = items - todo.len();
        if tried.written > 0 {
            host.note(format!("going on after {} of {items} {}", tried.written, self.unit));
            progress.resume_at(tried.written as u64);
        }
        let made = |i: usize| {
            let written = |bytes: Vec<u8>| {
                let path = workspace.join(self.names.get(i));
                write_atomically(&path, |file| file.write_all(&bytes))
                    .map_err(BuildError::io("write", path))?;
                workspace.send(self.names.get(i))
            };
            counted(host, &progress, || make(i).map(written))
        };
        in_order(host.threads(), &todo, made, |i, made| match made {
            None => Err(Stop::Ending),
            Some(Ok(written)) => {
                written?;
                tried.written += 1;
                Ok(())
            }
            Some(Err(item)) => {
                host.failure(&progress, tried.failed.len() + 1, &item);
                tried.failed.insert(i, item);
                if self.stop_at_failure { Err(Stop::Failure) } else { Ok(()) }
            }
        })?;
        progress.finish();
        Ok(())
    }

    /// Whether an earlier run wrote the file of item `i`, and its source was not written to since.
    fn is_there(&self, workspace: &Workspace<'_>, i: usize) -> bool {
        let found =
            workspace.is_resumed().then(|| fs::metadata(workspace.join(self.names.get(i))).ok()).flatten();
        let Some(found) = found.filter(fs::Metadata::is_file) else { return false };
        let source = self.again.modified.and_then(|modified| modified(i));
        source.zip(found.modified().ok()).is_none_or(|(source, written)| source <= written)
    }

    /// The content of the last file.
    fn done(&self, tried: Tried, of_the_whole: &[&str], provenance: Value) -> Value {
        let (covered, mut failed) = (self.covered(), tried.failed);
        if let Some(part) = self.part {
            let item = |i: usize| match failed.remove(&i) {
                Some(failed) => FilesPartItem::Failed(failed),
                None => FilesPartItem::Written(self.names.get(i).to_owned()),
            };
            let items = covered.map(item).collect();
            return json!(FilesPart::new(part, self.plan.clone(), self.done_file, items, provenance));
        }
        let counts = (tried.written as u64, failed.len() as u64);
        let made = covered.filter(|i| !failed.contains_key(i)).map(|i| self.names.get(i));
        done_json(counts, &self.plan, made.chain(of_the_whole.iter().copied()), &provenance)
    }
}
