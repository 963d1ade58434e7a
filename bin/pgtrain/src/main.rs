//! pgtrain: trains progressively grown GANs on pgkit datasets, resumes them exactly, and samples.

mod animation;
mod args;
mod commands;
mod device;
mod evaluation;
mod image_output;
mod labelled_sheet;
mod launch;
mod level_times;
mod libtorch;
mod memory;
#[cfg(feature = "mpi")]
mod mpi_ranks;
mod opened_snapshot;
mod phases;
mod pictures;
mod probe;
mod run_observer;
mod settings;
mod time_left;
mod toy_picture;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

/// Instead of what the other tools say of `--threads`.
const THREADS_HELP: &str =
    "Worker threads [default: all cores]; on the CPU, results depend on their number in rounding";

fn main() -> ExitCode {
    if pg_cli::asks_for_version() {
        return pg_cli::run_to_exit(commands::version());
    }
    let command = args::Args::command().mut_arg("threads", |threads| threads.help(THREADS_HELP));
    let args = args::Args::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit());
    pg_cli::run_to_exit(commands::run(args))
}
