//! `pgeval ms-ssim`: diversity of a set of images.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, anyhow, bail};
use pg_cli::{CommonArgs, ExitStatus, Interrupt, Output, Progress, StderrNotes};
use pg_image::Planar;
use pg_metrics::{
    DiversityScore, ImagePair, MS_SSIM_MIN_SIDE_PX, MS_SSIM_SCALES, consecutive_pairs, distinct_pair_count,
    diversity, drawn_pairs, ms_ssim,
};
use pg_results::with_interval;
use rayon::prelude::*;

use crate::args::MsSsimArgs;
use crate::diversity_result::result;
use crate::image_set::ImageSet;
use crate::interruption::nothing_kept;

/// The paper's number of pairs.
const DEFAULT_PAIRS: usize = 10_000;
/// Work items between two looks at the interrupt flag; has no effect on results.
const BATCH: usize = 64;
/// Decoded images are kept up to this size in all; beyond it they are decoded once per pair.
const KEPT_BYTES: usize = 1 << 30;

pub(crate) fn run(args: &MsSsimArgs, common: &CommonArgs, interrupt: &Interrupt) -> Result<ExitStatus> {
    let set = ImageSet::open("IMAGES", &args.images, args.input, None)?;
    set.note_left_out("IMAGES", StderrNotes::new(common.quiet));
    check(&set)?;
    let seed = args.seed.unwrap_or(0);
    let pairs = choose_pairs(args, seed, set.len())?;

    let style = common.progress_style();
    let used: BTreeSet<usize> = pairs.iter().flat_map(|pair| [pair.first, pair.second]).collect();
    let keep = used.len().saturating_mul(3 * set.width_px() * set.height_px()) <= KEPT_BYTES;
    let kept = if keep { read_all(&set, &used, style, interrupt)? } else { Vec::new() };

    let progress = Progress::new(style, "compare", "pairs", pairs.len() as u64);
    let mut scores = Vec::with_capacity(pairs.len());
    for batch in pairs.chunks(BATCH) {
        interrupt.check(nothing_kept)?;
        let scored: Vec<Result<f64>> = batch.par_iter().map(|pair| score_pair(&set, &kept, *pair)).collect();
        for score in scored {
            scores.push(score?);
        }
        progress.advance(batch.len() as u64);
    }
    progress.finish();

    if let Some(warning) = set.size_warning("IMAGES") {
        StderrNotes::new(common.quiet).warning(warning);
    }
    let score = diversity(&pairs, &scores)?;
    if args.json {
        let provenance_seed = (!args.consecutive).then_some(seed);
        Output.json(&result(&score, args, provenance_seed, &set, used.len(), pairs.len()).checked()?)?;
    } else {
        print_table(&score, args, seed, &set, pairs.len())?;
    }
    Ok(ExitStatus::Done)
}

fn check(set: &ImageSet) -> Result<()> {
    if set.len() < 2 {
        bail!(
            "IMAGES {} holds 1 image ({}): MS-SSIM compares pairs, it needs at least 2; give more images",
            set.argument(),
            set.name(0)
        );
    }
    if set.width_px().min(set.height_px()) < MS_SSIM_MIN_SIDE_PX {
        bail!(
            "{} has {}x{} pixels: MS-SSIM with {MS_SSIM_SCALES} scales needs at least {MS_SSIM_MIN_SIDE_PX} on both sides; use larger images",
            set.name(0),
            set.width_px(),
            set.height_px()
        );
    }
    Ok(())
}

fn choose_pairs(args: &MsSsimArgs, seed: u64, images: usize) -> Result<Vec<ImagePair>> {
    if args.consecutive {
        let mut pairs = consecutive_pairs(images)?;
        if let Some(asked) = args.pairs {
            if asked > pairs.len() {
                bail!(
                    "--pairs {asked}: {images} images make only {} consecutive pairs; ask for fewer, or leave --consecutive out",
                    pairs.len()
                );
            }
            pairs.truncate(asked);
        }
        return Ok(pairs);
    }
    let wanted = args.pairs.unwrap_or_else(|| DEFAULT_PAIRS.min(distinct_pair_count(images)));
    drawn_pairs(images, wanted, seed).map_err(|error| anyhow!("--pairs {wanted}: {error}"))
}

/// The images used, at their index; the others are `None`.
fn read_all(
    set: &ImageSet,
    used: &BTreeSet<usize>,
    style: pg_cli::ProgressStyle,
    interrupt: &Interrupt,
) -> Result<Vec<Option<Planar<u8>>>> {
    let progress = Progress::new(style, "read", "images", used.len() as u64);
    let indices: Vec<usize> = used.iter().copied().collect();
    let mut kept = vec![None; set.len()];
    for batch in indices.chunks(BATCH) {
        interrupt.check(nothing_kept)?;
        let images: Vec<Result<Planar<u8>>> = batch.par_iter().map(|&index| set.read(index)).collect();
        for (&index, image) in batch.iter().zip(images) {
            kept[index] = Some(image?);
        }
        progress.advance(batch.len() as u64);
    }
    progress.finish();
    Ok(kept)
}

fn score_pair(set: &ImageSet, kept: &[Option<Planar<u8>>], pair: ImagePair) -> Result<f64> {
    let context = || format!("compare {} with {}", set.name(pair.first), set.name(pair.second));
    match (kept.get(pair.first), kept.get(pair.second)) {
        (Some(Some(first)), Some(Some(second))) => ms_ssim(first, second).with_context(context),
        _ => ms_ssim(&set.read(pair.first)?, &set.read(pair.second)?).with_context(context),
    }
}

fn print_table(
    score: &DiversityScore,
    args: &MsSsimArgs,
    seed: u64,
    set: &ImageSet,
    pairs: usize,
) -> std::io::Result<()> {
    Output.line("MS-SSIM between images, 0 to 1 (lower means more diverse)")?;
    Output.line("")?;
    Output.line("  value     95 % interval")?;
    let (value, interval) = with_interval(score.value, Some(score.interval));
    Output.line(format_args!("  {value:<6}    {}", interval.unwrap_or_default()))?;
    Output.line("")?;
    let pairing = if args.consecutive { "consecutive".to_owned() } else { format!("drawn with seed {seed}") };
    Output.line(format_args!("  {pairs} pairs, {pairing}"))?;
    Output.line(format_args!(
        "  {} images of {}x{} pixels, {}",
        set.len(),
        set.width_px(),
        set.height_px(),
        set.argument()
    ))
}
