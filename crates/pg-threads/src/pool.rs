//! Parts of a loop, claimed by the thread that has the loop and by its workers.
#![allow(unsafe_code, reason = "workers borrow the loop's body; `Job::call` states why it is still there")]

use std::any::Any;
use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::patience::Patience;

/// Stack of a worker: as much as the main thread has, for kernels of libtorch that keep their blocks there.
const STACK_BYTES: usize = 8 << 20;
/// How much waiting for workers, while processors are scarce, is enough to judge by.
const ENOUGH_WAITED: Duration = Duration::from_millis(2);
/// Most parts of one loop.
pub(crate) const MOST_PARTS: usize = u16::MAX as usize;

/// Workers of one thread, which is their owner: it starts all loops.
#[derive(Debug)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
    workers: Vec<Arc<Worker>>,
    help: Help,
}

#[derive(Debug)]
struct Worker {
    thread: Thread,
    sleeps: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Shared {
    /// Of the current loop: its number, how many parts it has, and the next one that nobody took yet.
    claims: AtomicU64,
    /// Parts that are not done.
    unfinished: AtomicU32,
    job: Mutex<Option<Job>>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    owner: Thread,
    owner_sleeps: AtomicBool,
    ended: AtomicBool,
    patience: Arc<Patience>,
}

/// The body of a loop, without its lifetime.
#[derive(Debug, Clone, Copy)]
struct Job {
    body: *const (dyn Fn(usize) + Sync),
}

// SAFETY: the body is Sync, and `call` says why the pointer is good.
unsafe impl Send for Job {}

impl Job {
    /// Runs the body on a part that was claimed and is not finished.
    fn call(self, part: usize) {
        // SAFETY: `Pool::run` borrows the body until all parts are finished, and the caller's is not.
        let body = unsafe { &*self.body };
        body(part);
    }
}

/// A claim's three numbers in one word, so that a worker that comes late cannot take a part of another loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Claims {
    number: u32,
    parts: u16,
    next: u16,
}

impl Claims {
    fn of(word: u64) -> Self {
        Self { number: (word >> 32) as u32, parts: (word >> 16) as u16, next: word as u16 }
    }

    fn word(self) -> u64 {
        u64::from(self.number) << 32 | u64::from(self.parts) << 16 | u64::from(self.next)
    }
}

impl Pool {
    /// No workers yet. The calling thread is the owner.
    pub(crate) fn new() -> Self {
        let shared = Shared {
            claims: AtomicU64::new(0),
            unfinished: AtomicU32::new(0),
            job: Mutex::new(None),
            panic: Mutex::new(None),
            owner: thread::current(),
            owner_sleeps: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            patience: Arc::new(Patience::new()),
        };
        Self { shared: Arc::new(shared), workers: Vec::new(), help: Help::default() }
    }

    /// How its threads wait.
    pub(crate) fn patience(&self) -> &Arc<Patience> {
        &self.shared.patience
    }

    /// Starts workers until there are `count`.
    pub(crate) fn grow(&mut self, count: usize) -> io::Result<()> {
        while self.workers.len() < count {
            let sleeps = Arc::new(AtomicBool::new(false));
            let (shared, flag) = (Arc::clone(&self.shared), Arc::clone(&sleeps));
            let name = format!("compute-{}", self.workers.len() + 1);
            let started = thread::Builder::new()
                .name(name)
                .stack_size(STACK_BYTES)
                .spawn(move || shared.work(&flag))?;
            self.workers.push(Arc::new(Worker { thread: started.thread().clone(), sleeps }));
        }
        Ok(())
    }

    pub(crate) fn workers(&self) -> usize {
        self.workers.len()
    }

    /// Calls `body` for every part of `0..parts`, with at most `helpers` workers. The owner takes part 0 and, while
    /// workers have not begun them, the others; so a worker that gets no processor holds up only what it has begun.
    ///
    /// Every part may wait for all the others to begin.
    pub(crate) fn run(&self, parts: usize, helpers: usize, body: &(dyn Fn(usize) + Sync)) {
        self.shared.patience.ask(Instant::now());
        self.run_measured(parts, helpers, body);
    }

    /// The same for parts that never wait for each other: while processors are scarce and workers were seen to cost
    /// more than they save, the owner does all of them.
    pub(crate) fn run_apart(&self, parts: usize, helpers: usize, body: &(dyn Fn(usize) + Sync)) {
        let now = Instant::now();
        self.shared.patience.ask(now);
        if !self.shared.patience.is_crowded(now) {
            self.help.forget();
            self.run_measured(parts, helpers, body);
        } else if self.help.is_worth_it() {
            self.help.add(self.run_measured(parts, helpers, body));
        } else {
            (0..parts).for_each(body);
        }
    }

    fn run_measured(&self, parts: usize, helpers: usize, body: &(dyn Fn(usize) + Sync)) -> Helped {
        assert!((1..=MOST_PARTS).contains(&parts), "{parts} parts");
        let shared = &*self.shared;
        let erased: *const (dyn Fn(usize) + Sync + '_) = body;
        // SAFETY: only the lifetime changes; the pointer is used while the body is borrowed here, see `Job::call`.
        #[expect(clippy::transmute_ptr_to_ptr, reason = "a cast cannot lengthen a lifetime")]
        let erased: *const (dyn Fn(usize) + Sync + 'static) = unsafe { std::mem::transmute(erased) };
        *locked(&shared.job) = Some(Job { body: erased });
        shared.unfinished.store(parts as u32, Ordering::Relaxed);
        let number = Claims::of(shared.claims.load(Ordering::Relaxed)).number.wrapping_add(1);
        let claims = Claims { number, parts: parts as u16, next: 1 };
        shared.claims.store(claims.word(), Ordering::SeqCst);
        for worker in self.workers.iter().take(helpers.min(parts - 1)) {
            if worker.sleeps.load(Ordering::SeqCst) && worker.sleeps.swap(false, Ordering::SeqCst) {
                worker.thread.unpark();
            }
        }
        let job = Job { body: erased };
        let start = Instant::now();
        shared.finish(job, 0);
        let mut done = 1;
        while let Some((_, part)) = shared.claim() {
            shared.finish(job, part);
            done += 1;
        }
        let worked = Instant::now();
        shared.wait_for_all();
        if let Some(panic) = locked(&shared.panic).take() {
            resume_unwind(panic);
        }
        let waited = worked.elapsed();
        let saved = (worked - start).mul_f64((parts - done) as f64 / done as f64);
        Helped { saved, waited }
    }
}

/// What workers did for a loop.
#[derive(Debug, Clone, Copy)]
struct Helped {
    /// How long the owner would have worked on their parts.
    saved: Duration,
    /// How long it waited for them.
    waited: Duration,
}

/// Whether workers are worth their wait, since the processors became scarce.
#[derive(Debug, Default)]
struct Help {
    saved: Cell<Duration>,
    waited: Cell<Duration>,
}

impl Help {
    fn forget(&self) {
        self.saved.set(Duration::ZERO);
        self.waited.set(Duration::ZERO);
    }

    fn add(&self, helped: Helped) {
        self.saved.set(self.saved.get() + helped.saved);
        self.waited.set(self.waited.get() + helped.waited);
    }

    fn is_worth_it(&self) -> bool {
        let (saved, waited) = (self.saved.get(), self.waited.get());
        waited < ENOUGH_WAITED || waited < saved
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        for worker in &self.workers {
            worker.sleeps.store(false, Ordering::SeqCst);
            worker.thread.unpark();
        }
    }
}

impl Shared {
    /// A part that nobody took, with the number of its loop.
    fn claim(&self) -> Option<(u32, usize)> {
        let mut word = self.claims.load(Ordering::SeqCst);
        loop {
            let claims = Claims::of(word);
            if claims.next >= claims.parts {
                return None;
            }
            let taken = Claims { next: claims.next + 1, ..claims };
            match self.claims.compare_exchange_weak(word, taken.word(), Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return Some((claims.number, claims.next.into())),
                Err(found) => word = found,
            }
        }
    }

    fn has_parts(&self) -> bool {
        let claims = Claims::of(self.claims.load(Ordering::SeqCst));
        claims.next < claims.parts
    }

    fn finish(&self, job: Job, part: usize) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| job.call(part))) {
            locked(&self.panic).get_or_insert(panic);
        }
        if self.unfinished.fetch_sub(1, Ordering::SeqCst) == 1
            && self.owner_sleeps.swap(false, Ordering::SeqCst)
        {
            self.owner.unpark();
        }
    }

    fn wait_for_all(&self) {
        let done = || self.unfinished.load(Ordering::SeqCst) == 0;
        if self.patience.spin_until(done) {
            return;
        }
        loop {
            self.owner_sleeps.store(true, Ordering::SeqCst);
            if done() {
                break;
            }
            thread::park();
        }
        self.owner_sleeps.store(false, Ordering::SeqCst);
    }

    /// A worker's life.
    fn work(&self, sleeps: &AtomicBool) {
        let mut known: Option<(u32, Job)> = None;
        loop {
            while let Some((number, part)) = self.claim() {
                let job = match known {
                    Some((of, job)) if of == number => job,
                    _ => {
                        // The loop cannot end before the part that was just taken is finished: the job is its.
                        let Some(job) = *locked(&self.job) else { return };
                        known = Some((number, job));
                        job
                    }
                };
                self.finish(job, part);
            }
            let wanted = || self.has_parts() || self.ended.load(Ordering::SeqCst);
            if !self.patience.spin_until(wanted) {
                sleeps.store(true, Ordering::SeqCst);
                while !wanted() && sleeps.load(Ordering::SeqCst) {
                    thread::park();
                }
                sleeps.store(false, Ordering::SeqCst);
            }
            if self.ended.load(Ordering::SeqCst) {
                return;
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
