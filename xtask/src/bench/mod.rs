//! `cargo xtask bench`: pgkit and a peer, side by side in one run, as Markdown tables.

mod busy;
mod eval;
mod feed;
mod onnx;
mod peer;
mod prep;
mod ranks;
mod table;
mod train;

use std::process::Command;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};

use crate::process::{Verdict, captured};
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
    /// pgeval with a network: images a second, Frechet distance; the peer is benches/onnx_peer.py (torch-fidelity, SciPy)
    Onnx(onnx::Arguments),
    /// pgtrain: whole training steps and reading shards; the peers are benches/train_peer.py (eager PyTorch) and benches/feed_peer.py (its DataLoader, WebDataset)
    Train(train::Arguments),
    /// pgeval: descriptors, MS-SSIM and the sliced distance; the peer is benches/eval_peer.py (NumPy, SciPy)
    Eval(eval::Arguments),
    /// pgtrain beside busy processes and beside another run; the peer is benches/train_peer.py (eager PyTorch)
    Busy(busy::Arguments),
    /// pgtrain on one and two processes (Open MPI), sums during and after the backward pass
    Ranks(ranks::Arguments),
}

/// Runs `cargo xtask bench`.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<Verdict> {
    match &arguments.what {
        What::Prep(arguments) => prep::run(workspace, arguments),
        What::Onnx(arguments) => onnx::run(workspace, arguments),
        What::Train(arguments) => train::run(workspace, arguments),
        What::Eval(arguments) => eval::run(workspace, arguments),
        What::Busy(arguments) => busy::run(workspace, arguments),
        What::Ranks(arguments) => ranks::run(workspace, arguments),
    }
}

/// Runs `command` to its end; what it printed.
fn done(command: &mut Command) -> Result<String> {
    match captured(command)? {
        Ok(text) => Ok(text),
        Err(said) => bail!("{command:?} failed:\n{said}"),
    }
}
