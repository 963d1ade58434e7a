//! `pgeval all`: every metric, in one pass over the images.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use pg_cli::{CommonArgs, ExitStatus, Interrupt, Output, Provenance, StderrNotes, shown};
use pg_image::Planar;
use pg_image::files::write_atomically;
use pg_metrics::{Side, consecutive_pairs, diversity, ms_ssim};
use serde_json::{Value, json};

use super::all_features::FeaturePass;
use super::{ms_ssim as ms_ssim_command, swd};
use crate::args::{AllArgs, MsSsimArgs};
use crate::at_url::shown_value;
use crate::features::Network;
use crate::metric_result::{FloorValue, MetricResult, members, provenance};
use crate::report_data::{ReportPictures, report};

pub(crate) fn run(args: &AllArgs, common: &CommonArgs, interrupt: &Interrupt) -> Result<ExitStatus> {
    let notes = StderrNotes::new(common.quiet);
    let sides = swd::Sides::open(&args.swd, notes)?;
    let network = Network::open(&args.network, args.swd.input, common)?;
    let features = network.as_ref().map(|network| FeaturePass::new(args, &sides, network)).transpose()?;
    let count = sides.image_count;
    let real_count = sides.real.images().map_or(0, |_| count);
    let pictures = args.report.as_ref().map(|_| ReportPictures::new(real_count, count));
    let pairs = consecutive_pairs(count)?;
    let scorer = PairScorer::new("FAKE", pairs.len());
    let floor_scorer = (args.swd.floor && real_count > 0).then(|| PairScorer::new("REAL", pairs.len()));
    let see = |side: Side, index: usize, image: &Planar<u8>| -> Result<()> {
        if let Some(pictures) = &pictures {
            pictures.see(side, index, image);
        }
        match (side, &floor_scorer) {
            (Side::Fake, _) => scorer.see(index, image),
            (Side::Real, Some(floor)) => floor.see(index, image),
            (Side::Real, None) => Ok(()),
        }
    };
    let described = sides.describe(&args.swd, network.as_ref(), common, interrupt, &see)?;
    let distance = described.score(&args.swd, common, interrupt)?;
    let sides = &described.sides;
    sides.warn_of_images(notes);
    if real_count == 0 {
        say_what_statistics_lack(args, notes);
    }

    let like = MsSsimArgs {
        images: args.swd.fake.clone(),
        pairs: None,
        seed: None,
        consecutive: true,
        json: args.swd.json,
        input: args.swd.input,
    };
    let score = diversity(&pairs, &scorer.scores())?;
    let mut likeness =
        ms_ssim_command::result(&score, &like, None, &sides.fake, 2 * pairs.len(), pairs.len());
    if let Some(floor) = floor_scorer {
        let floor = diversity(&pairs, &floor.scores())?;
        likeness.floor = Some(FloorValue {
            value: floor.value,
            interval: floor.interval,
            levels: Vec::new(),
            definition: "even with odd images of REAL, in consecutive pairs",
            counts: members(json!({ "images": 2 * pairs.len(), "pairs": pairs.len() })),
        });
    }
    let mut metrics = vec![swd::result(&distance, &args.swd, sides), likeness];
    let mut provenance = provenance_of(args, sides);
    if let (Some(features), Some(network)) = (features, &network) {
        provenance = provenance.setting("network", network.described.clone());
        metrics.extend(features.scores(described, common, interrupt, notes)?);
    }
    let result = shown_value(json!({ "metrics": metrics, "provenance": provenance }));
    write(&args.output, "-o", |file| {
        serde_json::to_writer_pretty(&mut *file, &result)?;
        file.write_all(b"\n")
    })?;
    if let (Some(path), Some(pictures)) = (&args.report, &pictures) {
        let page = page(args, &result, pictures)?;
        write(path, "--report", |file| file.write_all(page.as_bytes()))?;
    }
    if args.swd.json {
        Output.json(&result)?;
    } else {
        print_table(&metrics, args)?;
    }
    Ok(ExitStatus::Done)
}

/// A statistics file knows its images only as far as the distance needs them.
fn say_what_statistics_lack(args: &AllArgs, notes: StderrNotes) {
    if args.report.is_some() {
        notes.note(
            "--report: REAL is a statistics file, so the page has no pictures to compare with the real ones",
        );
    }
    if args.swd.floor {
        notes
            .note("--floor: REAL is a statistics file, so there are no real images for the floor of MS-SSIM");
    }
}

fn provenance_of(args: &AllArgs, sides: &swd::Sides) -> Provenance {
    provenance(Some(args.swd.protocol.seed))
        .setting("real", sides.real.describe())
        .setting("fake", sides.fake.describe())
        .count("images_read", sides.images_read())
}

fn page(args: &AllArgs, result: &Value, pictures: &ReportPictures) -> Result<String> {
    let title = format!("{} against {}", args.swd.fake.display(), args.swd.real.display());
    let title = shown(&title);
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
    Output.line("  metric          value  unit     95 % interval")?;
    for metric in metrics {
        let interval = metric.interval.map_or(String::new(), |i| format!("{:.4} to {:.4}", i.low, i.high));
        let floor = metric.floor.as_ref().map(|floor| format!(", floor {:.4}", floor.value));
        Output.line(format_args!(
            "  {:<11}{:>10.4}  {:<7}  {interval}{}",
            metric.metric,
            metric.value,
            metric.unit,
            floor.unwrap_or_default()
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
    role: &'static str,
    pairs: usize,
    waiting: Mutex<HashMap<usize, Planar<u8>>>,
    scores: Mutex<Vec<f64>>,
}

impl PairScorer {
    fn new(role: &'static str, pairs: usize) -> Self {
        Self { role, pairs, waiting: Mutex::default(), scores: Mutex::new(vec![0.0; pairs]) }
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
            .with_context(|| format!("compare images {} and {} of {}", 2 * pair, 2 * pair + 1, self.role))?;
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
