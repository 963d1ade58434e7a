//! One file per subcommand.

mod export;
mod interpolate;
mod plan;
mod run;
mod sample;
mod toy;

use pg_cli::{ExitStatus, StderrNotes};

use crate::args::{Args, Command};

pub(crate) fn run(args: Args) -> anyhow::Result<ExitStatus> {
    let notes = StderrNotes::new(args.common.quiet);
    match args.command {
        Command::Run(command) => run::start(&command, &args.common, notes),
        Command::Resume(command) => run::resume(&command, &args.common, notes),
        Command::Plan(command) => plan::plan(&command, &args.common, notes),
        Command::Sample(command) => sample::sample(&command, &args.common, notes),
        Command::Toy(command) => toy::toy(&command, &args.common, notes),
        Command::Grid(command) => sample::grid(&command, &args.common, notes),
        Command::Export(command) => export::export(&command, &args.common, notes),
        Command::Interpolate(command) => interpolate::interpolate(&command, &args.common, notes),
    }
}
