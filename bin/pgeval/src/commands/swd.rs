//! `pgeval swd`: sliced Wasserstein distance between two sets of images.

mod reference;
mod shown;
mod sides;

use anyhow::Result;
use pg_cli::{CommonArgs, ExitStatus, Interrupt, Output, StderrNotes};

use crate::args::SwdArgs;

pub(super) use shown::result;
pub(super) use sides::Sides;

pub(crate) fn run(args: &SwdArgs, common: &CommonArgs, interrupt: &Interrupt) -> Result<ExitStatus> {
    let notes = StderrNotes::new(common.quiet);
    let sides = Sides::open(args, notes)?;
    let scored = sides.score(args, common, interrupt, &|_, _, _| Ok(()))?;
    sides.warn_of_images(notes);
    if args.json {
        Output.json(&result(&scored, args, &sides))?;
    } else {
        shown::print_table(&scored, args, &sides)?;
    }
    Ok(ExitStatus::Done)
}
