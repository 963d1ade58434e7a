//! `pgeval all`: every metric, in one pass over the images.

mod pair_scorer;
mod shown;

use std::path::Path;

use anyhow::{Context as _, Result};
use pg_cli::{CommonArgs, ExitStatus, Interrupt, Output, Provenance, StderrNotes};
use pg_image::Planar;
use pg_image::files::write_atomically;
use pg_metrics::{ImagePair, Side, consecutive_pairs, diversity};
use serde_json::{Value, json};

use self::pair_scorer::PairScorer;
use crate::args::{AllArgs, MsSsimArgs};
use crate::at_url::shown_value;
use crate::diversity_result;
use crate::feature_metrics::FeaturePass;
use crate::features::Network;
use crate::metric_result::say_once;
use crate::metric_result::{FloorValue, MetricResult, members, provenance};
use crate::outcome::Outcome;
use crate::report_data::{ReportPictures, report};
use crate::swd_comparison;

pub(crate) fn run(args: &AllArgs, common: &CommonArgs, interrupt: &Interrupt) -> Result<ExitStatus> {
    let notes = StderrNotes::new(common.quiet);
    let sides = swd_comparison::Sides::open(&args.swd, notes)?;
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
    let mut outcome = Outcome::default();
    let distance = described.score(&args.swd, common, interrupt);
    let sides = &described.sides;
    sides.warn_of_images(notes);
    if real_count == 0 {
        say_what_statistics_lack(args, notes);
    }
    outcome.add("swd", distance.map(|distance| swd_comparison::result(&distance, &args.swd, sides)))?;
    outcome.add("ms-ssim", likeness(&pairs, scorer, floor_scorer, args, sides))?;
    let mut provenance = provenance_of(args, sides);
    if let (Some(features), Some(network)) = (features, &network) {
        provenance = provenance.setting("network", network.described.clone());
        features.score(described, common, interrupt, &mut outcome)?;
    }
    say_once(&outcome.metrics, SAID_OF_IMAGES, notes);
    for failed in &outcome.failed {
        notes.warning(format_args!("{} failed: {}", failed.metric, failed.reason));
    }
    let result = shown_value(outcome.object(&provenance));
    let written = write_outputs(args, &result, pictures.as_ref());
    // Whatever became of the files, what was computed is shown.
    if args.swd.json {
        Output.json(&result)?;
    } else {
        shown::print_table(&outcome, args)?;
    }
    written?;
    Ok(if outcome.failed.is_empty() { ExitStatus::Done } else { ExitStatus::SomeFailed })
}

/// Warnings that are said when the images were read.
const SAID_OF_IMAGES: &[&str] = &["mixed-encodings", "mixed-sizes"];

/// MS-SSIM of FAKE, and of REAL where the floor is asked for.
fn likeness(
    pairs: &[ImagePair],
    scorer: PairScorer,
    floor: Option<PairScorer>,
    args: &AllArgs,
    sides: &swd_comparison::Sides,
) -> Result<MetricResult> {
    let like = MsSsimArgs {
        images: args.swd.fake.clone(),
        pairs: None,
        seed: None,
        consecutive: true,
        json: args.swd.json,
        input: args.swd.input,
    };
    let score = diversity(pairs, &scorer.scores())?;
    let mut likeness =
        diversity_result::result(&score, &like, None, &sides.fake, 2 * pairs.len(), pairs.len());
    if let Some(floor) = floor {
        let floor = diversity(pairs, &floor.scores())?;
        likeness.floor = Some(FloorValue {
            value: floor.value,
            interval: floor.interval,
            levels: Vec::new(),
            definition: "even with odd images of REAL, in consecutive pairs",
            images: 2 * pairs.len(),
            comparable: true,
            counts: members(json!({ "images": 2 * pairs.len(), "pairs": pairs.len() })),
        });
    }
    Ok(likeness)
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

fn provenance_of(args: &AllArgs, sides: &swd_comparison::Sides) -> Provenance {
    provenance(Some(args.swd.protocol.seed))
        .setting("real", sides.real.describe())
        .setting("fake", sides.fake.describe())
        .count("images_read", sides.images_read())
}

fn page(args: &AllArgs, result: &Value, pictures: &ReportPictures) -> Result<String> {
    let title = format!("{} against {}", args.swd.fake.display(), args.swd.real.display());
    let title = pg_cli::shown(&title);
    Ok(report(&title, result, pictures).context("make the page of --report")?.to_html())
}

fn write_outputs(args: &AllArgs, result: &Value, pictures: Option<&ReportPictures>) -> Result<()> {
    write(&args.output, "-o", |file| {
        serde_json::to_writer_pretty(&mut *file, result)?;
        file.write_all(b"\n")
    })?;
    if let (Some(path), Some(pictures)) = (&args.report, pictures) {
        let page = page(args, result, pictures)?;
        write(path, "--report", |file| file.write_all(page.as_bytes()))?;
    }
    Ok(())
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
