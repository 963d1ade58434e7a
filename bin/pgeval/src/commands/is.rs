//! `pgeval is`

use anyhow::Result;
use pg_cli::{CommonArgs, ExitStatus, Interrupt};

use crate::args::IsArgs;
use crate::feature_output::show;
use crate::features::{open_images, recognition_score};

pub(crate) fn run(args: &IsArgs, common: &CommonArgs, interrupt: &Interrupt) -> Result<ExitStatus> {
    let shared = &args.shared;
    let (known, context) = open_images("IMAGES", &args.set, shared, common, interrupt)?;
    let score = recognition_score("IMAGES", &known, &context, args.splits, shared.seed)?;
    show("Inception score, higher is better", [score], &context, shared, common)
}
