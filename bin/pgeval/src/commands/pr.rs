//! `pgeval pr`

use anyhow::Result;
use pg_cli::{CommonArgs, ExitStatus, Interrupt};

use crate::args::PrArgs;
use crate::feature_output::show;
use crate::features::{Comparison, manifold_scores};

pub(crate) fn run(args: &PrArgs, common: &CommonArgs, interrupt: &Interrupt) -> Result<ExitStatus> {
    let shared = &args.sides.shared;
    let comparison = Comparison::open(&args.sides, common, interrupt)?;
    let scores = manifold_scores(&comparison, args.neighbours, common, interrupt)?;
    show(
        "Precision and recall of features, 0 to 1, higher is better",
        scores,
        &comparison.context,
        shared,
        common,
    )
}
