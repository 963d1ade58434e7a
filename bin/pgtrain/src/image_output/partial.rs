//! Files and folders that get their name when they are complete, and are gone when they never are.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use pg_image::files::put_in_place;

fn partial_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

/// A file in the making.
#[derive(Debug)]
pub(crate) struct PartialFile {
    path: PathBuf,
    temporary: PathBuf,
}

impl PartialFile {
    pub(crate) fn create(path: &Path) -> io::Result<(Self, BufWriter<File>)> {
        let temporary = partial_name(path);
        let file = File::create(&temporary)?;
        Ok((Self { path: path.to_owned(), temporary }, BufWriter::new(file)))
    }

    /// Gives the file its name.
    pub(crate) fn finish(self, mut written: BufWriter<File>) -> io::Result<()> {
        written.flush()?;
        put_in_place(written.get_ref(), &self.temporary, &self.path)
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        // After renaming there is nothing of this name.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// A folder in the making.
#[derive(Debug)]
pub(crate) struct PartialFolder {
    path: PathBuf,
    temporary: PathBuf,
}

impl PartialFolder {
    /// `path` must not exist yet, or be an empty folder.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let is_empty = |path: &Path| fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
        if path.exists() && !is_empty(path) {
            bail!("-o {}: is there already; expected a new or an empty folder", path.display());
        }
        let temporary = partial_name(path);
        // Left by a process that was killed.
        if temporary.exists() {
            fs::remove_dir_all(&temporary)
                .with_context(|| format!("cannot remove {}", temporary.display()))?;
        }
        fs::create_dir_all(&temporary)
            .with_context(|| format!("-o: cannot create {}", temporary.display()))?;
        Ok(Self { path: path.to_owned(), temporary })
    }

    /// Where the files go.
    pub(crate) fn in_the_making(&self) -> &Path {
        &self.temporary
    }

    /// Gives the folder its name.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        if self.path.exists() {
            fs::remove_dir(&self.path)
                .with_context(|| format!("-o: cannot replace {}", self.path.display()))?;
        }
        fs::rename(&self.temporary, &self.path)
            .with_context(|| format!("-o: cannot write {}", self.path.display()))
    }
}

impl Drop for PartialFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.temporary);
    }
}
