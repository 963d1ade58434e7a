//! Work that the members of a team share: loops in chunks, sections, blocks for one member.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Iterations `next, next + step, …` before `end`, given out in chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Iterations {
    pub(crate) next: i64,
    pub(crate) end: i64,
    pub(crate) step: i64,
    /// Iterations of a chunk.
    pub(crate) chunk: i64,
}

impl Iterations {
    /// Start and end of the next chunk.
    fn take(&mut self) -> Option<(i64, i64)> {
        let (start, end, up) = (self.next, self.end, self.step > 0);
        if if up { start >= end } else { start <= end } {
            return None;
        }
        let after = start.saturating_add(self.chunk.max(1).saturating_mul(self.step));
        let stop = if up { after.min(end) } else { after.max(end) };
        self.next = stop;
        Some((start, stop))
    }
}

#[derive(Debug)]
struct Share {
    iterations: Iterations,
    /// Members whose chunks are under way, in the order of the chunks: of ordered loops only.
    turns: VecDeque<u32>,
    /// Members that have left it.
    left: u32,
}

/// The work that a team has shared out, by its place in the order of such work: all members come by in the same order.
#[derive(Debug, Default)]
pub(crate) struct WorkShares {
    shares: Mutex<HashMap<u64, Share>>,
    turn_ended: Condvar,
}

impl WorkShares {
    fn locked(&self) -> MutexGuard<'_, HashMap<u64, Share>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next chunk of work number `index`, which is `whole` for the first who asks.
    pub(crate) fn next(&self, index: u64, whole: Iterations) -> Option<(i64, i64)> {
        let mut shares = self.locked();
        let new = || Share { iterations: whole, turns: VecDeque::new(), left: 0 };
        shares.entry(index).or_insert_with(new).iterations.take()
    }

    /// The same of an ordered loop for `member`, whose last chunk ends here: after all before it have ended.
    pub(crate) fn next_in_order(&self, index: u64, whole: Iterations, member: u32) -> Option<(i64, i64)> {
        self.wait_for_turn(index, member);
        let mut shares = self.locked();
        let new = || Share { iterations: whole, turns: VecDeque::new(), left: 0 };
        let share = shares.entry(index).or_insert_with(new);
        if share.turns.front() == Some(&member) {
            share.turns.pop_front();
        }
        let chunk = share.iterations.take();
        if chunk.is_some() {
            share.turns.push_back(member);
        }
        drop(shares);
        self.turn_ended.notify_all();
        chunk
    }

    /// Returns when the chunk of `member` is the first of those under way, or it has none.
    pub(crate) fn wait_for_turn(&self, index: u64, member: u32) {
        let mut shares = self.locked();
        while shares
            .get(&index)
            .is_some_and(|share| share.turns.contains(&member) && share.turns.front() != Some(&member))
        {
            shares = self.turn_ended.wait(shares).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// One of `size` members leaves work number `index`; the last one forgets it.
    pub(crate) fn leave(&self, index: u64, size: u32) {
        let mut shares = self.locked();
        let is_last = shares.get_mut(&index).is_some_and(|share| {
            share.left += 1;
            share.left == size
        });
        if is_last {
            shares.remove(&index);
        }
    }
}
