//! `cargo xtask bench`: pgkit and a peer, side by side in one run, as Markdown tables.

mod peer;
mod prep;
mod table;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::process::Verdict;
use crate::workspace::Workspace;

/// Arguments of `cargo xtask bench`.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// pgprep: alignment, levels and shards, threads; the peer is benches/prep_peer.py (Pillow, NumPy, SciPy)
    Prep(prep::Arguments),
}

/// Runs `cargo xtask bench`.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Verdict> {
    match &arguments.what {
        What::Prep(arguments) => prep::run(workspace, arguments),
    }
}
