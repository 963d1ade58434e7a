//! pgtrain: trains progressively grown GANs on pgkit datasets, resumes them exactly, and samples.

mod animation;
mod args;
mod commands;
mod cuda_library;
mod device;
mod evaluation;
mod image_output;
mod labelled_sheet;
mod launch;
mod memory;
#[cfg(feature = "mpi")]
mod mpi_ranks;
mod pictures;
mod probe;
mod run_observer;
mod settings;
mod toy_picture;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    pg_cli::run_to_exit(commands::run(args::Args::parse()))
}
