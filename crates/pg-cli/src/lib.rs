//! Shared by the three binaries: exit status, error report, output, progress, interruption, provenance.
//!
//! The libraries below never print, never read the environment and never parse arguments; this crate
//! and the binaries do.

mod common_args;
mod exit;
mod interrupt;
mod output;
mod progress;
mod provenance;

pub use common_args::CommonArgs;
pub use exit::{ExitStatus, run_to_exit};
pub use interrupt::{Interrupt, Interrupted};
pub use output::{Output, StderrNotes};
pub use progress::{Progress, ProgressStyle};
pub use provenance::Provenance;
