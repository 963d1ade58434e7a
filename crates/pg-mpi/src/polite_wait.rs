//! Waiting for the other processes without keeping a core busy.

use std::time::{Duration, Instant};

use mpi::traits::CommunicatorCollectives;

/// As long, the wait only makes room for other threads: a message between neighbours takes microseconds.
const EAGER: Duration = Duration::from_micros(200);
/// Longest sleep; the others may be at work for minutes.
const LONGEST: Duration = Duration::from_millis(5);

/// Returns when every process of `communicator` has come here; false when `give_up` said so first.
///
/// MPI's own blocking calls spin, on the cores that compute. After this wait they find everybody there.
pub(crate) fn wait_for_all(communicator: &impl CommunicatorCollectives, give_up: impl Fn() -> bool) -> bool {
    let started = Instant::now();
    let mut request = communicator.immediate_barrier();
    loop {
        request = match request.test() {
            Ok(_) => return true,
            Err(pending) => pending,
        };
        let waited = started.elapsed();
        if waited < EAGER {
            std::thread::yield_now();
            continue;
        }
        if give_up() {
            // The request outlives this process anyway: giving up ends it.
            std::mem::forget(request);
            return false;
        }
        std::thread::sleep((waited / 16).clamp(Duration::from_micros(20), LONGEST));
    }
}
