//! The program around a build.

use pg_shard::FailedItem;

/// What a build needs of the program that runs it.
pub trait Host: Sync {
    /// What it shows progress by.
    type Counter: Counter;

    /// Begins to show progress: `label` ("align"), items called `unit` ("images"), `total` of them.
    fn progress(&self, label: &str, unit: &'static str, total: usize) -> Self::Counter;

    /// Shows a remark.
    fn note(&self, text: String);

    /// Shows that `item` failed, the `number`th one (from 1).
    fn failure(&self, progress: &Self::Counter, number: usize, item: &FailedItem);

    /// Whether to end now: a signal came, or what items are read from or written to failed as a whole. What fails
    /// then is no fault of an item.
    fn is_ending(&self) -> bool;

    /// Threads that make items.
    fn threads(&self) -> usize;
}

/// Progress over a known number of items; shared between threads by reference.
pub trait Counter: Sync {
    /// Counts `n` more items as done by an earlier run.
    fn resume_at(&self, n: u64);
    /// Counts `n` more items as done.
    fn advance(&self, n: u64);
    /// Counts an item as failed.
    fn fail(&self);
    /// All is done.
    fn finish(&self);
}

/// What `make` gives, counted; `None` once the program ends, also for what failed because of that.
pub(crate) fn counted<H: Host, T>(
    host: &H,
    progress: &H::Counter,
    make: impl FnOnce() -> Result<T, FailedItem>,
) -> Option<Result<T, FailedItem>> {
    if host.is_ending() {
        return None;
    }
    let made = make();
    if made.is_err() {
        if host.is_ending() {
            return None;
        }
        progress.fail();
    }
    progress.advance(1);
    Some(made)
}
