//! One file per subcommand.

mod bench;
mod export;
mod interpolate;
mod plan;
mod run;
mod sample;
mod styles;
mod toy;

use pg_cli::{ExitStatus, Provenance, StderrNotes};
use pg_schedule::TrainingSettings;

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

/// What made a result that follows from settings alone.
fn settings_provenance(settings: &TrainingSettings) -> serde_json::Result<Provenance> {
    let provenance = Provenance::of_this_process("pgtrain", env!("CARGO_PKG_VERSION"), Some(settings.seed));
    let values = serde_json::to_value(settings)?;
    let pairs = values.as_object().into_iter().flatten();
    Ok(pairs.fold(provenance, |provenance, (key, value)| provenance.setting(key, value.clone())))
}
