//! One file per command; each gets what was typed and a session, and says how it ended.

mod align;
mod compare;
mod export;
mod extract;
mod info;
mod merge;
mod pack;
mod select;
mod synth;
mod verify;
mod view;

use pg_cli::ExitStatus;

use crate::args::{Args, Command};
use crate::session::{Session, TOOL};

/// `pgprep --version`
pub(crate) fn version() -> anyhow::Result<ExitStatus> {
    pg_cli::print_version(TOOL, &[("cloud", pg_cloud::IS_BUILT_IN)], &[])?;
    Ok(ExitStatus::Done)
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitStatus> {
    let session = Session::start(&args.common, &args.cloud, args.json)?;
    let ended = match args.command {
        Command::Align(args) => align::run(&session, &args),
        Command::Pack(args) => pack::run(&session, &args),
        Command::Merge(args) => merge::run(&session, &args),
        Command::Select(args) => select::run(&session, &args),
        Command::Info(args) => info::run(&session, &args),
        Command::Verify(args) => verify::run(&session, &args),
        Command::Compare(args) => compare::run(&session, &args),
        Command::View(args) => view::run(&session, &args),
        Command::Extract(args) => extract::run(&session, &args),
        Command::Export(args) => export::run(&session, &args),
        Command::Synth(args) => synth::run(&session, &args),
    };
    session.with_interruption(ended)
}
