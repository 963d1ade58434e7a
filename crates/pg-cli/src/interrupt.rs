//! Ctrl-C and SIGTERM: finish what is in hand, say how to resume, exit 130 or 143.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// The error that a command returns after it stopped early on a signal.
#[derive(Debug)]
pub struct Interrupted {
    /// The signal's number: 2 for Ctrl-C, 15 for SIGTERM.
    pub signal: i32,
    /// What was kept and how to go on, shown to the user.
    pub advice: String,
}

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = if self.signal == SIGINT { "Ctrl-C" } else { "SIGTERM" };
        write!(f, "interrupted by {name}: {}", self.advice)
    }
}

impl std::error::Error for Interrupted {}

/// Watches for Ctrl-C and SIGTERM. A second signal ends the process at once.
#[derive(Debug, Clone)]
pub struct Interrupt {
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Installs the handlers.
    ///
    /// # Errors
    /// When the operating system refuses the handlers.
    pub fn install() -> io::Result<Self> {
        let signal = Arc::new(AtomicUsize::new(0));
        for number in [SIGINT, SIGTERM] {
            let seen = Arc::new(AtomicBool::new(false));
            // Order matters: the shutdown looks at the flag before this very signal sets it.
            flag::register_conditional_shutdown(number, 128 + number, Arc::clone(&seen))?;
            flag::register(number, seen)?;
            flag::register_usize(number, Arc::clone(&signal), usize::try_from(number).unwrap_or(2))?;
        }
        Ok(Self { signal })
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
