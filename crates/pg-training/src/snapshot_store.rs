//! The snapshots of a run: found, chosen, removed. Readers never write; only the process that holds the run's lock does.
//!
//! Beside snapshots `KKKKKK` or `KKKKKK-III`, the folder holds what a writer leaves when it is killed:
//!
//! | name | is |
//! |---|---|
//! | `KKKKKK.partial` | not whole yet |
//! | `KKKKKK.replaced` | whole; the snapshot of this name as long as there is no `KKKKKK` |
//! | `KKKKKK.removed` | on its way out |
//! | `KKKKKK.aside` | put aside by [`SnapshotStore::put_aside`], and never touched again |
//!
//! Every step between these is one rename. Whatever else lies there is somebody else's and passed over.

use std::error::Error as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::{fmt, io};

use crate::error::damage_text;
use crate::{Snapshot, TrainingError};

const PARTIAL: &str = "partial";
const REPLACED: &str = "replaced";
const REMOVED: &str = "removed";
const ASIDE: &str = "aside";

/// Something in a run's `snapshots` folder that is no whole snapshot.
#[derive(Debug)]
pub struct PassedOver {
    /// The file or folder.
    pub path: PathBuf,
    /// Why it is none; `None` where its name says so.
    pub error: Option<TrainingError>,
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(error) = &self.error else { return write!(f, "{} is no snapshot", self.path.display()) };
        if let TrainingError::Damaged { path } = error {
            // What to do about it depends on who asks.
            return f.write_str(&damage_text(path));
        }
        write!(f, "{} is no whole snapshot: {error}", self.path.display())?;
        let mut cause = error.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// The `snapshots` folder of a run, as it was when it was read.
#[derive(Debug)]
pub struct SnapshotStore {
    folder: PathBuf,
    snapshots: Vec<Snapshot>,
    passed_over: Vec<PassedOver>,
}

/// What an entry's name makes of it.
enum Kind {
    Snapshot,
    /// Of a snapshot of that name, where that is not there itself.
    Replaced(String),
    Leftover,
    Foreign,
}

impl Kind {
    fn of(name: &str) -> Self {
        let (stem, extension) = name.split_once('.').map_or((name, None), |(stem, ext)| (stem, Some(ext)));
        if !is_snapshot_name(stem) {
            return Self::Foreign;
        }
        match extension {
            None => Self::Snapshot,
            Some(REPLACED) => Self::Replaced(stem.to_owned()),
            Some(PARTIAL | REMOVED) => Self::Leftover,
            Some(extension) if extension.starts_with(ASIDE) => Self::Leftover,
            Some(_) => Self::Foreign,
        }
    }
}

/// Whether a run writes a folder `name` into its `snapshots`, be it for a moment.
pub(crate) fn is_own_name(name: &str) -> bool {
    !matches!(Kind::of(name), Kind::Foreign)
}

/// Thousands of images in six digits or more, perhaps with the images beyond them.
fn is_snapshot_name(name: &str) -> bool {
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (kimg, beyond) = name.split_once('-').unwrap_or((name, "000"));
    kimg.len() >= 6 && all_digits(kimg) && beyond.len() == 3 && all_digits(beyond)
}

impl SnapshotStore {
    /// Reads the snapshots of the run in `run`; without a `snapshots` folder there are none.
    ///
    /// # Errors
    /// A folder that cannot be listed.
    pub fn of_run(run: &Path) -> Result<Self, TrainingError> {
        let folder = run.join("snapshots");
        let mut store = Self { folder, snapshots: Vec::new(), passed_over: Vec::new() };
        let entries = match fs::read_dir(&store.folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(store),
            Err(e) => return Err(TrainingError::io("list", &store.folder)(e)),
        };
        for entry in entries {
            let entry = entry.map_err(TrainingError::io("list", &store.folder))?;
            let (path, name) = (entry.path(), entry.file_name());
            match Kind::of(&name.to_string_lossy()) {
                Kind::Snapshot => store.add(path),
                Kind::Replaced(stem) if !store.folder.join(&stem).exists() => store.add(path),
                Kind::Replaced(_) | Kind::Leftover => {}
                Kind::Foreign => store.passed_over.push(PassedOver { path, error: None }),
            }
        }
        store.snapshots.sort_by_key(|snapshot| snapshot.state().images_shown);
        store.passed_over.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(store)
    }

    fn add(&mut self, path: PathBuf) {
        match Snapshot::open(&path).and_then(Snapshot::with_all_files) {
            Ok(snapshot) => self.snapshots.push(snapshot),
            // A training run has removed it meanwhile.
            Err(_) if fs::symlink_metadata(&path).is_err() => {}
            Err(error) => self.passed_over.push(PassedOver { path, error: Some(error) }),
        }
    }

    /// All whole snapshots, by images shown.
    #[must_use]
    pub fn snapshots(&self) -> &[Snapshot] {
        &self.snapshots
    }

    /// What is no whole snapshot, by name.
    #[must_use]
    pub fn passed_over(&self) -> &[PassedOver] {
        &self.passed_over
    }

    /// The snapshot after the most images.
    #[must_use]
    pub fn newest(&self) -> Option<&Snapshot> {
        self.snapshots.last()
    }

    /// A snapshot after the newest whole one that was one once: the run has lost what lies between them.
    pub(crate) fn lost_after_newest(&self) -> Option<&PassedOver> {
        let newest = self.newest().map(Snapshot::name).unwrap_or_default();
        self.lost().filter(|(name, _)| *name > newest).map(|(_, lost)| lost).last()
    }

    /// Snapshots that are damaged or not whole any more, with their names.
    fn lost(&self) -> impl Iterator<Item = (String, &PassedOver)> {
        self.passed_over.iter().filter_map(|passed_over| {
            let name = passed_over.path.file_name()?.to_string_lossy().into_owned();
            let was_one = passed_over.error.is_some() && passed_over.path.join("state.json").exists();
            (was_one && is_snapshot_name(&name)).then_some((name, passed_over))
        })
    }

    /// The snapshot of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Snapshot> {
        self.snapshots.iter().find(|snapshot| snapshot.name() == name)
    }

    /// The newest snapshot from before `images_shown` whose files are all as they were written.
    #[must_use]
    pub fn undamaged_before(&self, images_shown: u64) -> Option<&Snapshot> {
        let before = self.snapshots.iter().rev().filter(|s| s.state().images_shown < images_shown);
        before.into_iter().find(|snapshot| snapshot.verify().is_ok())
    }

    /// Puts all snapshots after `earlier` aside, damaged ones too: a run goes on from that one. They stay on disk.
    pub(crate) fn put_aside_after(&self, earlier: &Snapshot) -> Result<Vec<PathBuf>, TrainingError> {
        let shown = earlier.state().images_shown;
        let after = self.snapshots.iter().filter(|s| s.state().images_shown > shown).map(Snapshot::folder);
        let lost =
            self.lost().filter(|(name, _)| *name > earlier.name()).map(|(_, lost)| lost.path.as_path());
        after.chain(lost).map(put_aside).collect()
    }

    /// Removes a snapshot: it is none any more from the first step on.
    pub(crate) fn remove(snapshot: &Snapshot) -> Result<(), TrainingError> {
        let folder = snapshot.folder();
        let removed = folder.with_file_name(format!("{}.{REMOVED}", snapshot.name()));
        remove_leftover(&removed)?;
        fs::rename(folder, &removed).map_err(TrainingError::io("rename", folder))?;
        remove_leftover(&removed)
    }
}

/// Ends what a killed writer of the run in `run` had begun.
pub(crate) fn tidy(run: &Path) -> Result<(), TrainingError> {
    let folder = run.join("snapshots");
    for entry in fs::read_dir(&folder).map_err(TrainingError::io("list", &folder))? {
        let path = entry.map_err(TrainingError::io("list", &folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match Kind::of(&name) {
            Kind::Replaced(stem) if !folder.join(&stem).exists() => {
                fs::rename(&path, folder.join(stem)).map_err(TrainingError::io("rename", &path))?;
            }
            Kind::Replaced(_) => remove_leftover(&path)?,
            Kind::Leftover if !name.contains(&format!(".{ASIDE}")) => remove_leftover(&path)?,
            Kind::Snapshot | Kind::Leftover | Kind::Foreign => {}
        }
    }
    Ok(())
}

/// An empty folder in which the snapshot `folder` is put together.
pub(crate) fn begin(folder: &Path) -> Result<PathBuf, TrainingError> {
    let partial = folder.with_extension(PARTIAL);
    remove_leftover(&partial)?;
    fs::create_dir_all(&partial).map_err(TrainingError::io("create", &partial))?;
    Ok(partial)
}

/// Makes `partial`, whose files are on the disk, the snapshot `folder`, in the place of one that may be there.
pub(crate) fn commit(partial: &Path, folder: &Path) -> Result<(), TrainingError> {
    let replaced = folder.with_extension(REPLACED);
    remove_leftover(&replaced)?;
    if folder.exists() {
        if Snapshot::open(folder).is_ok() {
            fs::rename(folder, &replaced).map_err(TrainingError::io("rename", folder))?;
        } else {
            put_aside(folder)?;
        }
    }
    sync(partial)?;
    fs::rename(partial, folder).map_err(TrainingError::io("rename", partial))?;
    sync(folder.parent().unwrap_or(folder))?;
    remove_leftover(&replaced)
}

/// Gives `folder` a name that no reader takes for a snapshot and no writer removes.
fn put_aside(folder: &Path) -> Result<PathBuf, TrainingError> {
    let mut aside = folder.with_extension(ASIDE);
    let mut number = 2;
    while aside.exists() {
        aside = folder.with_extension(format!("{ASIDE}-{number}"));
        number += 1;
    }
    fs::rename(folder, &aside).map_err(TrainingError::io("rename", folder))?;
    Ok(aside)
}

fn remove_leftover(path: &Path) -> Result<(), TrainingError> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(TrainingError::io("remove", path)(e)),
        _ => Ok(()),
    }
}

fn sync(folder: &Path) -> Result<(), TrainingError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(TrainingError::io("sync", folder))
}
