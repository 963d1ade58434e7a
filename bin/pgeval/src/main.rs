//! pgeval scores sets of images: how near generated images come to real ones, and how different they
//! are from each other.

mod args;
mod at_url;
mod commands;
mod described;
mod diversity_result;
mod feature_metrics;
mod feature_output;
mod features;
mod image_set;
mod interruption;
mod latent_measures;
mod metric_result;
mod outcome;
mod report_data;
mod swd_comparison;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    if pg_cli::asks_for_version() {
        return pg_cli::run_to_exit(commands::version());
    }
    let args = args::Args::parse();
    pg_cli::run_to_exit(commands::run(args))
}
