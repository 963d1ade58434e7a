//! `pgtrain toy`: a loss at work on a distribution in the plane.

use anyhow::{Context as _, ensure};
use pg_cli::{CommonArgs, ExitStatus, Output, Progress, Provenance, StderrNotes};
use pg_schedule::ByResolution;
use pg_training::toy::{ToyGan, ToyQuality, ToySettings};
use serde::Serialize;

use crate::args::ToyArgs;
use crate::{device, pictures, toy_picture};

/// Side of the picture in pixels.
const SIDE: usize = 640;
/// Points of the plane scored at a time.
const BATCH: usize = 16_384;
/// Samples that the numbers are made from, and points of either kind in the picture.
const JUDGED: usize = 10_000;
const SHOWN: usize = 1_000;

/// The settings of a run that a toy run has too.
const KEYS: [&str; 13] = [
    "learning_rate",
    "n_critic",
    "optimizer",
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "rmsprop_decay",
    "rmsprop_epsilon",
    "gp_lambda",
    "gp_target",
    "r1_gamma",
    "drift_weight",
    "weight_clip",
];

#[derive(Debug, Serialize)]
struct Report {
    dataset: &'static str,
    loss: &'static str,
    steps: u64,
    /// Modes of the data; null for swissroll.
    modes: Option<usize>,
    /// Modes with at least a quarter of their fair share of the samples within 3 standard deviations.
    modes_covered: Option<usize>,
    /// Share of the samples within 3 standard deviations of a mode or of the spiral.
    high_quality_share: f64,
    discriminator_loss: f64,
    generator_loss: Option<f64>,
    provenance: Provenance,
}

pub(crate) fn toy(args: &ToyArgs, common: &CommonArgs, notes: StderrNotes) -> anyhow::Result<ExitStatus> {
    common.try_file(&args.output, "-o")?;
    // Networks this small are slower with threads than without.
    device::set_threads(1)?;
    let settings = settings(args)?;
    let mut gan = ToyGan::new(settings.clone());
    notes.note(format_args!("{} on {}, {} steps", args.loss.name(), args.dataset.name(), args.steps));
    let progress = Progress::new(common.progress_style(), "train", "steps", args.steps);
    let mut losses = (0.0, 0.0);
    for _ in 0..args.steps {
        losses = gan.step()?;
        progress.advance(1);
    }
    progress.finish();

    let samples = gan.samples(JUDGED)?;
    let quality = ToyQuality::of(args.dataset, &samples);
    let mut scores = Vec::with_capacity(SIDE * SIDE);
    for points in toy_picture::plane(SIDE).chunks(2 * BATCH) {
        scores.extend(gan.scores(points)?);
    }
    // Points that neither training nor a fixed generator has seen.
    let data = args.dataset.points(args.seed, u64::MAX / 2, SHOWN);
    let picture = toy_picture::draw(SIDE, &scores, &data, &samples[..2 * SHOWN]);
    pictures::write_bytes(&args.output, &pictures::encode(&picture)?).context("-o")?;

    let report = Report {
        dataset: args.dataset.name(),
        loss: args.loss.name(),
        steps: args.steps,
        modes: quality.modes,
        modes_covered: quality.modes_covered,
        high_quality_share: quality.high_quality_share,
        discriminator_loss: losses.0,
        generator_loss: (!args.fixed_generator).then_some(losses.1),
        provenance: provenance(&settings, args.steps)?,
    };
    let output = Output;
    if args.json {
        output.json(&report)?;
    } else {
        if let (Some(covered), Some(modes)) = (report.modes_covered, report.modes) {
            output.line(format_args!("modes covered  {covered} of {modes}"))?;
        }
        output.line(format_args!("high quality   {:.1} % of samples", 100.0 * report.high_quality_share))?;
    }
    Ok(ExitStatus::Done)
}

fn settings(args: &ToyArgs) -> anyhow::Result<ToySettings> {
    let mut settings = ToySettings::new(args.dataset, args.loss);
    settings.width = args.width;
    settings.fixed_generator = args.fixed_generator;
    settings.training.seed = args.seed;
    settings.training.minibatch = ByResolution::Everywhere(args.minibatch);
    for assignment in &args.assignments {
        let key = assignment.split('=').next().unwrap_or_default().trim();
        ensure!(KEYS.contains(&key), "--set {assignment}: a toy run has the settings {}", KEYS.join(", "));
        settings.training = settings.training.with_assignment(assignment).context("--set")?;
    }
    settings.training.minibatch_stddev_group = 0;
    settings.training.validate()?;
    Ok(settings)
}

fn provenance(settings: &ToySettings, steps: u64) -> anyhow::Result<Provenance> {
    let training = serde_json::to_value(&settings.training)?;
    let provenance =
        Provenance::of_this_process("pgtrain", env!("CARGO_PKG_VERSION"), Some(settings.training.seed))
            .setting("dataset", settings.dataset.name())
            .setting("loss", settings.training.loss.name())
            .setting("steps", steps)
            .setting("width", settings.width)
            .setting("fixed_generator", settings.fixed_generator)
            .setting("minibatch", settings.minibatch());
    Ok(KEYS.iter().fold(provenance, |p, &key| p.setting(key, training[key].clone())))
}
