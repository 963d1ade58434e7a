//! The folder of a run: names of its files, what it records before work starts, its lock.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use pg_image::files::empty_at_once;
use pg_schedule::TrainingSettings;
use pg_shard::{is_in_the_making, write_atomically};
use serde::{Deserialize, Serialize};

use crate::evaluation::{BestSnapshot, EvaluationLine};
use crate::{Snapshot, SnapshotStore, TrainingError, snapshot, snapshot_store};

/// Keeps a second process out; and there before all else, so that what lies beside it is a run's.
const LOCK_FILE: &str = ".lock";
/// Names the best snapshot.
const BEST_FILE: &str = "best.json";

/// What a run was started on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "the record of a run")]
pub struct RunRecord {
    /// The dataset folder, absolute.
    pub dataset: PathBuf,
    /// The dataset's fingerprint when the run began.
    pub dataset_fingerprint: String,
    /// Full resolution in force, in pixels.
    pub resolution: u32,
    /// Threads of each process on the CPU; `None` in runs of versions that did not record them.
    #[serde(default)]
    pub threads: Option<usize>,
    /// Tool, version, command line.
    pub provenance: serde_json::Value,
}

/// A run folder, locked against a second process while this value lives.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// Rank 0 holds it for all ranks of a run.
    _lock: Option<File>,
}

impl RunFolder {
    /// Opens `path`, creating it where needed, and locks it. A folder of anything else is left alone.
    ///
    /// # Errors
    /// [`TrainingError::Foreign`] when there is something else in `path`; [`TrainingError::InUse`] when another process
    /// holds the lock; I/O errors.
    pub fn open(path: &Path) -> Result<Self, TrainingError> {
        let lock_path = path.join(LOCK_FILE);
        if Self::recorded(path)?.is_none() {
            check_nothing_foreign(path, lock_path.is_file())?;
        }
        fs::create_dir_all(path).map_err(TrainingError::io("create", path))?;
        let lock = File::options().write(true).create(true).truncate(false).open(&lock_path);
        let lock = lock.map_err(TrainingError::io("create", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(TrainingError::InUse { path: path.to_owned() });
            }
            Err(fs::TryLockError::Error(source)) => {
                return Err(TrainingError::io("lock", &lock_path)(source));
            }
        }
        let snapshots = path.join("snapshots");
        fs::create_dir_all(&snapshots).map_err(TrainingError::io("create", &snapshots))?;
        snapshot_store::tidy(path)?;
        Ok(Self { path: path.to_owned(), _lock: Some(lock) })
    }

    /// Removes the run in `path` with all its snapshots, if there is one and nothing else in its folder.
    ///
    /// # Errors
    /// [`TrainingError::Foreign`] names something that no run writes, and nothing is removed;
    /// [`TrainingError::InUse`] while a process trains it; I/O errors.
    pub fn remove(path: &Path) -> Result<(), TrainingError> {
        if Self::recorded(path)?.is_none() {
            return Ok(());
        }
        let names = |folder: &Path| -> Result<Vec<String>, TrainingError> {
            let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
            let entries = entries.map_err(TrainingError::io("list", folder))?;
            Ok(entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
        };
        let foreign = |name: String| TrainingError::Foreign { path: path.to_owned(), name };
        if let Some(name) = names(path)?.into_iter().find(|name| !is_of_a_run(name)) {
            return Err(foreign(name));
        }
        let store = path.join("snapshots");
        for snapshot in if store.is_dir() { names(&store)? } else { Vec::new() } {
            let folder = store.join(&snapshot);
            let is_own = snapshot_store::is_own_name(&snapshot) && folder.is_dir() && !folder.is_symlink();
            let inside = if is_own { names(&folder)? } else { Vec::new() };
            if let Some(name) = inside.iter().find(|name| !snapshot::is_own_file(name)) {
                return Err(foreign(format!("snapshots/{snapshot}/{name}")));
            }
            if !is_own {
                return Err(foreign(format!("snapshots/{snapshot}")));
            }
        }
        let _run = Self::open(path)?;
        empty_at_once(path).map_err(TrainingError::io("remove", path))
    }

    /// The folder as further ranks of a run see it, who only read: rank 0 holds the lock.
    #[must_use]
    pub fn of_further_rank(path: &Path) -> Self {
        Self { path: path.to_owned(), _lock: None }
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

    /// `metrics.jsonl`: one line per scoring.
    #[must_use]
    pub fn metrics_path(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    pub(crate) fn snapshots(&self) -> PathBuf {
        self.path.join("snapshots")
    }

    /// Where the snapshot after `images_shown` images goes. One within the same kimg gives way, unless it is the best:
    /// then the name gets the images beyond the kimg.
    pub(crate) fn snapshot_folder(&self, images_shown: u64, best: Option<u64>) -> PathBuf {
        let kimg = images_shown / 1000;
        let is_best_there = best.is_some_and(|best| best != images_shown && best / 1000 == kimg);
        let name = if is_best_there {
            format!("{kimg:06}-{:03}", images_shown % 1000)
        } else {
            format!("{kimg:06}")
        };
        self.snapshots().join(name)
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
        Ok(Some((parse_settings(&settings_path, &text)?, record)))
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
    /// A folder that cannot be read.
    pub fn newest_snapshot(path: &Path) -> Result<Option<Snapshot>, TrainingError> {
        Ok(SnapshotStore::of_run(path)?.newest().cloned())
    }

    /// Makes the snapshot called `name` the newest: those after it are put aside. Says where they are now.
    ///
    /// # Errors
    /// [`TrainingError::NoSuchSnapshot`]; I/O errors.
    pub fn go_back_to(&self, name: &str) -> Result<Vec<PathBuf>, TrainingError> {
        let store = SnapshotStore::of_run(&self.path)?;
        let Some(snapshot) = store.named(name) else {
            let names = store.snapshots().iter().map(Snapshot::name).collect::<Vec<_>>().join(", ");
            return Err(TrainingError::NoSuchSnapshot {
                path: self.path.clone(),
                name: name.to_owned(),
                names,
            });
        };
        snapshot.verify()?;
        store.put_aside_after(snapshot)
    }

    /// The snapshot that `best.json` of the run in `path` names.
    ///
    /// # Errors
    /// [`TrainingError::NoBest`] without that file; files that cannot be read or do not hold what they should.
    pub fn best_snapshot(path: &Path) -> Result<Snapshot, TrainingError> {
        let file = path.join(BEST_FILE);
        let text = match fs::read(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(TrainingError::NoBest { path: path.to_owned() });
            }
            Err(e) => return Err(TrainingError::io("read", &file)(e)),
        };
        let best: BestSnapshot = serde_json::from_slice(&text).map_err(|e| TrainingError::Malformed {
            path: file,
            expected: "the name of the best snapshot",
            found: e.to_string(),
        })?;
        let name = best.snapshot.rsplit('/').next().unwrap_or_default();
        let missing = || TrainingError::Incomplete { path: path.join(&best.snapshot) };
        SnapshotStore::of_run(path)?.named(name).cloned().ok_or_else(missing)
    }

    /// Chooses the best snapshot by `metric` anew, from the scores and snapshots that there are, and writes
    /// `best.json`, or removes it when there is none.
    pub(crate) fn renew_best(&self, metric: &str) -> Result<Option<BestSnapshot>, TrainingError> {
        let best =
            BestSnapshot::of(metric, &self.evaluations()?, SnapshotStore::of_run(&self.path)?.snapshots());
        let path = self.path.join(BEST_FILE);
        match &best {
            Some(best) => {
                let mut text = serde_json::to_vec_pretty(best)
                    .map_err(|e| TrainingError::io("write", &path)(e.into()))?;
                text.push(b'\n');
                if fs::read(&path).is_ok_and(|old| old == text) {
                    return Ok(Some(best.clone()));
                }
                write_atomically(&path, |file| file.write_all(&text))
                    .map_err(TrainingError::io("write", &path))?;
            }
            None if path.exists() => fs::remove_file(&path).map_err(TrainingError::io("remove", &path))?,
            None => {}
        }
        Ok(best)
    }

    /// The lines of `metrics.jsonl`.
    pub(crate) fn evaluations(&self) -> Result<Vec<EvaluationLine>, TrainingError> {
        let path = self.metrics_path();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(TrainingError::io("read", &path)(e)),
        };
        let line = |line: &str| {
            serde_json::from_str(line).map_err(|e| TrainingError::Malformed {
                path: path.clone(),
                expected: "one scoring per line",
                found: e.to_string(),
            })
        };
        text.lines().map(line).collect()
    }

    /// Removes snapshots that newer ones have made superfluous, see [`Retention`].
    pub(crate) fn prune(&self, retention: &Retention) -> Result<(), TrainingError> {
        let mut kept = 0;
        for snapshot in SnapshotStore::of_run(&self.path)?.snapshots().iter().rev() {
            let state = snapshot.state();
            let shown = state.images_shown;
            let is_end = shown == 0 || shown >= retention.total_images;
            if state.kept && !is_end {
                kept += 1;
            }
            let is_among_kept =
                state.kept && (is_end || retention.keep_last == 0 || kept <= retention.keep_last);
            if !is_among_kept && shown != retention.newest && Some(shown) != retention.best {
                SnapshotStore::remove(snapshot)?;
            }
        }
        Ok(())
    }

    /// Appends a line to the log.
    pub(crate) fn log(&self, line: &impl Serialize) -> Result<(), TrainingError> {
        append_line(&self.log_path(), line)
    }

    /// Appends a line to the scores.
    pub(crate) fn log_evaluation(&self, line: &EvaluationLine) -> Result<(), TrainingError> {
        append_line(&self.metrics_path(), line)
    }

    /// Drops lines of logs about work that was lost: those past `images_shown`, and torn last ones.
    pub(crate) fn rewind_logs(&self, images_shown: u64) -> Result<(), TrainingError> {
        rewind(&self.log_path(), images_shown)?;
        rewind(&self.metrics_path(), images_shown)
    }
}

/// Whether a run writes a file or folder `name` into its folder.
fn is_of_a_run(name: &str) -> bool {
    const FILES: [&str; 7] =
        [LOCK_FILE, BEST_FILE, "settings.toml", "run.json", "log.jsonl", "metrics.jsonl", "snapshots"];
    let is_picture = |name: &str| {
        let stem = name.strip_suffix(".png");
        stem == Some("reals")
            || stem.and_then(|stem| stem.strip_prefix("fakes-")).is_some_and(|images| {
                !images.is_empty() && images.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
            })
    };
    let is_events =
        name.starts_with("events.out.tfevents.") && Path::new(name).extension().is_some_and(|e| e == "pgkit");
    FILES.contains(&name) || is_picture(name) || is_events || is_in_the_making(name)
}

/// Refuses a folder without `run.json` in which there is more than a run that was killed at its start leaves.
fn check_nothing_foreign(path: &Path, has_lock: bool) -> Result<(), TrainingError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(TrainingError::io("list", path)(e)),
    };
    let is_empty = |folder: &Path| fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
    for entry in entries {
        let found = entry.map_err(TrainingError::io("list", path))?.path();
        let name = found.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_of_a_start = match &*name {
            LOCK_FILE => true,
            "settings.toml" => has_lock,
            "snapshots" => has_lock && is_empty(&found),
            name => is_in_the_making(name),
        };
        if !is_of_a_start {
            return Err(TrainingError::Foreign { path: path.to_owned(), name });
        }
    }
    Ok(())
}

/// Which snapshots stay.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    /// Images shown at the newest one: a run goes on from it.
    pub(crate) newest: u64,
    /// Images shown at the best one.
    pub(crate) best: Option<u64>,
    /// Of those that `snapshot_kimg` asked for, so many of the newest; 0 for all.
    pub(crate) keep_last: u32,
    /// Images of the whole run: the snapshot after these stays.
    pub(crate) total_images: u64,
}

fn append_line(path: &Path, line: &impl Serialize) -> Result<(), TrainingError> {
    let write = || {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        fs::OpenOptions::new().create(true).append(true).open(path)?.write_all(&text)
    };
    write().map_err(TrainingError::io("write", path))
}

/// Keeps of a file with one JSON object per line those up to `images_shown`.
fn rewind(path: &Path, images_shown: u64) -> Result<(), TrainingError> {
    #[derive(Deserialize)]
    struct Position {
        images_shown: u64,
    }
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(TrainingError::io("read", path)(e)),
    };
    let keep =
        |line: &&str| serde_json::from_str::<Position>(line).is_ok_and(|p| p.images_shown <= images_shown);
    let kept: Vec<&str> = text.lines().filter(keep).collect();
    write_atomically(path, |file| kept.iter().try_for_each(|line| writeln!(file, "{line}")))
        .map_err(TrainingError::io("write", path))
}

/// The settings in `text`, which `path` holds.
pub(crate) fn parse_settings(path: &Path, text: &str) -> Result<TrainingSettings, TrainingError> {
    let name = path.display().to_string();
    Ok(pg_schedule::Preset::PaperCelebahq.settings().with_toml(&name, text)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::{MetricScore, Scores};
    use crate::snapshot::SnapshotState;

    /// A run folder with snapshots of one kimg each, `kept` ones marked so.
    fn folder_with_snapshots(path: &Path, kept: &[u64], others: &[u64]) -> RunFolder {
        let folder = RunFolder::open(path).unwrap();
        for (&kimg, kept) in kept.iter().map(|k| (k, true)).chain(others.iter().map(|k| (k, false))) {
            let state = SnapshotState {
                format_version: 1,
                images_shown: kimg * 1000,
                last_round_images_shown: None,
                resolution: 32,
                image_channels: 3,
                label_size: 0,
                generator_steps: 0,
                discriminator_steps: 0,
                kept,
                dataset_fingerprint: String::new(),
            };
            let snapshot = folder.snapshot_folder(kimg * 1000, None);
            fs::create_dir(&snapshot).unwrap();
            fs::write(snapshot.join("state.json"), serde_json::to_vec(&state).unwrap()).unwrap();
            for file in ["generator", "generator-ema", "discriminator", "optimizer"] {
                fs::write(snapshot.join(format!("{file}.safetensors")), b"").unwrap();
            }
        }
        folder
    }

    fn kimgs(folder: &RunFolder) -> Vec<u64> {
        let store = SnapshotStore::of_run(folder.path()).unwrap();
        store.snapshots().iter().map(|s| s.state().images_shown / 1000).collect()
    }

    fn scored(kimg: u64, resolution: u32, swd: f64) -> EvaluationLine {
        let metric = MetricScore {
            metric: "swd".to_owned(),
            value: swd,
            unit: "x1e-3".to_owned(),
            levels: Vec::new(),
            reals: None,
        };
        EvaluationLine {
            kimg: kimg as f64,
            images_shown: kimg * 1000,
            lod: 0.0,
            resolution,
            scores: Scores { metrics: vec![metric], ..Scores::default() },
        }
    }

    #[test]
    fn the_newest_of_the_kept_snapshots_stay_and_the_first_the_last_and_the_best() {
        let retention = Retention { newest: 12_000, best: Some(5000), keep_last: 2, total_images: 20_000 };
        let parent = tempfile::tempdir().unwrap();
        let some = folder_with_snapshots(&parent.path().join("some"), &[0, 2, 4, 6, 8, 20], &[5, 7, 12]);
        some.prune(&retention).unwrap();
        assert_eq!(kimgs(&some), [0, 5, 6, 8, 12, 20]);
        let all = folder_with_snapshots(&parent.path().join("all"), &[0, 2, 4, 6, 8, 20], &[5, 7, 12]);
        all.prune(&Retention { keep_last: 0, best: None, ..retention }).unwrap();
        assert_eq!(kimgs(&all), [0, 2, 4, 6, 8, 12, 20]);
    }

    #[test]
    fn the_best_is_chosen_anew_at_each_resolution() {
        let parent = tempfile::tempdir().unwrap();
        let folder = folder_with_snapshots(parent.path(), &[0], &[1, 2, 3, 4]);
        let best = |line: EvaluationLine| {
            folder.log_evaluation(&line).unwrap();
            folder.renew_best("swd").unwrap().map(|best| best.images_shown / 1000)
        };
        assert_eq!(best(scored(1, 16, 5.0)), Some(1));
        assert_eq!(best(scored(2, 16, 6.0)), Some(1));
        assert_eq!(best(scored(3, 32, 9.0)), Some(3), "16 px is another matter");
        assert_eq!(best(scored(4, 32, 9.0)), Some(3), "of equal scores the earlier");
        assert_eq!(RunFolder::best_snapshot(parent.path()).unwrap().state().images_shown, 3000);

        fs::remove_dir_all(folder.snapshot_folder(3000, None)).unwrap();
        let best = folder.renew_best("swd").unwrap().unwrap();
        assert_eq!(best.snapshot, "snapshots/000004");
        folder.rewind_logs(0).unwrap();
        assert_eq!(folder.renew_best("swd").unwrap(), None);
        assert!(matches!(RunFolder::best_snapshot(parent.path()), Err(TrainingError::NoBest { .. })));
    }

    #[test]
    fn a_snapshot_within_the_best_ones_kimg_gets_a_name_of_its_own() {
        let parent = tempfile::tempdir().unwrap();
        let folder = RunFolder::open(parent.path()).unwrap();
        let name = |images, best| folder.snapshot_folder(images, best).file_name().unwrap().to_owned();
        assert_eq!(name(2300, Some(1900)), "000002");
        assert_eq!(name(2300, Some(2100)), "000002-300");
        assert_eq!(name(2300, Some(2300)), "000002");
    }
}
