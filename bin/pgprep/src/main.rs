//! `pgprep`: builds CelebA-HQ-style multi-resolution datasets.

mod args;
mod at_url;
mod commands;
mod dataset_labels;
mod disk_space;
mod files_part;
mod image_items;
mod output_names;
mod pack_source;
mod pipeline;
mod resumable;
mod session;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    pg_cli::run_to_exit(commands::run(args::Args::parse()))
}
