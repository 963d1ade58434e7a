//! `pgeval fid`

use anyhow::Result;
use pg_cli::{CommonArgs, ExitStatus, Interrupt};

use crate::args::FidArgs;
use crate::feature_output::show;
use crate::features::{Comparison, frechet_score};

pub(crate) fn run(args: &FidArgs, common: &CommonArgs, interrupt: &Interrupt) -> Result<ExitStatus> {
    let shared = &args.sides.shared;
    let comparison = Comparison::open(&args.sides, common, interrupt)?;
    let score = frechet_score(&comparison, args.extrapolate, shared.seed, common, interrupt)?;
    show("Frechet distance of features (FID), lower is nearer", [score], &comparison.context, shared, common)
}
