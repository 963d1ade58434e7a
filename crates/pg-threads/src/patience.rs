//! How long a thread spins before it sleeps.

use std::hint;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use nix::sys::resource::{UsageWho, getrusage};

/// Longest spin while every thread has a processor of its own.
const CALM_SPIN: Duration = Duration::from_micros(300);
/// Longest spin while other processes want the processors too.
const CROWDED_SPIN: Duration = Duration::from_micros(5);
/// A spinning thread reads the clock every microsecond; a step as long as this means that it did not run.
const PREEMPTED: Duration = Duration::from_micros(200);
/// How long spins stay short after a thread lost its processor: doubled each time it happens again.
const CROWDED_FIRST: Duration = Duration::from_millis(20);
pub(crate) const CROWDED_LONGEST: Duration = Duration::from_millis(1280);
/// How often the owner asks the system whether it lost its processor.
const ASKING_INTERVAL: Duration = Duration::from_millis(10);
/// Looks between two readings of the clock.
const LOOKS: u32 = 32;

/// Decides between spinning, which answers within a microsecond, and sleeping, which leaves the processor to others.
///
/// A spinning thread uses up its share of a processor that another process wants. The scheduler then takes the
/// processor away while the thread has work, and its siblings wait for it. A thread that finds that it lost the
/// processor, while it spun or since it last asked the system, therefore shortens all spins of its pool for a while.
#[derive(Debug)]
pub(crate) struct Patience {
    base: Instant,
    /// Nanoseconds since `base` until which spins are short.
    crowded_until: AtomicU64,
    /// How long the last shortening was meant to last, in nanoseconds.
    crowded_for: AtomicU64,
    /// When the owner next asks the system, in nanoseconds since `base`.
    next_question: AtomicU64,
    /// How often the owner had lost its processor when it last asked.
    switches: AtomicU64,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Self {
            base: Instant::now(),
            crowded_until: AtomicU64::new(0),
            crowded_for: AtomicU64::new(0),
            next_question: AtomicU64::new(0),
            switches: AtomicU64::new(0),
        }
    }

    /// Asks the system, if it is time, whether the calling thread lost its processor since it last asked, in a loop or
    /// between two; to be called by one thread only.
    pub(crate) fn ask(&self, now: Instant) {
        let nanoseconds = self.nanoseconds(now);
        if nanoseconds < self.next_question.load(Ordering::Relaxed) {
            return;
        }
        self.next_question.store(nanoseconds + ASKING_INTERVAL.as_nanos() as u64, Ordering::Relaxed);
        let switches = involuntary_switches();
        if self.switches.swap(switches, Ordering::Relaxed) != switches {
            self.lost_processor(now);
        }
    }

    /// Spins until `ready`, but not for long; whether it is.
    pub(crate) fn spin_until(&self, ready: impl Fn() -> bool) -> bool {
        if looks(&ready) {
            return true;
        }
        let start = Instant::now();
        let longest = if self.is_crowded(start) { CROWDED_SPIN } else { CALM_SPIN };
        let mut last = start;
        loop {
            if looks(&ready) {
                return true;
            }
            let now = Instant::now();
            if now - last > PREEMPTED {
                self.lost_processor(now);
                return ready();
            }
            if now - start > longest {
                return false;
            }
            last = now;
        }
    }

    fn nanoseconds(&self, now: Instant) -> u64 {
        u64::try_from((now - self.base).as_nanos()).unwrap_or(u64::MAX)
    }

    /// Whether a thread lost its processor lately.
    pub(crate) fn is_crowded(&self, now: Instant) -> bool {
        self.nanoseconds(now) < self.crowded_until.load(Ordering::Relaxed)
    }

    /// Shortens spins from `now` on: for longer where the last time is not long past.
    pub(crate) fn lost_processor(&self, now: Instant) {
        let now = self.nanoseconds(now);
        let (until, lasted) =
            (self.crowded_until.load(Ordering::Relaxed), self.crowded_for.load(Ordering::Relaxed));
        let nanoseconds = |duration: Duration| duration.as_nanos() as u64;
        let again = now < until.saturating_add(lasted);
        let length = if again { lasted.saturating_mul(2) } else { 0 };
        let length = length.clamp(nanoseconds(CROWDED_FIRST), nanoseconds(CROWDED_LONGEST));
        self.crowded_for.store(length, Ordering::Relaxed);
        self.crowded_until.store(now.saturating_add(length), Ordering::Relaxed);
    }
}

fn looks(ready: &impl Fn() -> bool) -> bool {
    (0..LOOKS).any(|_| {
        hint::spin_loop();
        ready()
    })
}

/// How often the system took the processor away from the calling thread.
#[cfg(target_os = "linux")]
fn involuntary_switches() -> u64 {
    getrusage(UsageWho::RUSAGE_THREAD).map_or(0, |usage| usage.involuntary_context_switches().unsigned_abs())
}

#[cfg(not(target_os = "linux"))]
fn involuntary_switches() -> u64 {
    0
}
