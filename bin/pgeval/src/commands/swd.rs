//! `pgeval swd`: sliced Wasserstein distance between two sets of images.

use anyhow::Result;
use pg_cli::{CommonArgs, ExitStatus, Interrupt, Output, StderrNotes};

use crate::args::SwdArgs;
use crate::swd_comparison::{Sides, print_table, result};

pub(crate) fn run(args: &SwdArgs, common: &CommonArgs, interrupt: &Interrupt) -> Result<ExitStatus> {
    let notes = StderrNotes::new(common.quiet);
    let sides = Sides::open(args, notes)?;
    let described = sides.describe(args, None, common, interrupt, &|_, _, _| Ok(()))?;
    let scored = described.score(args, common, interrupt)?;
    let sides = &described.sides;
    sides.warn_of_images(notes);
    let result = result(&scored, args, sides).checked()?;
    if args.json {
        Output.json(&result)?;
    } else {
        print_table(&scored, args, sides)?;
    }
    Ok(ExitStatus::Done)
}
