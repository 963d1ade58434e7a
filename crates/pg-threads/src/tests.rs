//! Loops and teams against what OpenMP promises, on more threads than there are processors too.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::patience::CROWDED_LONGEST;
use crate::pool::Pool;
use crate::team::{self, Member};
use crate::work_share::Iterations;
use crate::{for_each_part, set_thread_count, thread_count};

/// In a thread of its own, so that thread counts and pools of other tests stay away.
fn with_threads<R: Send>(count: usize, body: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| {
        let run = || {
            set_thread_count(count).unwrap();
            body()
        };
        scope.spawn(run).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn loop_of(next: i64, end: i64, step: i64, chunk: i64) -> Iterations {
    Iterations { next, end, step, chunk }
}

#[test]
fn every_part_is_done_once_for_any_number_of_threads_and_parts() {
    for threads in [1, 2, 3, 8] {
        with_threads(threads, || {
            assert_eq!(thread_count(), threads);
            for parts in [0, 1, 2, 7, 100, 70_000, 200_001] {
                let counts: Vec<AtomicU32> = (0..parts).map(|_| AtomicU32::new(0)).collect();
                for_each_part(parts, |part| {
                    counts[part].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1), "{threads} {parts}");
            }
        });
    }
}

#[test]
fn many_short_loops_in_a_row_lose_no_part() {
    with_threads(4, || {
        let sum = AtomicU64::new(0);
        for _ in 0..20_000 {
            for_each_part(5, |part| {
                sum.fetch_add(part as u64 + 1, Ordering::Relaxed);
            });
        }
        assert_eq!(sum.into_inner(), 20_000 * 15);
    });
}

#[test]
fn workers_that_cost_more_than_they_save_are_let_alone_until_processors_are_free() {
    let mut pool = Pool::new();
    pool.grow(1).unwrap();
    let owner = thread::current().id();
    // A worker takes a thousand times as long as the owner, as one does that lost its processor.
    let by_workers = AtomicU32::new(0);
    let uneven = |_: usize| {
        if thread::current().id() == owner {
            thread::sleep(Duration::from_micros(50));
        } else {
            by_workers.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(50));
        }
    };
    pool.patience().lost_processor(Instant::now());
    while by_workers.load(Ordering::Relaxed) == 0 {
        pool.patience().lost_processor(Instant::now());
        pool.run_apart(64, 1, &uneven);
    }
    let before = by_workers.load(Ordering::Relaxed);
    for _ in 0..20 {
        pool.patience().lost_processor(Instant::now());
        pool.run_apart(64, 1, &uneven);
    }
    assert_eq!(by_workers.load(Ordering::Relaxed), before);
    // Twice the longest time for which one loss counts.
    thread::sleep(2 * CROWDED_LONGEST);
    while by_workers.load(Ordering::Relaxed) == before {
        pool.run_apart(64, 1, &uneven);
    }
}

#[test]
fn a_worker_that_does_not_begin_holds_nobody_up() {
    // Seven workers and one processor or two: most parts are done by those that run.
    with_threads(8, || {
        let begun = Instant::now();
        for _ in 0..1000 {
            for_each_part(8, |_| {});
        }
        assert!(begun.elapsed() < Duration::from_secs(20));
    });
}

#[test]
fn a_panic_in_a_part_reaches_the_caller_after_all_parts_and_the_pool_goes_on() {
    with_threads(3, || {
        let done = AtomicUsize::new(0);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for_each_part(10, |part| {
                done.fetch_add(1, Ordering::Relaxed);
                assert!(part != 4, "part four");
            });
        }));
        let message = *result.unwrap_err().downcast::<&str>().unwrap();
        assert_eq!((message, done.load(Ordering::Relaxed)), ("part four", 10));
        for_each_part(10, |_| {
            done.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(done.into_inner(), 20);
    });
}

#[test]
fn a_loop_inside_a_loop_or_a_region_is_done_by_its_thread_alone() {
    with_threads(4, || {
        let done = AtomicUsize::new(0);
        for_each_part(4, |_| {
            let here = std::thread::current().id();
            for_each_part(3, |_| {
                assert_eq!(std::thread::current().id(), here);
                done.fetch_add(1, Ordering::Relaxed);
            });
            team::parallel(0, &|| {
                assert_eq!((Member::place(), Member::is_in_active_team()), ((0, 1), true));
                done.fetch_add(100, Ordering::Relaxed);
            });
        });
        assert_eq!(done.into_inner(), 4 * 3 + 400);
        assert!(!Member::is_in_active_team());
    });
}

#[test]
fn a_team_has_every_number_once_and_its_members_know_the_threads_that_were_set() {
    with_threads(3, || {
        for (wanted, size) in [(0, 3), (2, 2), (5, 5), (1, 1)] {
            let numbers = Mutex::new(Vec::new());
            team::parallel(wanted, &|| {
                assert_eq!((Member::place().1, team::threads()), (size, 3));
                numbers.lock().unwrap().push(Member::place().0);
            });
            let mut numbers = numbers.into_inner().unwrap();
            numbers.sort_unstable();
            assert_eq!(numbers, (0..size).collect::<Vec<_>>());
            assert_eq!(Member::place(), (0, 1));
        }
    });
}

#[test]
fn no_member_passes_a_barrier_before_all_have_come() {
    with_threads(6, || {
        let (arrived, rounds) = (AtomicU32::new(0), 300);
        team::parallel(0, &|| {
            for round in 1..=rounds {
                arrived.fetch_add(1, Ordering::SeqCst);
                team::barrier();
                assert!(arrived.load(Ordering::SeqCst) >= round * 6);
                team::barrier();
                assert!(arrived.load(Ordering::SeqCst) <= (round + 1) * 6);
            }
        });
        assert_eq!(arrived.into_inner(), rounds * 6);
    });
}

#[test]
fn each_block_for_one_member_and_each_section_is_run_once() {
    with_threads(4, || {
        let (singles, sections) = (AtomicU32::new(0), Mutex::new(Vec::new()));
        team::parallel(0, &|| {
            for _ in 0..50 {
                if team::is_single() {
                    singles.fetch_add(1, Ordering::SeqCst);
                }
                let mut section = team::begin_loop(loop_of(1, 6, 1, 1), false);
                while let Some((number, _)) = section {
                    sections.lock().unwrap().push(number);
                    section = team::next_chunk(loop_of(0, 0, 1, 1), false);
                }
                team::leave_work();
            }
        });
        assert_eq!(singles.into_inner(), 50);
        let mut sections = sections.into_inner().unwrap();
        sections.sort_unstable();
        assert_eq!(sections, (1..6).flat_map(|number| [number; 50]).collect::<Vec<_>>());
    });
}

#[test]
fn shared_work_outside_any_region_is_that_of_a_team_of_one() {
    with_threads(2, || {
        assert!(team::is_single() && team::is_single());
        assert_eq!(team::begin_loop(loop_of(3, 5, 1, 7), false), Some((3, 5)));
        assert_eq!(team::next_chunk(loop_of(0, 0, 1, 1), false), None);
        team::leave_work();
        team::barrier();
    });
}

#[test]
fn the_ordered_parts_of_a_loop_come_in_order() {
    with_threads(4, || {
        let order = Mutex::new(Vec::new());
        team::parallel(0, &|| {
            let mut chunk = team::begin_loop(loop_of(0, 200, 1, 3), true);
            while let Some((start, end)) = chunk {
                for iteration in start..end {
                    team::wait_for_turn();
                    order.lock().unwrap().push(iteration);
                }
                chunk = team::next_chunk(loop_of(0, 0, 1, 1), true);
            }
            team::leave_work();
            team::barrier();
        });
        assert_eq!(order.into_inner().unwrap(), (0..200).collect::<Vec<_>>());
    });
}

/// What a loop visits, the slow way.
fn visited(whole: Iterations) -> BTreeSet<i64> {
    let mut found = BTreeSet::new();
    let mut next = whole.next;
    while if whole.step > 0 { next < whole.end } else { next > whole.end } {
        found.insert(next);
        next += whole.step;
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn chunks_of_a_loop_visit_each_iteration_once(
        first in -50_i64..50, end in -50_i64..50, step in prop_oneof![-7_i64..0, 1_i64..7], chunk in 1_i64..9,
        ordered: bool, threads in 1_usize..5,
    ) {
        let whole = loop_of(first, end, step, chunk);
        let seen = Mutex::new(Vec::new());
        with_threads(threads, || team::parallel(0, &|| {
            let mut taken = team::begin_loop(whole, ordered);
            while let Some((start, stop)) = taken {
                let part = visited(loop_of(start, stop, step, 1));
                assert!(part.len() as i64 <= chunk && !part.is_empty());
                seen.lock().unwrap().extend(part);
                taken = team::next_chunk(loop_of(0, 0, 1, 1), ordered);
            }
            team::leave_work();
        }));
        let seen = seen.into_inner().unwrap();
        prop_assert_eq!(seen.len(), visited(whole).len());
        prop_assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), visited(whole));
    }
}
