//! An output that is built in the scratch folder and goes to object storage piece by piece.
//!
//! The local code that claims, resumes and completes output folders works on the copy in the scratch folder.
//! It begins as a mirror of what is at the URL: plan and records are copied, all else is told by files of the
//! same length that hold nothing. What was sent is replaced by such a file too, so that the disk holds only
//! what is under way.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use pg_shard::format::{
    BUILD_FILE, BUILD_FOLDER, FAILED_FILE, LOCK_FILE, MAX_MANIFEST_BYTES, SEAL_FILE, index_path, record_path,
};
use pg_shard::{ShardError, ShardRecord};

use crate::bucket::Object;
use crate::cloud::{Cloud, held};
use crate::errors::scratch_error;
use crate::remote::{Remote, for_each};
use crate::{CloudError, Location};

/// Written at the end of a run, and not always alike: failures may be others, a seal is that of a manifest.
const REWRITTEN: [&str; 2] = [FAILED_FILE, SEAL_FILE];

/// An output in the hands of this process; shared between threads by reference.
#[derive(Debug)]
pub struct RemoteOutput {
    remote: Remote,
    folder: PathBuf,
    /// Names that are at the URL, and need not be sent again.
    there: Mutex<BTreeSet<String>>,
}

impl Cloud {
    /// Begins or goes on with the output at `location`, whose file `done_file`, written last, says that all of
    /// it is there.
    ///
    /// # Errors
    /// [`CloudError`], whatever keeps it from being listed.
    pub fn output(&self, location: &Location, done_file: &str) -> Result<RemoteOutput, CloudError> {
        let remote = self.remote(location)?;
        let folder = self.scratch_path(location)?;
        fs::create_dir_all(&folder).map_err(scratch_error("create", &folder))?;
        let objects = remote.list()?;
        let is_there = |name: &str| objects.iter().any(|object| object.name == name);
        let (done, begun) = (is_there(done_file), is_there(BUILD_FILE));
        let is_copied = |object: &&Object| {
            let name = object.name.as_str();
            if done { name == done_file } else { name == BUILD_FILE || is_of_build(name) }
        };
        let copied: Vec<&Object> = objects.iter().filter(is_copied).collect();
        for_each(&copied, |object| {
            remote.check_name(&object.name)?;
            let bytes = remote.read(&object.name, MAX_MANIFEST_BYTES)?;
            let path = folder.join(&object.name);
            create_parent(&path)?;
            fs::write(&path, bytes).map_err(scratch_error("write", &path))
        })?;
        // In another's folder one stranger is enough to be refused for.
        let told = if done {
            0
        } else if begun {
            objects.len()
        } else {
            1
        };
        let is_rewritten = |object: &Object| begun && REWRITTEN.contains(&object.name.as_str());
        let is_told = |object: &&Object| !is_copied(object) && !is_rewritten(object);
        for object in objects.iter().filter(is_told).take(told) {
            remote.check_name(&object.name)?;
            let path = folder.join(&object.name);
            create_parent(&path)?;
            put_hole(&path, object.bytes)?;
        }
        let there = objects.into_iter().map(|object| object.name).collect();
        Ok(RemoteOutput { remote, folder, there: Mutex::new(there) })
    }
}

impl RemoteOutput {
    /// The copy to build in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the claim known: sends the plan, unless an earlier run did, and removes what the end of a run
    /// writes anew. Call it once the folder is claimed.
    ///
    /// # Errors
    /// [`CloudError`], whatever keeps it from being written.
    pub fn begin(&self) -> Result<(), CloudError> {
        for name in REWRITTEN {
            if held(&self.there).remove(name) {
                self.remote.delete(name)?;
            }
        }
        if held(&self.there).contains(BUILD_FILE) {
            return Ok(());
        }
        self.send_and_keep(BUILD_FILE)
    }

    /// Sends the file `name` of the folder, and lets go of its bytes.
    ///
    /// # Errors
    /// [`CloudError`], whatever keeps it from being written.
    pub fn send(&self, name: &str) -> Result<(), CloudError> {
        let path = self.folder.join(name);
        let bytes = fs::metadata(&path).map_err(scratch_error("read", &path))?.len();
        self.send_and_keep(name)?;
        put_hole(&path, bytes)
    }

    /// Sends the file `name`, which is needed here too.
    ///
    /// # Errors
    /// [`CloudError`], whatever keeps it from being written.
    pub fn send_and_keep(&self, name: &str) -> Result<(), CloudError> {
        self.remote.put_file(name, &self.folder.join(name))?;
        held(&self.there).insert(name.to_owned());
        Ok(())
    }

    /// Sends a finished shard: levels and labels, then its record, then its index, whose presence says that
    /// the shard is finished.
    ///
    /// # Errors
    /// [`CloudError::Shard`] when there is no such shard; [`CloudError`], whatever keeps it from being
    /// written.
    pub fn send_shard(&self, shard: usize) -> Result<(), CloudError> {
        let (record, index) = (record_path(shard), index_path(shard));
        let path = self.folder.join(&record);
        let text = fs::read(&path).map_err(scratch_error("read", &path))?;
        let files: ShardRecord = serde_json::from_slice(&text)
            .map_err(|e| ShardError::Malformed { path: path.clone(), detail: e.to_string() })?;
        for file in files.files.iter().filter(|file| file.path != index) {
            self.send(&file.path)?;
        }
        self.send_and_keep(&record)?;
        self.send_and_keep(&index)
    }

    /// Sends what is in the folder and was not sent, `done_file` last, then removes what only unfinished work
    /// needs.
    ///
    /// # Errors
    /// [`CloudError`], whatever keeps it from being written.
    pub fn complete(&self, done_file: &str) -> Result<(), CloudError> {
        let mut names = Vec::new();
        names_below(&self.folder, "", &mut names)?;
        names.retain(|name| {
            let helps = name == BUILD_FILE || name == LOCK_FILE || is_of_build(name);
            !helps && name != done_file && !held(&self.there).contains(name)
        });
        for_each(&names, |name| self.send(name))?;
        self.send_and_keep(done_file)?;
        self.clean_up()
    }

    /// Removes what only unfinished work needs from the URL, also what an earlier run left.
    ///
    /// # Errors
    /// [`CloudError`], whatever keeps it from being removed.
    pub fn clean_up(&self) -> Result<(), CloudError> {
        let names: Vec<String> = held(&self.there).iter().filter(|name| is_of_build(name)).cloned().collect();
        for_each(&names, |name| self.remote.delete(name))?;
        // The plan last: a build without it would be a stranger's folder.
        let plan = held(&self.there).contains(BUILD_FILE);
        if plan { self.remote.delete(BUILD_FILE) } else { Ok(()) }
    }
}

fn is_of_build(name: &str) -> bool {
    name.split_once('/').is_some_and(|(folder, _)| folder == BUILD_FOLDER)
}

fn create_parent(path: &Path) -> Result<(), CloudError> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(scratch_error("create", parent))
}

/// A file of this length without content. A new one: the old one may be another name of a file that is not
/// ours to empty.
fn put_hole(path: &Path, bytes: u64) -> Result<(), CloudError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(scratch_error("remove", path)(error));
        }
        _ => {}
    }
    File::create(path).and_then(|file| file.set_len(bytes)).map_err(scratch_error("write", path))
}

/// The files below `folder`, by their names with `/`.
pub(crate) fn names_below(folder: &Path, prefix: &str, names: &mut Vec<String>) -> Result<(), CloudError> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(scratch_error("list", folder))? {
        entries.push(entry.map_err(scratch_error("list", folder))?);
    }
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            names_below(&entry.path(), &format!("{name}/"), names)?;
        } else {
            names.push(name);
        }
    }
    Ok(())
}
