//! `pgeval ls`: linear separability.

mod image_files;
mod shown;

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use ndarray::{Array2, Axis, concatenate};
use pg_cli::{CommonArgs, ExitStatus, Interrupt, Progress, StderrNotes};
use pg_image::Planar;
use pg_sources::attribute_answers;
use pg_stats::{NpzArray, write_arrays};
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::args::LsArgs;
use crate::interruption::nothing_kept;
use crate::latent_measures::{
    Attributes, Drawing, Networks, OpenedGenerator, SeparabilityScore, groups_of_one_noise, separate,
};
use crate::metric_result::Warning;

/// Below, planes fit chance.
const FEW_POINTS_PER_COMPONENT: usize = 20;

/// All that a result says.
struct Found {
    score: SeparabilityScore,
    names: Vec<String>,
    generator: OpenedGenerator,
    networks: Value,
    /// Of the classifiers, or the file of labels.
    told_by: Value,
    keep: usize,
    warnings: Vec<Warning>,
}

fn labels_of(path: &Path, args: &LsArgs) -> Result<(Vec<String>, Array2<f32>)> {
    attribute_answers(path, args.answers.into(), args.samples).context("--labels cannot be used")
}

pub(crate) fn run(args: &LsArgs, common: &CommonArgs, interrupt: &Interrupt) -> Result<ExitStatus> {
    let keep = args.keep.unwrap_or(args.samples.div_ceil(2));
    if keep > args.samples || keep < 2 {
        bail!("--keep {keep}: expected 2 at least, and no more than the {} of --samples", args.samples);
    }
    let networks = Networks::load(&args.latents.runtime, common)?;
    // Before anything is drawn: mistakes in it are common.
    let labels = args.labels.as_ref().map(|path| labels_of(path, args)).transpose()?;
    let attributes = Attributes::open(&networks, args)?;
    let drawing = Drawing::open(&networks, &args.latents)?;
    if let Some(folder) = &args.images_to {
        return image_files::write(&drawing, folder, args, common, interrupt);
    }

    let see = |images: &[Planar<u8>], first: usize| attributes.answers(images, first);
    let (points, told) = if labels.is_some() {
        (all_points(&drawing, args, common, interrupt, None)?.0, None)
    } else {
        let (points, told) = all_points(&drawing, args, common, interrupt, Some(&see))?;
        (points, Some(told))
    };
    let (names, log_odds, told_by) = match (labels, told) {
        (Some((names, table)), _) => {
            let path = args.labels.as_ref().map(|path| path.display().to_string());
            (names, table, json!({ "labels": path, "answers": shown::answers_name(args.answers) }))
        }
        (None, told) => {
            let width = attributes.names.len();
            let numbers: Vec<f32> = told.unwrap_or_default().into_iter().flatten().collect();
            let table = Array2::from_shape_vec((args.samples, width), numbers)?;
            (attributes.names.clone(), table, json!({ "classifiers": attributes.described }))
        }
    };
    let score = separate(&points.view(), &log_odds.view(), &names, keep, common.progress_style(), interrupt)?;
    save(args, &points, &log_odds, &score)?;
    let warnings = warnings(&names, &score, keep, points.ncols());
    let generator = drawing.opened.clone();
    let found = Found { score, names, generator, networks: networks.describe(), told_by, keep, warnings };
    shown::show(args, &found, StderrNotes::new(common.quiet))
}

/// What tells answers of the images of the samples from a number on.
type See<'a> = &'a (dyn Fn(&[Planar<u8>], usize) -> Result<Vec<Vec<f32>>> + Sync);

/// All points in the space asked for, and what `see` tells of their images.
fn all_points(
    drawing: &Drawing<'_>,
    args: &LsArgs,
    common: &CommonArgs,
    interrupt: &Interrupt,
    see: Option<See<'_>>,
) -> Result<(Array2<f32>, Vec<Vec<f32>>)> {
    let progress = Progress::new(common.progress_style(), "draw", "latents", args.samples as u64);
    let groups: Vec<(Array2<f32>, Vec<Vec<f32>>)> = groups_of_one_noise(args.samples)
        .map(|indices| {
            interrupt.check(nothing_kept)?;
            let (first, count) = (indices.start, indices.len());
            let (points, images) = drawing.group(indices, see.is_some())?;
            let told = see.map(|see| see(&images, first)).transpose()?;
            progress.advance(count as u64);
            Ok((points, told.unwrap_or_default()))
        })
        .collect::<Result<_>>()?;
    progress.finish();
    let (points, told): (Vec<_>, Vec<_>) = groups.into_iter().unzip();
    let points = concatenate(Axis(0), &points.iter().map(|points| points.view()).collect::<Vec<_>>())?;
    Ok((points, told.into_iter().flatten().collect()))
}

fn warnings(names: &[String], score: &SeparabilityScore, keep: usize, width: usize) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if keep < FEW_POINTS_PER_COMPONENT * width {
        let text = format!(
            "{keep} points for latents of {width} numbers: a plane fits chance too, and the score is too good; take more --samples, published numbers have 200000"
        );
        warnings.push(Warning::new("few-samples", text));
    }
    for (name, answers) in names.iter().zip(&score.answers) {
        if answers.has.iter().all(|&has| has == answers.has[0]) {
            let text = format!(
                "{name}: all of the {} images that count {} it, so that it adds nothing to the score",
                answers.has.len(),
                if answers.has[0] { "have" } else { "are without" }
            );
            warnings.push(Warning::new("one-class", text));
        }
    }
    warnings
}

/// Points, what was told of them, and on which side of each attribute's plane they lie: -1 where they did not count.
fn save(
    args: &LsArgs,
    points: &Array2<f32>,
    log_odds: &Array2<f32>,
    score: &SeparabilityScore,
) -> Result<()> {
    let Some(path) = &args.latents.save else { return Ok(()) };
    let mut said = Array2::from_elem(log_odds.raw_dim(), -1.0);
    for (mut column, answers) in said.columns_mut().into_iter().zip(&score.answers) {
        for (&sample, &said) in answers.samples.iter().zip(&answers.said) {
            column[sample] = f32::from(u8::from(said));
        }
    }
    let arrays = [("points", points), ("log_odds", log_odds), ("said", &said)];
    let arrays = arrays.map(|(name, array)| (name, NpzArray::F32(array.view().into_dyn())));
    write_arrays(path, &arrays).context("--save")
}
