//! The functions of OpenMP that GCC's compiler and libtorch call, under the names that they call.
//!
//! GCC's `libgomp` manual describes them ("Implementing OpenMP constructs"). An executable's own functions come before
//! those of the shared libraries that it loads, so libtorch calls these. All that libtorch 2.11.0 calls are here; a test
//! of pg-networks holds that.
#![allow(unsafe_code, reason = "a C interface; each block states what its callers promise")]
#![allow(non_snake_case, reason = "GCC chose the names")]

use std::ffi::{c_int, c_long, c_uint, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{hint, ptr, thread};

use crate::team::{self, Member};
use crate::work_share::Iterations;

type Body = extern "C" fn(*mut c_void);

/// A region's body with what it works on.
struct Region {
    body: Body,
    data: *mut c_void,
}

// SAFETY: the compiler made the body to be run by several threads at once on the same data.
unsafe impl Sync for Region {}

impl Region {
    fn run(&self) {
        (self.body)(self.data);
    }
}

#[unsafe(no_mangle)]
extern "C" fn GOMP_parallel(body: Body, data: *mut c_void, threads: c_uint, _flags: c_uint) {
    let region = Region { body, data };
    team::parallel(threads, &|| region.run());
}

#[unsafe(no_mangle)]
extern "C" fn GOMP_barrier() {
    team::barrier();
}

#[unsafe(no_mangle)]
extern "C" fn GOMP_single_start() -> bool {
    team::is_single()
}

/// Numbers sections from 1; 0 is none.
fn section(chunk: Option<(i64, i64)>) -> c_uint {
    chunk.map_or(0, |(number, _)| number as c_uint)
}

#[unsafe(no_mangle)]
extern "C" fn GOMP_sections_start(count: c_uint) -> c_uint {
    let sections = Iterations { next: 1, end: i64::from(count) + 1, step: 1, chunk: 1 };
    section(team::begin_loop(sections, false))
}

#[unsafe(no_mangle)]
extern "C" fn GOMP_sections_next() -> c_uint {
    section(team::next_chunk(NOTHING, false))
}

#[unsafe(no_mangle)]
extern "C" fn GOMP_sections_end_nowait() {
    team::leave_work();
}

/// Work that another call has begun.
const NOTHING: Iterations = Iterations { next: 0, end: 0, step: 1, chunk: 1 };

/// Writes a chunk to where the caller wants it; whether there is one.
///
/// # Safety
/// Both pointers can be written to.
unsafe fn give(chunk: Option<(i64, i64)>, start: *mut c_long, end: *mut c_long) -> bool {
    let Some((first, stop)) = chunk else { return false };
    // SAFETY: see above.
    unsafe {
        ptr::write(start, first);
        ptr::write(end, stop);
    }
    true
}

/// The start of a loop in chunks, and the way to its next chunk.
macro_rules! chunked_loop {
    ($start:ident, $next:ident, $is_ordered:literal) => {
        #[unsafe(no_mangle)]
        extern "C" fn $start(
            first: c_long,
            end: c_long,
            step: c_long,
            chunk: c_long,
            chunk_start: *mut c_long,
            chunk_end: *mut c_long,
        ) -> bool {
            let taken = team::begin_loop(Iterations { next: first, end, step, chunk }, $is_ordered);
            // SAFETY: the compiler passes two variables of its own.
            unsafe { give(taken, chunk_start, chunk_end) }
        }

        #[unsafe(no_mangle)]
        extern "C" fn $next(chunk_start: *mut c_long, chunk_end: *mut c_long) -> bool {
            let taken = team::next_chunk(NOTHING, $is_ordered);
            // SAFETY: the compiler passes two variables of its own.
            unsafe { give(taken, chunk_start, chunk_end) }
        }
    };
}

chunked_loop!(GOMP_loop_dynamic_start, GOMP_loop_dynamic_next, false);
chunked_loop!(GOMP_loop_nonmonotonic_dynamic_start, GOMP_loop_nonmonotonic_dynamic_next, false);
chunked_loop!(GOMP_loop_ordered_dynamic_start, GOMP_loop_ordered_dynamic_next, true);

#[unsafe(no_mangle)]
extern "C" fn GOMP_loop_end() {
    team::leave_work();
    team::barrier();
}

#[unsafe(no_mangle)]
extern "C" fn GOMP_loop_end_nowait() {
    team::leave_work();
}

#[unsafe(no_mangle)]
extern "C" fn GOMP_ordered_start() {
    team::wait_for_turn();
}

#[unsafe(no_mangle)]
extern "C" fn GOMP_ordered_end() {}

/// Critical sections without a name, and atomic operations that the processor lacks.
static CRITICAL: AtomicUsize = AtomicUsize::new(0);
static ATOMIC: AtomicUsize = AtomicUsize::new(0);

/// One function locks and another one unlocks, so this is no mutex of the standard library. Sections are short: after
/// some looks the thread sleeps for moments.
fn lock(word: &AtomicUsize) {
    let mut looks = 0_u32;
    while word.compare_exchange_weak(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
        looks = looks.saturating_add(1);
        if looks < 100 {
            hint::spin_loop();
        } else {
            thread::sleep(Duration::from_micros(20));
        }
    }
}

fn unlock(word: &AtomicUsize) {
    word.store(0, Ordering::Release);
}

#[unsafe(no_mangle)]
extern "C" fn GOMP_critical_start() {
    lock(&CRITICAL);
}

#[unsafe(no_mangle)]
extern "C" fn GOMP_critical_end() {
    unlock(&CRITICAL);
}

/// The word of a critical section with a name.
///
/// # Safety
/// `name` is a pointer-sized variable that only these two functions use, zero at first.
unsafe fn named<'a>(name: *mut *mut c_void) -> &'a AtomicUsize {
    // SAFETY: see above; it lives as long as the library that it is in.
    unsafe { AtomicUsize::from_ptr(name.cast()) }
}

#[unsafe(no_mangle)]
extern "C" fn GOMP_critical_name_start(name: *mut *mut c_void) {
    // SAFETY: the compiler passes the variable that it made for the name.
    lock(unsafe { named(name) });
}

#[unsafe(no_mangle)]
extern "C" fn GOMP_critical_name_end(name: *mut *mut c_void) {
    // SAFETY: as above.
    unlock(unsafe { named(name) });
}

#[unsafe(no_mangle)]
extern "C" fn GOMP_atomic_start() {
    lock(&ATOMIC);
}

#[unsafe(no_mangle)]
extern "C" fn GOMP_atomic_end() {
    unlock(&ATOMIC);
}

#[unsafe(no_mangle)]
extern "C" fn omp_get_max_threads() -> c_int {
    team::threads() as c_int
}

#[unsafe(no_mangle)]
extern "C" fn omp_get_num_procs() -> c_int {
    team::processors() as c_int
}

#[unsafe(no_mangle)]
extern "C" fn omp_get_num_threads() -> c_int {
    Member::place().1 as c_int
}

#[unsafe(no_mangle)]
extern "C" fn omp_get_thread_num() -> c_int {
    Member::place().0 as c_int
}

#[unsafe(no_mangle)]
extern "C" fn omp_in_parallel() -> c_int {
    c_int::from(Member::is_in_active_team())
}

#[unsafe(no_mangle)]
extern "C" fn omp_set_num_threads(count: c_int) {
    team::set_threads(count.max(1) as u32);
}
