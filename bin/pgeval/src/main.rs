//! pgeval scores sets of images: how near generated images come to real ones, and how different they
//! are from each other.

mod args;
mod at_url;
mod commands;
mod described;
mod features;
mod image_set;
mod latent_measures;
mod metric_result;
mod report_data;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    if pg_cli::asks_for_version() {
        return pg_cli::run_to_exit(commands::version());
    }
    let args = args::Args::parse();
    pg_cli::run_to_exit(commands::run(args))
}
