//! Items made in parallel and taken in order, with few of them in memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};

/// Items that may be made or wait, per thread: enough that a slow one does not leave the others idle.
const WINDOW_PER_THREAD: usize = 4;

/// Calls `make` for every item on the pool's threads, and `take` with what was made, in the order of
/// `items`, on this thread meanwhile. At most [`WINDOW_PER_THREAD`] items per thread are under way.
///
/// An error of `take` ends it; items not begun by then are not made. With one thread all happens in turn on
/// this one, so that no second core is used.
pub(crate) fn in_order<T: Send>(
    threads: usize,
    items: &[usize],
    make: impl Fn(usize) -> T + Sync,
    mut take: impl FnMut(usize, T) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if threads == 1 {
        return items.iter().try_for_each(|&item| take(item, make(item)));
    }
    let window = WINDOW_PER_THREAD * threads;
    let stopped = AtomicBool::new(false);
    let (make, stopped) = (&make, &stopped);
    rayon::in_place_scope(|scope| {
        let (sender, receiver) = channel();
        let mut waiting: BTreeMap<usize, Option<T>> = BTreeMap::new();
        let mut begun = 0;
        for (position, &item) in items.iter().enumerate() {
            while begun < items.len().min(position + window) {
                let (at, item) = (begun, items[begun]);
                let answer = Answer { at, made: None, sender: sender.clone() };
                scope.spawn(move |_| {
                    // The whole of it, not only the field that is set.
                    let mut answer = answer;
                    if !stopped.load(Ordering::Relaxed) {
                        answer.made = Some(make(item));
                    }
                });
                begun += 1;
            }
            let made = loop {
                if let Some(made) = waiting.remove(&position) {
                    break made;
                }
                match receiver.recv() {
                    Ok((at, made)) => drop(waiting.insert(at, made)),
                    Err(_) => break None,
                }
            };
            // Nothing made: that item panicked, and the scope hands the panic on.
            let Some(made) = made else { break };
            if let Err(error) = take(item, made) {
                stopped.store(true, Ordering::Relaxed);
                return Err(error);
            }
        }
        stopped.store(true, Ordering::Relaxed);
        Ok(())
    })
}

/// Sends what was made when it is dropped, so that a panic does not leave the receiver waiting.
struct Answer<T> {
    at: usize,
    made: Option<T>,
    sender: Sender<(usize, Option<T>)>,
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        // Nobody waits any more: nothing is lost.
        let _ = self.sender.send((self.at, self.made.take()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
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
                    Ok(())
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
                |i, _| if i == 20 { Err(anyhow::anyhow!("full")) } else { Ok(()) },
            );
            assert!(ended.is_err());
            assert!(made.load(Ordering::Relaxed) <= 21 + WINDOW_PER_THREAD * threads);
        }
    }

    #[test]
    #[should_panic(expected = "item 7")]
    fn a_panic_is_handed_on() {
        let items: Vec<usize> = (0..100).collect();
        let _ = in_order(2, &items, |i| assert!(i != 7, "item 7"), |_, ()| Ok(()));
    }
}
