//! `pgeval kid`

use anyhow::Result;
use pg_cli::{CommonArgs, ExitStatus, Interrupt};
use pg_metrics::KernelSubsets;

use crate::args::KidArgs;
use crate::feature_output::show;
use crate::features::{Comparison, kernel_score};

pub(crate) fn run(args: &KidArgs, common: &CommonArgs, interrupt: &Interrupt) -> Result<ExitStatus> {
    let shared = &args.sides.shared;
    let comparison = Comparison::open(&args.sides, common, interrupt)?;
    let subsets = KernelSubsets { count: args.subsets, size: args.subset_size, seed: shared.seed };
    let score = kernel_score(&comparison, subsets, common, interrupt)?;
    show("Kernel distance of features (KID), lower is nearer", [score], &comparison.context, shared, common)
}
