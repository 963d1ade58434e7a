//! One file per subcommand.

mod bench;
mod export;
mod interpolate;
mod plan;
mod run;
mod sample;
mod styles;
mod toy;

use pg_cli::{ExitStatus, StderrNotes};

use crate::args::{Args, Command};
use crate::launch;
use crate::libtorch;

/// `pgtrain --version`
pub(crate) fn version() -> anyhow::Result<ExitStatus> {
    let tool = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    pg_cli::print_version(tool, &[("mpi", cfg!(feature = "mpi"))], &[libtorch::describe()])?;
    Ok(ExitStatus::Done)
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitStatus> {
    let notes = StderrNotes::new(args.common.quiet);
    if !matches!(args.command, Command::Run(_) | Command::Resume(_)) {
        launch::refuse_several()?;
    }
    match args.command {
        Command::Run(command) => run::start(&command, &args.common, notes),
        Command::Resume(command) => run::resume(&command, &args.common, notes),
        Command::Plan(command) => plan::plan(&command, &args.common, notes),
        Command::Bench(command) => bench::bench(&command, &args.common, notes),
        Command::Sample(command) => sample::sample(&command, &args.common, notes),
        Command::Toy(command) => toy::toy(&command, &args.common, notes),
        Command::Grid(command) => sample::grid(&command, &args.common, notes),
        Command::Mix(command) => styles::mix(&command, &args.common, notes),
        Command::Generate(command) => styles::generate(&command, &args.common, notes),
        Command::Noise(command) => styles::noise(&command, &args.common, notes),
        Command::Export(command) => export::export(&command, &args.common, notes),
        Command::Interpolate(command) => interpolate::interpolate(&command, &args.common, notes),
    }
}
