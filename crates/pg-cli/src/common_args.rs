//! Flags that every command of every tool takes.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use clap::Args;
use pg_image::files::{NewFile, write_atomically};

use crate::ProgressStyle;

/// `--threads`, `--quiet` and `--overwrite`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Common options")]
pub struct CommonArgs {
    /// Worker threads; results do not depend on it
    #[arg(long, value_name = "N", default_value_t = default_threads(), value_parser = parse_threads, hide_default_value = true, global = true)]
    pub threads: usize,

    /// No progress on stderr (warnings and errors still show)
    #[arg(long, short, global = true)]
    pub quiet: bool,

    /// Replace files, and finished outputs of this tool, that are there already
    #[arg(long, global = true)]
    pub overwrite: bool,
}

impl CommonArgs {
    /// Bar on a terminal, plain lines elsewhere, nothing with `--quiet`.
    #[must_use]
    pub fn progress_style(&self) -> ProgressStyle {
        ProgressStyle::detect(self.quiet)
    }

    /// Sees before any work that the file `path`, which `flag` asks for, can be written: that its folder takes new files, and
    /// that there is nothing of its name, unless it is empty or `--overwrite` is given.
    ///
    /// # Errors
    /// What is in the way.
    pub fn try_file(&self, path: &Path, flag: &str) -> anyhow::Result<()> {
        let cannot = || format!("cannot write {} ({flag})", path.display());
        let new = || NewFile::create(path).map(drop).with_context(cannot);
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                bail!("{} ({flag}) is a folder: expected the name of a file", path.display())
            }
            Ok(found) if found.is_file() && found.len() > 0 => {
                self.refuse_to_replace(path, flag).and_then(|()| new())
            }
            // A device or a pipe takes what is written, or says why not.
            Ok(found) if !found.is_file() => Ok(()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).with_context(cannot),
            _ => new(),
        }
    }

    /// The error about `path`, which `flag` asks for and which is there already, unless `--overwrite` is given.
    ///
    /// # Errors
    /// That one.
    pub fn refuse_to_replace(&self, path: &Path, flag: &str) -> anyhow::Result<()> {
        if !self.overwrite {
            bail!("{} ({flag}) exists already: choose another name, or --overwrite", path.display());
        }
        Ok(())
    }

    /// Writes `path`, one file of many, which `flag` asks for. If there is one of these bytes, an earlier run wrote it, and it
    /// stays; one of others is replaced under `--overwrite` only.
    ///
    /// # Errors
    /// Another file of this name; those of the file system.
    pub fn write_one_of_many(&self, path: &Path, flag: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let is_there = fs::metadata(path)
            .is_ok_and(|found| found.is_file() && found.len() == bytes.len() as u64)
            && fs::read(path).is_ok_and(|found| found == bytes);
        if is_there {
            return Ok(());
        }
        self.try_file(path, flag)?;
        write_atomically(path, |file| file.write_all(bytes))
            .with_context(|| format!("cannot write {} ({flag})", path.display()))
    }
}

fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn parse_threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 1..=1024) => Ok(n),
        _ => Err("expected a number from 1 to 1024".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_tried_before_any_work() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let common = |overwrite| CommonArgs { threads: 1, quiet: false, overwrite };
        let tried = |name: &str, overwrite: bool| {
            common(overwrite).try_file(&at(name), "-o").map_err(|error| format!("{error:#}"))
        };
        fs::write(at("full"), "mine").unwrap();
        fs::write(at("empty"), "").unwrap();
        for name in ["new", "empty"] {
            tried(name, false).unwrap();
        }
        tried("full", true).unwrap();
        for (name, expected) in [
            ("full", "full (-o) exists already: choose another name, or --overwrite"),
            ("none/new", "none/new (-o): No such file or directory (os error 2)"),
            ("full/new", "full/new (-o): Not a directory (os error 20)"),
            (".", ". (-o) is a folder: expected the name of a file"),
        ] {
            let error = tried(name, false).unwrap_err();
            assert!(error.ends_with(expected), "{error}");
        }
        for (name, bytes) in [("full", "mine"), ("empty", "more"), ("empty", "more")] {
            common(false).write_one_of_many(&at(name), "-o", bytes.as_bytes()).unwrap();
        }
        common(false).write_one_of_many(&at("full"), "-o", b"MINE").unwrap_err();
        common(true).write_one_of_many(&at("empty"), "-o", b"most").unwrap();
        assert_eq!(fs::read_to_string(at("empty")).unwrap(), "most");
        assert_eq!(fs::read_to_string(at("full")).unwrap(), "mine");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("full", at("link")).unwrap();
            tried("link", false).unwrap_err();
            std::os::unix::fs::symlink("/dev/null", at("null")).unwrap();
            tried("null", false).unwrap();
        }
    }
}
