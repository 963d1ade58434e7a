//! Who runs a part of a parallel region: OpenMP's teams and their members.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, OnceLock};
use std::thread;

use crate::barrier::Barrier;
use crate::patience::Patience;
use crate::with_workers;
use crate::work_share::{Iterations, WorkShares};

thread_local! {
    /// What this thread is at the moment.
    static MEMBER: RefCell<Member> = const { RefCell::new(Member::outside()) };
    /// Threads of the loops that this thread starts; 0 is not set.
    static THREADS: Cell<u32> = const { Cell::new(0) };
}

/// Number of threads of this thread's loops: what was set, or all processors.
pub(crate) fn threads() -> u32 {
    match THREADS.get() {
        0 => processors(),
        count => count,
    }
}

pub(crate) fn set_threads(count: u32) {
    THREADS.set(count.max(1));
}

/// Processors that this process may use, as found when first asked for: the system takes a while to say.
pub(crate) fn processors() -> u32 {
    static FOUND: OnceLock<u32> = OnceLock::new();
    *FOUND.get_or_init(|| thread::available_parallelism().map_or(1, |count| count.get() as u32))
}

/// Threads that run the parts of one region.
#[derive(Debug)]
pub(crate) struct Team {
    size: u32,
    barrier: Barrier,
    shares: WorkShares,
}

impl Team {
    fn new(size: u32, patience: Arc<Patience>) -> Arc<Self> {
        Arc::new(Self { size, barrier: Barrier::new(size, patience), shares: WorkShares::default() })
    }
}

/// One part of a team's region and where it has got to.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// None for a team of one that has shared no work.
    team: Option<Arc<Team>>,
    number: u32,
    size: u32,
    /// Whether a team of several is at work around it.
    is_active: bool,
    /// Threads of its loops.
    threads: u32,
    /// How many pieces of shared work it has come by; the last one may be under way.
    works: u64,
}

impl Member {
    const fn outside() -> Self {
        Self { team: None, number: 0, size: 1, is_active: false, threads: 0, works: 0 }
    }

    /// The only one of its team, inside a loop of this crate's own.
    pub(crate) fn in_loop() -> Self {
        Self { is_active: true, threads: THREADS.get(), ..Self::outside() }
    }

    /// Calls `body` as this member.
    pub(crate) fn enter<R>(&self, body: impl FnOnce() -> R) -> R {
        let outer = MEMBER.replace(self.clone());
        let threads = THREADS.replace(self.threads);
        let _back = Back { outer: Some(outer), threads };
        body()
    }

    pub(crate) fn is_in_active_team() -> bool {
        MEMBER.with_borrow(|member| member.is_active)
    }

    /// Number of this member, and of members of its team.
    pub(crate) fn place() -> (u32, u32) {
        MEMBER.with_borrow(|member| (member.number, member.size))
    }

    /// This member's team, for a while.
    fn team() -> (Arc<Team>, u32) {
        MEMBER.with_borrow_mut(|member| {
            let team = member.team.get_or_insert_with(|| Team::new(member.size, Arc::new(Patience::new())));
            (Arc::clone(team), member.number)
        })
    }

    /// The number of the next shared work.
    fn begin_work() -> u64 {
        MEMBER.with_borrow_mut(|member| {
            member.works += 1;
            member.works
        })
    }

    fn current_work() -> u64 {
        MEMBER.with_borrow(|member| member.works)
    }
}

/// Makes the thread again what it was.
struct Back {
    outer: Option<Member>,
    threads: u32,
}

impl Drop for Back {
    fn drop(&mut self) {
        if let Some(outer) = self.outer.take() {
            MEMBER.set(outer);
        }
        THREADS.set(self.threads);
    }
}

/// `#pragma omp parallel`: `body` once for each member of a team of `wanted` (0: as set), the caller number 0.
pub(crate) fn parallel(wanted: u32, body: &(dyn Fn() + Sync)) {
    let size = if wanted == 0 { threads() } else { wanted };
    let (is_active, set) = (Member::is_in_active_team(), THREADS.get());
    let alone = Member { is_active, threads: set, ..Member::outside() };
    if size <= 1 || is_active {
        return alone.enter(body);
    }
    with_workers(size as usize - 1, |pool, workers| {
        let Some(pool) = pool.filter(|_| workers > 0) else { return alone.enter(body) };
        // Every member needs a thread of its own, for they may wait for each other.
        let size = workers as u32 + 1;
        let team = Team::new(size, Arc::clone(pool.patience()));
        let member = |number: usize| Member {
            team: Some(Arc::clone(&team)),
            number: number as u32,
            size,
            is_active: true,
            threads: set,
            works: 0,
        };
        pool.run(size as usize, workers, &|part| member(part).enter(body));
    });
}

/// `#pragma omp barrier`.
pub(crate) fn barrier() {
    if Member::place().1 > 1 {
        Member::team().0.barrier.wait();
    }
}

/// Begins a loop whose iterations the team shares; this member's first chunk.
pub(crate) fn begin_loop(whole: Iterations, is_ordered: bool) -> Option<(i64, i64)> {
    Member::begin_work();
    next_chunk(whole, is_ordered)
}

/// The next chunk of the loop under way; `whole` is for the first chunk of all.
pub(crate) fn next_chunk(whole: Iterations, is_ordered: bool) -> Option<(i64, i64)> {
    let ((team, member), index) = (Member::team(), Member::current_work());
    if is_ordered { team.shares.next_in_order(index, whole, member) } else { team.shares.next(index, whole) }
}

/// Returns when all iterations before this member's chunk are done.
pub(crate) fn wait_for_turn() {
    let (team, member) = Member::team();
    team.shares.wait_for_turn(Member::current_work(), member);
}

/// Ends the shared work under way, for this member.
pub(crate) fn leave_work() {
    let (team, _) = Member::team();
    team.shares.leave(Member::current_work(), team.size);
}

/// `#pragma omp single`: whether this member is the one.
pub(crate) fn is_single() -> bool {
    let one = Iterations { next: 0, end: 1, step: 1, chunk: 1 };
    let is_one = begin_loop(one, false).is_some();
    leave_work();
    is_one
}
