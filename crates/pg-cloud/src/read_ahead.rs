//! Objects asked for before it is their turn, so that nobody waits for one answer after the other.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use pg_sources::Item;

use crate::CloudError;
use crate::bucket::Started;
use crate::cloud::held;
use crate::remote::Remote;

/// Objects under way or waiting to be taken.
const AHEAD: usize = 64;
/// Bytes of those, by the listing; a single larger one is not fetched ahead.
const AHEAD_BYTES: u64 = 64 << 20;
/// A reader this far from the last one has gone elsewhere: what was fetched for the old place is dropped.
const JUMP: usize = 4 * AHEAD;

/// The objects of a folder in the order in which they will be read.
#[derive(Debug)]
pub(crate) struct ReadAhead {
    order: Vec<Item>,
    places: HashMap<String, usize>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    started: BTreeMap<usize, Started>,
    bytes: u64,
    /// The first place that was not started.
    next: usize,
}

impl ReadAhead {
    /// Items will be read as `order` says by their places in `items`.
    pub(crate) fn new(order: &[usize], items: &[Item]) -> Self {
        let order: Vec<Item> = order.iter().filter_map(|&i| items.get(i)).cloned().collect();
        let places = order.iter().enumerate().map(|(place, item)| (item.name.clone(), place)).collect();
        Self { order, places, state: Mutex::default() }
    }

    /// The whole object `name`, and the start of those that come next.
    pub(crate) fn read(&self, remote: &Remote, name: &str) -> Result<Vec<u8>, CloudError> {
        let Some(&place) = self.places.get(name) else { return remote.read(name, u64::MAX) };
        match self.taken(remote, place) {
            Some(started) => remote.wait(name, started),
            None => remote.read(name, u64::MAX),
        }
    }

    fn taken(&self, remote: &Remote, place: usize) -> Option<Started> {
        let mut state = held(&self.state);
        if place > state.next + JUMP || place + JUMP < state.next {
            *state = State { next: place, ..State::default() };
        }
        state.next = state.next.max(place + 1);
        let mine = state.started.remove(&place);
        if mine.is_some() {
            state.bytes -= self.order[place].bytes;
        }
        while let Some(item) = self.order.get(state.next)
            && state.next <= place + AHEAD
            && state.bytes + item.bytes <= AHEAD_BYTES
        {
            let (next, started) = (state.next, remote.start(&item.name));
            state.started.insert(next, started);
            state.bytes += item.bytes;
            state.next += 1;
        }
        mine
    }
}
