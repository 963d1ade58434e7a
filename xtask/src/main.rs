//! The build tooling of pgkit, run as `cargo xtask <command>`: native libraries, checks, tests, docs.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a developer's tool: printing is its interface"
)]

mod bench;
mod check;
mod demo;
mod docs;
mod pinned_wheels;
mod process;
mod processors;
mod setup;
mod test;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::process::Verdict;
use crate::workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "The build tooling of pgkit")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Bring libtorch and ONNX Runtime into .deps/ (needs python3 with pip, and a network, once)
    Setup(setup::Arguments),
    /// Photos to scores in minutes: draw, align, pack, train, sample, score (calls setup first)
    Demo(demo::Arguments),
    /// Format, repository and dependency rules, clippy, documentation, licences: cheapest first
    Check(check::Arguments),
    /// All unit, golden and command line tests (calls setup first)
    Test(test::Arguments),
    /// Measure pgkit beside a peer, in one run
    Bench(bench::Arguments),
    /// Print the instructions that this process believes the processor to have
    #[command(hide = true)]
    Features,
    /// Build the API documentation, and the guide where mdbook is installed
    Docs(docs::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(Verdict::Good) => ExitCode::SUCCESS,
        Ok(Verdict::Bad) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<Verdict> {
    let workspace = Workspace::locate()?;
    match arguments.command {
        Command::Setup(arguments) => setup::run(&workspace, &arguments),
        Command::Demo(arguments) => demo::run(&workspace, &arguments),
        Command::Check(arguments) => check::run(&workspace, &arguments),
        Command::Test(arguments) => test::run(&workspace, &arguments),
        Command::Bench(arguments) => bench::run(&workspace, &arguments),
        Command::Features => {
            println!("{}", processors::features());
            Ok(Verdict::Good)
        }
        Command::Docs(arguments) => docs::run(&workspace, &arguments),
    }
}
