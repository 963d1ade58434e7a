//! How a build ended, and what of an earlier one is done again.

use std::time::SystemTime;

use pg_shard::FailedItem;

use crate::BuildError;

/// How a build ended that was begun.
#[derive(Debug)]
pub enum Outcome<T> {
    /// All items were tried, by this run or earlier ones.
    Complete(T),
    /// No item could be used: nothing was written, and what was there before the build is there again.
    Nothing {
        /// Items that were tried.
        items: usize,
        /// What they are called.
        unit: &'static str,
    },
    /// The first failed item stopped it, as was asked for.
    StoppedByFailure,
    /// The program ended it.
    Ended {
        /// What there is, and how to go on.
        kept: String,
    },
    /// It broke off.
    Failed {
        /// Why.
        error: BuildError,
        /// What there is, and how to go on.
        kept: String,
        /// Bytes still to be written, where that is known.
        left_bytes: Option<u64>,
    },
}

/// What of an earlier run is done again.
#[derive(Clone, Copy, Default)]
pub struct Again<'a> {
    /// Items that failed (`--retry-failed`).
    pub failed: Option<&'a SourceBefore<'a>>,
    /// Items whose source was written to since, told by the time of this.
    pub modified: Option<&'a Modified<'a>>,
}

/// What identified the source when these items had the lengths that they failed with.
pub type SourceBefore<'a> = dyn Fn(&[FailedItem]) -> String + 'a;
/// When the source of an item was last written to.
pub type Modified<'a> = dyn Fn(usize) -> Option<SystemTime> + Sync + 'a;

/// Why items are no longer taken.
pub(crate) enum Stop {
    /// The program ends.
    Ending,
    /// An item failed, and none may.
    Failure,
    /// An error.
    Error(BuildError),
}

impl<E: Into<BuildError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

impl Stop {
    /// The outcome of a build that stopped so.
    pub(crate) fn outcome<T>(self, kept: String, left_bytes: Option<u64>) -> Outcome<T> {
        match self {
            Self::Ending => Outcome::Ended { kept },
            Self::Failure => Outcome::StoppedByFailure,
            Self::Error(error) => Outcome::Failed { error, kept, left_bytes },
        }
    }
}
