//! What can go wrong in training.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a run cannot start, go on or be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrainingError {
    /// Reading or writing a file of the run folder.
    #[error("{action} {}", path.display())]
    Io {
        /// What was tried: "write", "read", …
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A file of the run folder that does not hold what it should.
    #[error("{}: expected {expected}, found {found}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// What it holds.
        found: String,
    },
    /// A file of a snapshot that is not as it was written.
    #[error("{}; take another snapshot, or a copy of this one", damage_text(path))]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The snapshot that a run was to go on from is damaged or not whole any more.
    #[error("{what}; {}", earlier_text(earlier.as_deref()))]
    LostSnapshot {
        /// The snapshot, and what is wrong with it.
        what: String,
        /// The newest whole snapshot.
        earlier: Option<PathBuf>,
    },
    /// A snapshot without one of its files.
    #[error("{} is missing: the snapshot is not whole", path.display())]
    Incomplete {
        /// The file.
        path: PathBuf,
    },
    /// A folder that is no run folder, or has no snapshot to sample from.
    #[error("{} has no snapshot: expected a run folder with snapshots/ or a snapshot folder with state.json", path.display())]
    NoSnapshot {
        /// The folder.
        path: PathBuf,
    },
    /// A snapshot of an old version outside of its run.
    #[error("{} holds no settings, as all snapshots of its version: expected it inside its run folder", path.display())]
    NoSettings {
        /// The snapshot.
        path: PathBuf,
    },
    /// A run without the snapshot asked for.
    #[error("{} has no snapshot {name:?}: found {}", path.display(), if names.is_empty() { "none" } else { names })]
    NoSuchSnapshot {
        /// The run folder.
        path: PathBuf,
        /// The name asked for.
        name: String,
        /// The names that there are.
        names: String,
    },
    /// A folder of other things.
    #[error("{} is no run folder: it holds {name}; choose a new or an empty folder", path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Something in it.
        name: String,
    },
    /// A run folder that belongs to another run.
    #[error("{} holds a run with other {what}: choose another folder, or --force to go on with the new ones", path.display())]
    OtherRun {
        /// The run folder.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// A run folder without a best snapshot.
    #[error("{} has no best.json: snapshots are compared in runs with --keep-best swd", path.display())]
    NoBest {
        /// The run folder.
        path: PathBuf,
    },
    /// The averaged generator could not be scored.
    #[error("cannot score the generator: {reason}")]
    Evaluation {
        /// What went wrong, causes included.
        reason: String,
    },
    /// Another process is training in the folder.
    #[error("{} is in use by another pgtrain: wait for it to end, or choose another folder", path.display())]
    InUse {
        /// The run folder.
        path: PathBuf,
    },
    /// A loss, norm or weight that is not a number: the run has diverged.
    #[error("{what} is {value} after {images_shown} images: the run has diverged; the last good snapshot is {}", snapshot.as_deref().map_or("not there yet".to_owned(), |p| p.display().to_string()))]
    Diverged {
        /// What is not finite: a loss, a norm, a weight.
        what: &'static str,
        /// Its value.
        value: f64,
        /// Real images shown.
        images_shown: u64,
        /// The newest snapshot.
        snapshot: Option<PathBuf>,
    },
    /// Ranks of a run that do not hold the same.
    #[error("{what} of {} not the same as of rank 0; the last snapshot is {}", ranks_text(ranks), snapshot.as_deref().map_or("not there yet".to_owned(), |p| p.display().to_string()))]
    RanksDiffer {
        /// What differs.
        what: &'static str,
        /// The ranks that differ from rank 0.
        ranks: Vec<usize>,
        /// The newest snapshot.
        snapshot: Option<PathBuf>,
    },
    /// The ranks of a run cannot go on together.
    #[error(transparent)]
    Ranks(#[from] crate::RanksError),
    /// The dataset cannot serve this run.
    #[error("dataset {}: {reason}", path.display())]
    Dataset {
        /// The dataset folder.
        path: PathBuf,
        /// Expected, found, remedy.
        reason: String,
    },
    /// The thread that reads data ended early.
    #[error("the data feed stopped before the run's end")]
    FeedStopped,
    /// Labels asked for, and none there.
    #[error("labels=ac-gan needs labels: the dataset has none; pack it with --labels, or set labels=ignore")]
    NoLabels,
    /// A class that the generator does not have.
    #[error("class {class}: {}", if *classes == 0 { "the generator was trained without labels".to_owned() } else { format!("the generator has classes 0 to {}", classes - 1) })]
    NoClass {
        /// The class asked for.
        class: u32,
        /// Number of classes.
        classes: u32,
    },
    /// Settings that cannot work.
    #[error(transparent)]
    Settings(#[from] pg_schedule::SettingsError),
    /// The dataset's files.
    #[error(transparent)]
    Shard(#[from] pg_shard::ShardError),
    /// The networks.
    #[error(transparent)]
    Network(#[from] pg_networks::NetworkError),
    /// libtorch.
    #[error(transparent)]
    Torch(#[from] tch::TchError),
}

/// What is wrong with a damaged file, without a remedy.
pub(crate) fn damage_text(path: &Path) -> String {
    format!("{} is damaged: its checksum is not that of the file that was written", path.display())
}

fn earlier_text(earlier: Option<&Path>) -> String {
    let Some(earlier) = earlier else {
        return "there is no whole one before it: put a copy in its place".to_owned();
    };
    let run = earlier.parent().and_then(Path::parent).unwrap_or(earlier).display();
    let name = earlier.file_stem().unwrap_or_default().to_string_lossy();
    format!(
        "the newest whole snapshot before it is {name}: go on from it with `pgtrain resume {run} --from {name}`"
    )
}

fn ranks_text(ranks: &[usize]) -> String {
    let names: Vec<String> = ranks.iter().map(usize::to_string).collect();
    match names.as_slice() {
        [one] => format!("rank {one} is"),
        _ => format!("ranks {} are", names.join(", ")),
    }
}

impl TrainingError {
    /// What the binding says of a safetensors file that could not be read or written, with the system's cause as such.
    pub(crate) fn of_file(action: &'static str, path: &Path, error: tch::TchError) -> Self {
        match error {
            tch::TchError::SafeTensorError {
                err: safetensors_of_tch::SafeTensorError::IoError(source),
                ..
            } => Self::io(action, path)(source),
            other => other.into(),
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}
