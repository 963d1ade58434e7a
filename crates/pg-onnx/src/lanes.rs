//! Several sessions of one model, or of several that work together, for as many threads.
//!
//! A session runs one batch at a time. On a CPU one session per thread, each with one thread of its own, keeps all threads
//! at work without any of them waiting for the others between operators.

use std::sync::{Condvar, Mutex, PoisonError};

/// Sessions that are free.
#[derive(Debug)]
pub struct Lanes<S> {
    free: Mutex<Vec<S>>,
    returned: Condvar,
}

impl<S> Lanes<S> {
    /// Of `sessions` that are alike, one at least.
    #[must_use]
    pub fn new(sessions: Vec<S>) -> Self {
        Self { free: Mutex::new(sessions), returned: Condvar::new() }
    }

    /// Runs `work` with a session, waiting for one where all are in use.
    pub fn with<R>(&self, work: impl FnOnce(&mut S) -> R) -> R {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut session = loop {
            if let Some(session) = free.pop() {
                break session;
            }
            free = self.returned.wait(free).unwrap_or_else(PoisonError::into_inner);
        };
        drop(free);
        let result = work(&mut session);
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(session);
        self.returned.notify_one();
        result
    }
}
