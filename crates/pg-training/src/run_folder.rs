//! The folder of a run: names of its files, what it records before work starts, its lock.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use pg_schedule::TrainingSettings;
use pg_shard::write_atomically;
use serde::{Deserialize, Serialize};

use crate::{Snapshot, TrainingError};

/// What a run was started on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The dataset folder, absolute.
    pub dataset: PathBuf,
    /// The dataset's fingerprint when the run began.
    pub dataset_fingerprint: String,
    /// Full resolution in force, in pixels.
    pub resolution: u32,
    /// Tool, version, command line.
    pub provenance: serde_json::Value,
}

/// A run folder, locked against a second process while this value lives.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    _lock: File,
}

impl RunFolder {
    /// Opens `path`, creating it where needed, and locks it.
    ///
    /// # Errors
    /// [`TrainingError::InUse`] when another process holds the lock; I/O errors.
    pub fn open(path: &Path) -> Result<Self, TrainingError> {
        let snapshots = path.join("snapshots");
        fs::create_dir_all(&snapshots).map_err(TrainingError::io("create", &snapshots))?;
        let lock_path = path.join(".lock");
        let lock = File::create(&lock_path).map_err(TrainingError::io("create", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => Err(TrainingError::InUse { path: path.to_owned() }),
            Err(fs::TryLockError::Error(source)) => Err(TrainingError::io("lock", &lock_path)(source)),
        }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `settings.toml`: all settings in force.
    #[must_use]
    pub fn settings_path(&self) -> PathBuf {
        self.path.join("settings.toml")
    }

    /// `log.jsonl`: one line per tick.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.path.join("log.jsonl")
    }

    pub(crate) fn snapshots(&self) -> PathBuf {
        self.path.join("snapshots")
    }

    pub(crate) fn snapshot_folder(&self, images_shown: u64) -> PathBuf {
        self.snapshots().join(format!("{:06}", images_shown / 1000))
    }

    /// Settings and record of the run that is in the folder; `None` when there is none yet.
    ///
    /// # Errors
    /// Files that cannot be read or do not hold what they should.
    pub fn recorded(path: &Path) -> Result<Option<(TrainingSettings, RunRecord)>, TrainingError> {
        let record_path = path.join("run.json");
        let text = match fs::read(&record_path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(TrainingError::io("read", &record_path)(e)),
        };
        let record = serde_json::from_slice(&text).map_err(|e| TrainingError::Malformed {
            path: record_path,
            expected: "the record of a run",
            found: e.to_string(),
        })?;
        let settings_path = path.join("settings.toml");
        let text = fs::read_to_string(&settings_path).map_err(TrainingError::io("read", &settings_path))?;
        let name = settings_path.display().to_string();
        let settings = pg_schedule::Preset::PaperCelebahq.settings().with_toml(&name, &text)?;
        Ok(Some((settings, record)))
    }

    /// Writes settings and record, before any work.
    ///
    /// # Errors
    /// I/O errors.
    pub fn record(&self, settings: &TrainingSettings, record: &RunRecord) -> Result<(), TrainingError> {
        let path = self.settings_path();
        write_atomically(&path, |file| file.write_all(settings.to_toml().as_bytes()))
            .map_err(TrainingError::io("write", &path))?;
        // The record comes last: with it, the folder is a run.
        let path = self.path.join("run.json");
        write_atomically(&path, |file| {
            serde_json::to_writer_pretty(&mut *file, record)?;
            file.write_all(b"\n")
        })
        .map_err(TrainingError::io("write", &path))
    }

    /// The newest snapshot of the run in `path`.
    ///
    /// # Errors
    /// Snapshots that cannot be read.
    pub fn newest_snapshot(path: &Path) -> Result<Option<Snapshot>, TrainingError> {
        Ok(all_snapshots(path)?.into_iter().max_by_key(|s| s.state().images_shown))
    }

    /// Removes snapshots that newer ones have made superfluous: all but the kept ones and `newest`.
    pub(crate) fn prune(&self, newest: &Snapshot) -> Result<(), TrainingError> {
        for snapshot in all_snapshots(&self.path)? {
            if !snapshot.state().kept && snapshot.folder() != newest.folder() {
                let folder = snapshot.folder();
                fs::remove_dir_all(folder).map_err(TrainingError::io("remove", folder))?;
            }
        }
        Ok(())
    }

    /// Appends a line to the log.
    pub(crate) fn log(&self, line: &impl Serialize) -> Result<(), TrainingError> {
        let path = self.log_path();
        let write = || {
            let mut text = serde_json::to_vec(line)?;
            text.push(b'\n');
            fs::OpenOptions::new().create(true).append(true).open(&path)?.write_all(&text)
        };
        write().map_err(TrainingError::io("write", &path))
    }

    /// Drops log lines of work that was lost: those past `images_shown`, and a torn last one.
    pub(crate) fn rewind_log(&self, images_shown: u64) -> Result<(), TrainingError> {
        #[derive(Deserialize)]
        struct Position {
            images_shown: u64,
        }
        let path = self.log_path();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(TrainingError::io("read", &path)(e)),
        };
        let keep = |line: &&str| {
            serde_json::from_str::<Position>(line).is_ok_and(|p| p.images_shown <= images_shown)
        };
        let kept: Vec<&str> = text.lines().filter(keep).collect();
        write_atomically(&path, |file| kept.iter().try_for_each(|line| writeln!(file, "{line}")))
            .map_err(TrainingError::io("write", &path))
    }
}

fn all_snapshots(path: &Path) -> Result<Vec<Snapshot>, TrainingError> {
    let folder = path.join("snapshots");
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(TrainingError::io("list", &folder)(e)),
    };
    let mut snapshots = Vec::new();
    for entry in entries {
        let path = entry.map_err(TrainingError::io("list", &folder))?.path();
        // A kill between the two renames of a replacement leaves the older one under this name.
        if path.extension().is_some_and(|e| e == "replaced") && !path.with_extension("").exists() {
            let name = path.with_extension("");
            fs::rename(&path, &name).map_err(TrainingError::io("rename", &path))?;
            snapshots.push(Snapshot::open(&name)?);
        } else if path.extension().is_none() && path.is_dir() {
            snapshots.push(Snapshot::open(&path)?);
        }
    }
    Ok(snapshots)
}
