//! `pgprep`: builds CelebA-HQ-style multi-resolution datasets.

mod align_job;
mod align_preview;
mod args;
mod at_url;
mod build_results;
mod building;
mod commands;
mod dataset_labels;
mod image_items;
mod level_images;
mod pack_job;
mod pack_source;
mod repair;
mod session;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    if pg_cli::asks_for_version() {
        return pg_cli::run_to_exit(commands::version());
    }
    pg_cli::run_to_exit(commands::run(args::Args::parse()))
}
