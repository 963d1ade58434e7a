//! The threads of the CPU's kernels and of libtorch: one pool for both, which lets go of the processors when other
//! processes want them.
//!
//! libtorch's loops are OpenMP's. GCC's runtime for them spins for milliseconds when a thread waits, and gives every
//! thread a fixed part of a loop. Beside another busy process that is ruinous: a waiting thread uses up its share of a
//! processor, loses it, and its siblings spin until it comes back. This crate defines the functions that GCC's
//! compiler calls (module `openmp_abi`); an executable that links it answers libtorch's calls in place of `libgomp.so`. Two
//! things differ from GCC's runtime:
//!
//! - A thread that is done with its own part takes the parts that its siblings have not begun.
//! - Threads spin for as long as the answer may come at any moment, and sleep then. Where a thread lost its processor
//!   while it spun, spins become shorter.
//!
//! Neither changes a result: a loop is cut by the number of threads asked for (`omp_set_num_threads`), whichever thread
//! works on a part.

mod barrier;
mod openmp_abi;
mod patience;
mod pool;
mod team;
mod work_share;

use std::cell::RefCell;
use std::io;

use self::pool::{MOST_PARTS, Pool};
use self::team::Member;

thread_local! {
    /// Workers of this thread.
    static POOL: RefCell<Pool> = RefCell::new(Pool::new());
}

/// Number of threads that loops begun by this thread have, itself among them.
#[must_use]
pub fn thread_count() -> usize {
    team::threads() as usize
}

/// Gives loops begun by this thread `count` threads from now on, and starts them.
///
/// # Errors
/// The system's, where it starts no more threads.
pub fn set_thread_count(count: usize) -> io::Result<()> {
    team::set_threads(count.max(1) as u32);
    POOL.with(|pool| match pool.try_borrow_mut() {
        Ok(mut pool) => pool.grow(count.saturating_sub(1)),
        // Inside a loop: the next one starts them.
        Err(_) => Ok(()),
    })
}

/// Calls `body(part)` for each part of `0..parts`, in any order, on this thread and its workers. Inside another loop
/// this thread does all of them.
///
/// # Panics
/// Where `body` does; other parts may be left undone then.
pub fn for_each_part(parts: usize, body: impl Fn(usize) + Sync) {
    if parts == 0 {
        return;
    }
    let threads = thread_count();
    if parts == 1 || threads == 1 || Member::is_in_active_team() {
        return (0..parts).for_each(body);
    }
    // More parts than a loop can have: some at once.
    let some = parts.div_ceil(MOST_PARTS);
    let groups = parts.div_ceil(some);
    let alone = Member::in_loop();
    let run_group =
        |group: usize| alone.enter(|| (group * some..parts.min((group + 1) * some)).for_each(&body));
    with_workers(threads - 1, |pool, workers| match pool {
        Some(pool) => pool.run_apart(groups, workers, &run_group),
        None => (0..groups).for_each(run_group),
    });
}

/// This thread's pool with as many workers as could be started, up to `wanted`; none while its thread ends.
fn with_workers<R>(wanted: usize, run: impl FnOnce(Option<&Pool>, usize) -> R) -> R {
    let mut run = Some(run);
    let found = POOL.try_with(|pool| {
        let run = run.take()?;
        if let Ok(mut pool) = pool.try_borrow_mut() {
            // Fewer threads than asked for are slower and right; `set_thread_count` says that there are fewer.
            let _ = pool.grow(wanted);
        }
        let Ok(pool) = pool.try_borrow() else { return Some(run(None, 0)) };
        let workers = pool.workers().min(wanted);
        Some(run(Some(&pool), workers))
    });
    match (found, run) {
        (Ok(Some(result)), _) => result,
        (_, Some(run)) => run(None, 0),
        _ => unreachable!("the loop was run"),
    }
}

#[cfg(test)]
mod tests;
