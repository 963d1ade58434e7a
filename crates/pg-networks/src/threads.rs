//! How many threads compute on the CPU.

use std::io;

/// Gives libtorch's loops and this crate's kernels `count` threads from now on, when the calling thread starts them.
///
/// The threads are those of [`pg_threads`]; sums are cut by their number, so that another number rounds differently.
///
/// # Errors
/// The system's, where it starts no more threads.
pub fn set_threads(count: usize) -> io::Result<()> {
    pg_threads::set_thread_count(count)?;
    tch::set_num_threads(i32::try_from(count).unwrap_or(i32::MAX));
    Ok(())
}
