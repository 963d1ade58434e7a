//! Ctrl-C, SIGTERM and SIGHUP (a terminal that closes): finish what is in hand, say how to resume, exit 130, 143 or 129.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pg_cloud::CloudError;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use crate::bus_error;

/// The error that a command returns after it stopped early on a signal.
#[derive(Debug)]
pub struct Interrupted {
    /// The signal's number: 2 for Ctrl-C, 15 for SIGTERM, 1 for SIGHUP.
    pub signal: i32,
    /// What was kept and how to go on, shown to the user.
    pub advice: String,
}

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.signal {
            SIGINT => "Ctrl-C",
            SIGHUP => "SIGHUP (the terminal has gone)",
            _ => "SIGTERM",
        };
        write!(f, "interrupted by {name}: {}", self.advice)
    }
}

impl std::error::Error for Interrupted {}

/// Watches for Ctrl-C, SIGTERM and, unless the process ignores it (`nohup`), SIGHUP. A second signal of a kind ends the
/// process at once.
#[derive(Debug, Clone)]
pub struct Interrupt {
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Installs the handlers, and one that says why a process ends by SIGBUS.
    ///
    /// # Errors
    /// When the operating system refuses the handlers.
    pub fn install() -> io::Result<Self> {
        bus_error::explain()?;
        let signal = Arc::new(AtomicUsize::new(0));
        let hang_up = (!ignores_hang_up()).then_some(SIGHUP);
        for number in [SIGINT, SIGTERM].into_iter().chain(hang_up) {
            let seen = Arc::new(AtomicBool::new(false));
            // Order matters: the shutdown looks at the flag before this very signal sets it.
            flag::register_conditional_shutdown(number, 128 + number, Arc::clone(&seen))?;
            flag::register(number, seen)?;
            flag::register_usize(number, Arc::clone(&signal), usize::try_from(number).unwrap_or(2))?;
        }
        Ok(Self { signal })
    }

    /// `result`, where a signal ended a transfer as the interruption that it is, with `advice`.
    ///
    /// # Errors
    /// That of `result`, or [`Interrupted`]
    pub fn of_transfer<T>(
        &self,
        result: anyhow::Result<T>,
        advice: impl FnOnce() -> String,
    ) -> anyhow::Result<T> {
        let by_signal = |error: &anyhow::Error| {
            error.chain().any(|cause| matches!(cause.downcast_ref(), Some(CloudError::Interrupted { .. })))
        };
        if result.as_ref().is_err_and(by_signal) {
            self.check(advice)?;
        }
        result
    }

    /// True once a signal came.
    #[must_use]
    pub fn requested(&self) -> bool {
        self.signal.load(Ordering::Relaxed) != 0
    }

    /// The number of the signal that came.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        i32::try_from(self.signal.load(Ordering::Relaxed)).ok().filter(|&signal| signal != 0)
    }

    /// `Err(Interrupted)` with `advice` once a signal came, for use at a safe point.
    ///
    /// # Errors
    /// [`Interrupted`].
    pub fn check(&self, advice: impl FnOnce() -> String) -> Result<(), Interrupted> {
        self.signal().map_or(Ok(()), |signal| Err(Interrupted { signal, advice: advice() }))
    }
}

/// Whether SIGHUP is ignored, as `nohup` asks for: then it is to stay so.
fn ignores_hang_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (SIGHUP - 1) & 1 == 1)
}
