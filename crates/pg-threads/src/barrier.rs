//! Where the members of a team wait for each other.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::patience::Patience;

/// A barrier that may be used again and again.
#[derive(Debug)]
pub(crate) struct Barrier {
    size: u32,
    arrived: AtomicU32,
    /// How often all have arrived.
    passed: AtomicU32,
    lock: Mutex<()>,
    all_arrived: Condvar,
    patience: Arc<Patience>,
}

impl Barrier {
    pub(crate) fn new(size: u32, patience: Arc<Patience>) -> Self {
        Self {
            size,
            arrived: AtomicU32::new(0),
            passed: AtomicU32::new(0),
            lock: Mutex::new(()),
            all_arrived: Condvar::new(),
            patience,
        }
    }

    /// Returns when all have called it as often as this one.
    pub(crate) fn wait(&self) {
        let before = self.passed.load(Ordering::SeqCst);
        if self.arrived.fetch_add(1, Ordering::SeqCst) + 1 == self.size {
            self.arrived.store(0, Ordering::SeqCst);
            let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
            self.passed.fetch_add(1, Ordering::SeqCst);
            drop(guard);
            self.all_arrived.notify_all();
            return;
        }
        let done = || self.passed.load(Ordering::SeqCst) != before;
        if self.patience.spin_until(done) {
            return;
        }
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        while !done() {
            guard = self.all_arrived.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
