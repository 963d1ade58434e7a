//! An output folder in the hands of a build: new, begun or done, on a disk or with a mirror at a URL.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pg_cloud::RemoteOutput;
use pg_shard::{BuildPlan, Claimed, OutputFolder, ShardError};
use serde_json::Value;

use crate::BuildError;
use crate::records::{is_of, read_json, write_json};

/// Where an output goes.
#[derive(Debug, Clone)]
pub struct Destination<'a> {
    /// As the user names it.
    pub name: &'a Path,
    /// What sends it on, if it is at a URL.
    pub remote: Option<Arc<RemoteOutput>>,
}

impl Destination<'_> {
    /// The folder to work in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.remote.as_ref().map_or(self.name, |remote| remote.folder())
    }

    /// Makes a claimed folder known where it is sent to.
    pub(crate) fn begin(&self) -> Result<(), BuildError> {
        self.remote.as_ref().map_or(Ok(()), |remote| Ok(remote.begin()?))
    }

    /// Removes what only unfinished work needs where it is sent to.
    pub(crate) fn clean_up(&self) -> Result<(), BuildError> {
        self.remote.as_ref().map_or(Ok(()), |remote| Ok(remote.clean_up()?))
    }

    /// Sends what is finished and was not sent, `done_file` last.
    pub(crate) fn complete(&self, done_file: &str) -> Result<(), BuildError> {
        self.remote.as_ref().map_or(Ok(()), |remote| Ok(remote.complete(done_file)?))
    }
}

/// What [`Workspace::open`] found.
#[derive(Debug)]
pub enum WorkspaceState<'a> {
    /// Work to do, from the beginning or to go on with.
    Begun(Workspace<'a>),
    /// The file that ends the work is there.
    Done(Finished<'a>),
}

/// An output that this process owns until it is complete or given up.
#[derive(Debug)]
pub struct Workspace<'a> {
    folder: OutputFolder,
    to: Destination<'a>,
    done_file: &'a str,
}

impl<'a> Workspace<'a> {
    /// Takes the output for `plan`. The file `done_file`, written last, says that all of it is there.
    ///
    /// # Errors
    /// Those of [`OutputFolder::claim`]; [`BuildError::Cloud`]
    pub fn open(
        to: Destination<'a>,
        plan: &BuildPlan,
        done_file: &'a str,
    ) -> Result<WorkspaceState<'a>, BuildError> {
        match OutputFolder::claim(to.folder(), plan, done_file)? {
            Claimed::Begun(folder) => {
                to.begin()?;
                Ok(WorkspaceState::Begun(Self { folder, to, done_file }))
            }
            Claimed::Done => Ok(WorkspaceState::Done(Finished { to, done_file })),
        }
    }

    /// The folder to write into.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where `name` of the output is written.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Whether an earlier run with the same plan began it.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.folder.is_resumed()
    }

    /// Notes which files will be written, by their names with `/`: so they are known for this tool's should it be stopped.
    ///
    /// # Errors
    /// [`BuildError::Shard`]
    pub fn will_write<'n>(&self, names: impl Iterator<Item = &'n str>) -> Result<(), BuildError> {
        Ok(self.folder.will_write(names)?)
    }

    /// Sends the finished file `name`, if the output is at a URL, and lets go of its bytes.
    ///
    /// # Errors
    /// [`BuildError::Cloud`]
    pub fn send(&self, name: &str) -> Result<(), BuildError> {
        self.to.remote.as_ref().map_or(Ok(()), |remote| Ok(remote.send(name)?))
    }

    /// As [`Self::send`], of a file that is needed here too.
    ///
    /// # Errors
    /// [`BuildError::Cloud`]
    pub fn send_and_keep(&self, name: &str) -> Result<(), BuildError> {
        self.to.remote.as_ref().map_or(Ok(()), |remote| Ok(remote.send_and_keep(name)?))
    }

    /// Writes the file that says that all is there, and removes what only unfinished work needs.
    ///
    /// # Errors
    /// [`BuildError::Io`], [`BuildError::Shard`], [`BuildError::Cloud`]
    pub fn complete(self, done: &Value) -> Result<(), BuildError> {
        write_json(&self.join(self.done_file), done)?;
        self.folder.release()?;
        self.to.complete(self.done_file)
    }

    /// Ends work of which nothing came: the folder is as it was, and gone where it was not there.
    ///
    /// # Errors
    /// [`BuildError::Shard`], [`BuildError::Cloud`]
    pub fn give_up(self) -> Result<(), BuildError> {
        self.folder.give_up(&[])?;
        self.to.clean_up()
    }
}

/// An output that is there already.
#[derive(Debug)]
pub struct Finished<'a> {
    to: Destination<'a>,
    done_file: &'a str,
}

impl Finished<'_> {
    /// The folder that it is in.
    pub(crate) fn folder(&self) -> &Path {
        self.to.folder()
    }

    /// What the file says by which it is finished.
    ///
    /// # Errors
    /// [`BuildError::Io`], [`BuildError::Malformed`]
    pub fn read(&self) -> Result<Value, BuildError> {
        read_json(&self.folder().join(self.done_file))
    }

    /// What it says, if the output is that of `plan`; then what a killed run left at a URL is removed.
    ///
    /// # Errors
    /// As [`Self::accept`]; those of [`Self::read`]
    pub fn of(self, plan: &BuildPlan) -> Result<Value, BuildError> {
        let done = self.read()?;
        self.accept(is_of(&done, plan).then_some(done))
    }

    /// Takes the output for what was asked for, of which `found` is known; then what a killed run left at a URL is removed.
    ///
    /// # Errors
    /// [`ShardError::OtherOutput`] where nothing is, since it is another command's; [`BuildError::Cloud`]
    pub fn accept<T>(self, found: Option<T>) -> Result<T, BuildError> {
        let other = || ShardError::OtherOutput {
            path: self.to.name.to_owned(),
            done_file: self.done_file.to_owned(),
        };
        let found = found.ok_or_else(other)?;
        self.to.clean_up()?;
        Ok(found)
    }
}
