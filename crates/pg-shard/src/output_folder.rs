//! An output folder that one command owns until it is done: lock, plan, resume.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use pg_image::files::is_in_the_making;

use crate::files_on_disk::write_json;
use crate::format::{BUILD_FILE, BUILD_FOLDER, LOCK_FILE, MANIFEST_FILE, NAMES_FILE, PART_FILE};
use crate::output_removal::finished_by;
use crate::part::is_part;
use crate::{Manifest, ShardError};

/// Everything that decides the bytes of an output, but not where it is written or by how many threads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BuildPlan {
    /// Tool version and settings that decide the pixels, by name.
    pub settings: Map<String, Value>,
    /// BLAKE3 of the source list (paths, lengths, landmarks…), hexadecimal.
    pub source_blake3: String,
    /// Items of the source list; some may fail.
    pub items: usize,
    /// Items that one shard covers.
    pub items_per_shard: usize,
    /// Values per pixel: 1 or 3.
    pub channels: usize,
    /// The finest level in pixels.
    pub resolution: u32,
}

impl BuildPlan {
    /// Identifies the plan: hexadecimal BLAKE3 of its JSON.
    #[must_use]
    pub fn blake3(&self) -> String {
        // Struct fields and settings keep their order, so equal plans give equal text.
        blake3::hash(serde_json::to_string(self).unwrap_or_default().as_bytes()).to_hex().to_string()
    }

    /// Number of shards, the last one possibly not full.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.items.div_ceil(self.items_per_shard.max(1))
    }

    /// Names of the parts in which two plans differ.
    #[must_use]
    pub fn difference(&self, other: &Self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for key in self.settings.keys().chain(other.settings.keys()) {
            if self.settings.get(key) != other.settings.get(key) && !names.contains(&key.as_str()) {
                names.push(key);
            }
        }
        let same_source = self.source_blake3 == other.source_blake3 && self.items == other.items;
        for (name, same) in [
            ("images per shard", self.items_per_shard == other.items_per_shard),
            ("channels", self.channels == other.channels),
            ("resolution", self.resolution == other.resolution),
            ("the list of source files", same_source),
        ] {
            if !same {
                names.push(name);
            }
        }
        names.join(", ")
    }
}

/// What [`OutputFolder::claim`] found.
#[derive(Debug)]
pub enum Claimed {
    /// Work to do: new, or to go on with.
    Begun(OutputFolder),
    /// The file that ends the work is there. Whether the same plan made it is for the caller to see.
    Done,
}

/// An output folder in the hands of this process, until dropped.
#[derive(Debug)]
pub struct OutputFolder {
    folder: PathBuf,
    resumed: bool,
    made: bool,
    _lock: File,
}

fn failure(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ShardError {
    move |source| ShardError::Io { action, path: path.to_owned(), source }
}

impl OutputFolder {
    /// Takes `folder` (made when missing) for `plan`. `done_file` is the name of the file that, written
    /// last, says that everything is there.
    ///
    /// A new output gets [`BUILD_FILE`] with the plan; one begun with the same plan is gone on with. Nothing that this
    /// tool did not write is ever changed.
    ///
    /// # Errors
    /// [`ShardError::NotEmpty`] for a folder with other things in it, [`ShardError::Foreign`] for one with another
    /// tool's file in the place of one of ours, [`ShardError::OtherBuild`] for one
    /// begun with another plan, [`ShardError::Locked`] while another process works on it,
    /// [`ShardError::Io`].
    pub fn claim(folder: &Path, plan: &BuildPlan, done_file: &str) -> Result<Claimed, ShardError> {
        if fs::metadata(folder).is_ok_and(|found| !found.is_dir()) {
            return Err(ShardError::NotAFolder { path: folder.to_owned() });
        }
        let made = !folder.exists();
        fs::create_dir_all(folder).map_err(failure("create", folder))?;
        let (done, build) = (folder.join(done_file), folder.join(BUILD_FILE));
        // Whose folder it is comes first: until then nothing is touched.
        let is_done = done.is_file();
        if is_done && !is_own_done_file(folder, done_file)? {
            return Err(ShardError::Foreign { path: done });
        }
        let begun = begun_plan(&build)?;
        if !is_done && begun.is_none() {
            check_empty(folder)?;
        }
        let lock = lock(folder)?;
        if is_done {
            clean_up(folder)?;
            return Ok(Claimed::Done);
        }
        let resumed = begun.is_some();
        if let Some(begun) = begun.filter(|begun| begun != plan) {
            let difference = begun.difference(plan);
            return Err(ShardError::OtherBuild { path: folder.to_owned(), difference });
        }
        if !resumed {
            write_json(&build, plan)?;
        }
        Ok(Claimed::Begun(Self { folder: folder.to_owned(), resumed, made, _lock: lock }))
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// True when an earlier run with the same plan began this output.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// Notes in the folder the names of the files that will be written there, with `/`: should the work be stopped,
    /// [`remove_output`](crate::remove_output) knows them for this tool's. A dataset's files have names of their own.
    ///
    /// # Errors
    /// [`ShardError::Io`].
    pub fn will_write<'a>(&self, names: impl Iterator<Item = &'a str>) -> Result<(), ShardError> {
        let build = self.folder.join(BUILD_FOLDER);
        fs::create_dir_all(&build).map_err(failure("create", &build))?;
        write_json(&self.folder.join(NAMES_FILE), &names.collect::<Vec<_>>())
    }

    /// Gives the work up: removes what only unfinished work needs, then of the folders `inner` those that are empty, and the
    /// output if it is empty and this process made it.
    ///
    /// # Errors
    /// [`ShardError::Io`].
    pub fn give_up(self, inner: &[PathBuf]) -> Result<(), ShardError> {
        clean_up(&self.folder)?;
        for path in inner.iter().chain(self.made.then_some(&self.folder)) {
            // One with other things in it stays.
            let _ = fs::remove_dir(path);
        }
        Ok(())
    }

    /// Removes what only unfinished work needs. Call it after the file that ends the work is written: a
    /// crash in between is then no harm.
    ///
    /// # Errors
    /// [`ShardError::Io`].
    pub fn release(self) -> Result<(), ShardError> {
        clean_up(&self.folder)
    }
}

/// Whether the file that says that `folder` is done was written by this tool.
fn is_own_done_file(folder: &Path, done_file: &str) -> Result<bool, ShardError> {
    if done_file == MANIFEST_FILE {
        return Ok(Manifest::is_in(folder));
    }
    if done_file == PART_FILE {
        return Ok(is_part(folder));
    }
    let path = folder.join(done_file);
    let text = fs::read(&path).map_err(failure("read", &path))?;
    let json: Option<Value> = serde_json::from_slice(&text).ok();
    Ok(json.is_some_and(|json| json.get("plan_blake3").is_some_and(Value::is_string)))
}

/// The plan of the build that was begun, if there is one.
pub(crate) fn begun_plan(build: &Path) -> Result<Option<BuildPlan>, ShardError> {
    if !build.is_file() {
        return Ok(None);
    }
    let text = fs::read(build).map_err(failure("read", build))?;
    serde_json::from_slice(&text).map(Some).map_err(|_| ShardError::Foreign { path: build.to_owned() })
}

fn check_empty(folder: &Path) -> Result<(), ShardError> {
    for entry in fs::read_dir(folder).map_err(failure("list", folder))? {
        let name = entry.map_err(failure("list", folder))?.file_name();
        // Left by a run that was stopped before it began.
        if name != LOCK_FILE && !is_in_the_making(&name.to_string_lossy()) {
            let path = folder.to_owned();
            return Err(match finished_by(folder) {
                Some(done_file) => ShardError::OtherOutput { path, done_file },
                None => ShardError::NotEmpty { path },
            });
        }
    }
    Ok(())
}

/// Takes the lock of `folder`.
pub(crate) fn lock(folder: &Path) -> Result<File, ShardError> {
    let path = folder.join(LOCK_FILE);
    let options = File::options().write(true).create(true).truncate(false).to_owned();
    let file = options.open(&path).map_err(failure("write", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ShardError::Locked { path: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failure("lock", &path)(source)),
    }
}

/// The result of a removal, of `path`: what is not there needs none.
pub(crate) fn gone(result: io::Result<()>, path: &Path) -> Result<(), ShardError> {
    match result {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failure("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Removes what only unfinished work needs, by names that no other tool has.
pub(crate) fn clean_up(folder: &Path) -> Result<(), ShardError> {
    let build = folder.join(BUILD_FOLDER);
    gone(fs::remove_dir_all(&build), &build)?;
    // Of a process that was killed: this one holds the lock.
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(&inner).map_err(failure("list", &inner))?.flatten() {
            let (path, kind) = (entry.path(), entry.file_type());
            if kind.as_ref().is_ok_and(fs::FileType::is_dir) {
                folders.push(path);
            } else if is_in_the_making(&entry.file_name().to_string_lossy()) {
                gone(fs::remove_file(&path), &path)?;
            }
        }
    }
    for name in [BUILD_FILE, LOCK_FILE] {
        let path = folder.join(name);
        gone(fs::remove_file(&path), &path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(size: u32) -> BuildPlan {
        let mut settings = Map::new();
        settings.insert("filter".to_owned(), "box".into());
        BuildPlan {
            settings,
            source_blake3: "00".to_owned(),
            items: 3,
            items_per_shard: 2,
            channels: 3,
            resolution: size,
        }
    }

    #[test]
    fn another_plan_is_refused_with_what_differs() {
        let folder = tempfile::tempdir().unwrap();
        drop(OutputFolder::claim(folder.path(), &plan(8), "done.json").unwrap());
        let error = OutputFolder::claim(folder.path(), &plan(16), "done.json").unwrap_err();
        assert!(error.to_string().contains("begun by another command (resolution differs)"), "{error}");
        let Claimed::Begun(again) = OutputFolder::claim(folder.path(), &plan(8), "done.json").unwrap() else {
            panic!("nothing is done yet");
        };
        assert!(again.is_resumed());
    }

    #[test]
    fn a_second_process_is_refused_while_the_first_works() {
        let folder = tempfile::tempdir().unwrap();
        let _first = OutputFolder::claim(folder.path(), &plan(8), "done.json").unwrap();
        let error = OutputFolder::claim(folder.path(), &plan(8), "done.json").unwrap_err();
        assert!(matches!(error, ShardError::Locked { .. }), "{error}");
    }

    #[test]
    fn a_folder_with_other_things_is_refused_and_stays_as_it_is() {
        for (name, text) in [
            ("thesis.tex", ""),
            ("done.json", "{\"images\": 3}"),
            ("dataset.json", "{\"labels\": null}"),
            ("dataset.json", "\u{feff}[1, 2,]"),
            ("part.json", "{}"),
            (BUILD_FILE, "{}"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("build")).unwrap();
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            for done_file in ["done.json", MANIFEST_FILE, PART_FILE] {
                let error = OutputFolder::claim(folder.path(), &plan(8), done_file).unwrap_err();
                assert!(
                    matches!(error, ShardError::NotEmpty { .. } | ShardError::Foreign { .. }),
                    "{name}: {error}"
                );
                assert_eq!(fs::read_to_string(&path).unwrap(), text);
                assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
            }
        }
    }

    #[test]
    fn a_lock_is_not_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOCK_FILE);
        fs::write(&path, "mine").unwrap();
        drop(OutputFolder::claim(folder.path(), &plan(8), "done.json").unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }
}
