//! Shared by the binaries: exit status, error report, output, progress, interruption, provenance, and what
//! flags of one name take.
//!
//! The libraries below never print, never read the environment and never parse arguments; this crate
//! and the binaries do.

mod bus_error;
mod cloud_args;
mod common_args;
mod disk_room;
mod exit;
mod fit_choice;
mod interrupt;
mod level_choice;
mod output;
mod part;
mod path_values;
mod progress;
mod provenance;
mod scratch_names;
mod terminal_text;
mod version;

pub use cloud_args::CloudArgs;
pub use common_args::CommonArgs;
pub use disk_room::{FullDisk, explain_full_disk};
pub use exit::{ExitStatus, WorkFailed, report, run_to_exit, status_of};
pub use fit_choice::FitChoice;
pub use interrupt::{Interrupt, Interrupted};
pub use level_choice::LevelChoice;
pub use output::{Output, StderrNotes};
pub use part::{PartArgs, PartChoice};
pub use path_values::{local_path, path_flags, path_or_url, url_complaints, url_scheme};
pub use progress::{Progress, ProgressStyle};
pub use provenance::Provenance;
pub use scratch_names::{is_in_scratch, shown};
pub use version::{asks_for_version, print_version};
