//! Items made in parallel and taken in order, with few of them in memory.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use rayon::ThreadPoolBuilder;

use crate::BuildError;

/// Items that may be made or wait, per thread: enough that a slow one does not leave the others idle.
const WINDOW_PER_THREAD: usize = 2;

/// Calls `make` for every item on `threads` threads, and `take` with what was made, in the order of `items`,
/// on this thread meanwhile. At most two items per thread are under way, and no more than
/// one per thread is being made: what a thread works on with rayon stays on that thread, since a thread of
/// a shared pool would begin further items while it waits for others.
///
/// An error of `take` ends it; items not begun by then are not made. With one thread all happens in turn on
/// this one, so that no second core is used.
///
/// # Errors
/// That of `take`; [`BuildError::Threads`]
///
/// # Panics
/// Where `make` panics, with its panic.
pub fn in_order<T: Send, E: From<BuildError>>(
    threads: usize,
    items: &[usize],
    make: impl Fn(usize) -> T + Sync,
    mut take: impl FnMut(usize, T) -> Result<(), E>,
) -> Result<(), E> {
    if threads == 1 {
        return items.iter().try_for_each(|&item| take(item, make(item)));
    }
    // Positions in `items` to be worked on: never more than the window beyond what was taken.
    let (tickets, queue) = channel();
    let queue = Mutex::new(queue);
    let make = &make;
    thread::scope(|scope| {
        // Dropped when this closure ends, however it does; then the threads end.
        let tickets = tickets;
        let (sender, receiver) = channel();
        for _ in 0..threads.min(items.len()) {
            let (queue, sender) = (&queue, sender.clone());
            thread::Builder::new()
                .spawn_scoped(scope, move || work(queue, &sender, |at| make(items[at])))
                .map_err(|source| BuildError::Threads { threads, source })?;
        }
        drop(sender);
        let mut waiting = BTreeMap::new();
        let mut begun = 0;
        for (position, &item) in items.iter().enumerate() {
            while begun < items.len().min(position + WINDOW_PER_THREAD * threads) {
                tickets.send(begun).map_err(ended_early(threads))?;
                begun += 1;
            }
            let made = loop {
                if let Some(made) = waiting.remove(&position) {
                    break made;
                }
                let (at, made) = receiver.recv().map_err(ended_early(threads))?;
                waiting.insert(at, made);
            };
            take(item, made.unwrap_or_else(|panic| resume_unwind(panic)))?;
        }
        Ok(())
    })
}

/// All threads are gone, though nothing ended them.
fn ended_early<E>(threads: usize) -> impl FnOnce(E) -> BuildError {
    move |_| BuildError::Threads { threads, source: io::Error::other("they ended early") }
}

/// Makes what the queue asks for until it is closed. A panic is sent like a result.
fn work<T>(
    queue: &Mutex<Receiver<usize>>,
    sender: &Sender<(usize, thread::Result<T>)>,
    make: impl Fn(usize) -> T,
) {
    // Without it, rayon would use the pool that all threads share.
    let _own_pool = ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(at) = next else { return };
        let made = catch_unwind(AssertUnwindSafe(|| make(at)));
        if sender.send((at, made)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;

    #[test]
    fn items_come_in_order_and_few_are_under_way() {
        for threads in [1, 2, 5] {
            let items: Vec<usize> = (0..200).rev().collect();
            let (made, mut taken) = (AtomicUsize::new(0), Vec::new());
            in_order(
                threads,
                &items,
                |i| {
                    sleep(Duration::from_micros((i * 7919 % 300) as u64));
                    made.fetch_add(1, Ordering::Relaxed);
                    i
                },
                |item, value| {
                    assert_eq!(item, value);
                    taken.push(value);
                    let ahead = made.load(Ordering::Relaxed) + 1 - taken.len();
                    assert!(ahead <= WINDOW_PER_THREAD * threads, "{ahead}");
                    Ok::<_, BuildError>(())
                },
            )
            .unwrap();
            assert_eq!(taken, items);
        }
    }

    #[test]
    fn an_error_ends_it_soon() {
        for threads in [1, 3] {
            let (items, made): (Vec<usize>, _) = ((0..1000).collect(), AtomicUsize::new(0));
            let ended = in_order(
                threads,
                &items,
                |i| {
                    made.fetch_add(1, Ordering::Relaxed);
                    i
                },
                |i, _| if i == 20 { Err(BuildError::Names("full".to_owned())) } else { Ok(()) },
            );
            assert!(ended.is_err());
            assert!(made.load(Ordering::Relaxed) <= 21 + WINDOW_PER_THREAD * threads);
        }
    }

    #[test]
    #[should_panic(expected = "item 7")]
    fn a_panic_is_handed_on() {
        let items: Vec<usize> = (0..100).collect();
        let _ = in_order(2, &items, |i| assert!(i != 7, "item 7"), |_, ()| Ok::<_, BuildError>(()));
    }
}
