//! `pgeval all`: every metric that needs no network, in one pass over the images.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use pg_cli::{CommonArgs, ExitStatus, Interrupt, Output, Provenance, StderrNotes};
use pg_image::Planar;
use pg_image::files::write_atomically;
use pg_metrics::{Side, consecutive_pairs, diversity, ms_ssim};
use serde_json::{Value, json};

use super::{ms_ssim as ms_ssim_command, swd};
use crate::args::{AllArgs, MsSsimArgs};
use crate::metric_result::MetricResult;
use crate::report_data::{ReportPictures, report};

pub(crate) fn run(args: &AllArgs, common: &CommonArgs, interrupt: &Interrupt) -> Result<ExitStatus> {
    let notes = StderrNotes::new(common.quiet);
    let sides = swd::Sides::open(&args.swd, notes)?;
    let count = sides.image_count;
    let pictures = args.report.as_ref().map(|_| ReportPictures::new(count, count));
    let pairs = consecutive_pairs(count)?;
    let scorer = PairScorer::new(pairs.len());
    let see = |side: Side, index: usize, image: &Planar<u8>| -> Result<()> {
        if let Some(pictures) = &pictures {
            pictures.see(side, index, image);
        }
        if side == Side::Fake { scorer.see(index, image) } else { Ok(()) }
    };
    let distance = sides.score(&args.swd, common, interrupt, &see)?;
    for warning in sides.encoding_warnings() {
        notes.warning(warning);
    }

    let like = MsSsimArgs {
        images: args.swd.fake.clone(),
        pairs: None,
        seed: None,
        consecutive: true,
        shared: args.swd.shared,
    };
    let score = diversity(&pairs, &scorer.scores())?;
    let metrics = [
        sides.result(&distance, &args.swd),
        ms_ssim_command::result(&score, &like, None, &sides.fake, 2 * pairs.len(), pairs.len()),
    ];
    let result = json!({ "metrics": metrics, "provenance": provenance(args, &sides) });
    write(&args.output, "-o", |file| {
        serde_json::to_writer_pretty(&mut *file, &result)?;
        file.write_all(b"\n")
    })?;
    if let (Some(path), Some(pictures)) = (&args.report, &pictures) {
        let page = page(args, &result, pictures)?;
        write(path, "--report", |file| file.write_all(page.as_bytes()))?;
    }
    if args.swd.shared.json {
        Output.json(&result)?;
    } else {
        print_table(&metrics, args)?;
    }
    Ok(ExitStatus::Done)
}

fn provenance(args: &AllArgs, sides: &swd::Sides) -> Provenance {
    Provenance::of_this_process(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"), Some(args.swd.seed))
        .setting("real", sides.real.describe())
        .setting("fake", sides.fake.describe())
        .count("images_read", 2 * sides.image_count)
}

fn page(args: &AllArgs, result: &Value, pictures: &ReportPictures) -> Result<String> {
    let title = format!("{} against {}", args.swd.fake.display(), args.swd.real.display());
    Ok(report(&title, result, pictures).context("make the page of --report")?.to_html())
}

fn write(
    path: &Path,
    flag: &str,
    content: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>,
) -> Result<()> {
    write_atomically(path, |file| content(file)).with_context(|| {
        format!("cannot write {} ({flag}); choose a file in a folder that can be written to", path.display())
    })
}

fn print_table(metrics: &[MetricResult], args: &AllArgs) -> std::io::Result<()> {
    Output.line("  metric        value  unit     95 % interval")?;
    for metric in metrics {
        let (low, high) = (metric.interval.low, metric.interval.high);
        Output.line(format_args!(
            "  {:<9}{:>10.4}  {:<7}  {low:.4} to {high:.4}",
            metric.metric, metric.value, metric.unit
        ))?;
    }
    Output.line("")?;
    Output.line(format_args!("  written to {}", args.output.display()))?;
    match &args.report {
        Some(path) => Output.line(format_args!("  page       {}", path.display())),
        None => Ok(()),
    }
}

/// MS-SSIM of images 0 and 1, 2 and 3, …, in whatever order they come.
///
/// Memory: the images whose partner has not come yet, no more than are decoded at a time.
struct PairScorer {
    pairs: usize,
    waiting: Mutex<HashMap<usize, Planar<u8>>>,
    scores: Mutex<Vec<f64>>,
}

impl PairScorer {
    fn new(pairs: usize) -> Self {
        Self { pairs, waiting: Mutex::default(), scores: Mutex::new(vec![0.0; pairs]) }
    }

    fn see(&self, index: usize, image: &Planar<u8>) -> Result<()> {
        let pair = index / 2;
        if pair >= self.pairs {
            return Ok(());
        }
        let mut waiting = held(&self.waiting);
        let Some(partner) = waiting.remove(&pair) else {
            waiting.insert(pair, image.clone());
            return Ok(());
        };
        drop(waiting);
        // The same bits whichever came first.
        let (first, second) = if index.is_multiple_of(2) { (image, &partner) } else { (&partner, image) };
        let score = ms_ssim(first, second)
            .with_context(|| format!("compare images {} and {} of FAKE", 2 * pair, 2 * pair + 1))?;
        held(&self.scores)[pair] = score;
        Ok(())
    }

    /// Once all images were seen.
    fn scores(self) -> Vec<f64> {
        self.scores.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
