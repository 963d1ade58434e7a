//! The result of a comparison, as JSON and as a table.

use pg_cli::Output;
use pg_metrics::{ConfidenceInterval, PATCH_PX, SwdScore};
use pg_results::{half_width, with_interval, with_noise};
use serde_json::json;

use super::sides::{Floor, Scored, Sides};
use crate::args::SwdArgs;
use crate::features::of_images;
use crate::metric_result::{FloorValue, LevelValue, MetricResult, members, provenance};

pub(crate) fn result(scored: &Scored, args: &SwdArgs, sides: &Sides) -> MetricResult {
    let (real, fake, count) = (&sides.real, &sides.fake, sides.image_count);
    let protocol = provenance(Some(args.protocol.seed))
        .setting("images", args.protocol.images)
        .setting("levels", sides.layout().compared_px())
        .setting("patches_per_image", args.protocol.patches_per_image)
        .setting("directions_per_repeat", args.directions_per_repeat)
        .setting("repeats", args.repeats)
        .setting("floor", args.floor);
    let provenance = args
        .input
        .recorded(protocol)
        .setting("real", real.describe())
        .setting("fake", fake.describe())
        .count("images_read", sides.images_read());
    MetricResult {
        metric: "swd",
        value: scored.score.value,
        std: None,
        unit: "x1e-3",
        direction: "lower",
        levels: levels(&scored.score),
        interval: Some(scored.score.interval),
        interval_unknown: None,
        extrapolated: None,
        attributes: Vec::new(),
        floor: scored.floor.as_ref().map(|floor| FloorValue {
            value: floor.score.value,
            interval: floor.score.interval,
            levels: levels(&floor.score),
            definition: "even against odd images of REAL",
            images: floor.image_count,
            comparable: floor.image_count == count,
            counts: members(json!({ "even": floor.image_count, "odd": floor.image_count })),
        }),
        counts: members(json!({ "real": count, "fake": count })),
        protocol: members(json!({
            "definition": "arXiv:1710.10196, section 5",
            "resolution": sides.layout().resolution_px(),
            "fit": args.input.fit.name(),
            "patch_px": PATCH_PX,
            "patches_per_image": args.protocol.patches_per_image,
            "directions_per_repeat": args.directions_per_repeat,
            "repeats": args.repeats,
            "seed": args.protocol.seed,
            "images_available": { "real": real.len(), "fake": fake.len() },
            "images_used": "the first of each side",
            "interval": "differences of balanced half-samples of the images, plus the spread of the directions; Student's t",
        })),
        warnings: of_images(&sides.image_sets()),
        provenance,
    }
}

fn levels(score: &SwdScore) -> Vec<LevelValue> {
    let level = |level: &pg_metrics::SwdLevelScore| LevelValue {
        resolution: level.resolution_px,
        value: level.value,
        interval: level.interval,
    };
    score.levels.iter().map(level).collect()
}

pub(crate) fn print_table(scored: &Scored, args: &SwdArgs, sides: &Sides) -> std::io::Result<()> {
    let score = &scored.score;
    // Beside the score only where both are of as many images.
    let beside = scored.floor.as_ref().filter(|floor| floor.image_count == sides.image_count);
    Output.line("Sliced Wasserstein distance, x1e-3 (lower is nearer)")?;
    Output.line("")?;
    print_levels(score, beside.map(|floor| &floor.score))?;
    Output.line("")?;
    let sets = [
        ("real", sides.real.len(), sides.real.argument()),
        ("fake", sides.fake.len(), sides.fake.argument().to_owned()),
    ];
    for (role, len, argument) in sets {
        Output.line(format_args!("  {role}  {} of {len} images, {argument}", sides.image_count))?;
    }
    match (&scored.floor, beside) {
        (Some(floor), Some(_)) => {
            Output.line(format_args!("  floor {} real images against {0} others", floor.image_count))?;
        }
        (Some(floor), None) => {
            print_levels_of_floor(floor, sides)?;
        }
        (None, _) => {}
    }
    Output.line(format_args!(
        "  {} patches per image and level, {} x {} directions, seed {}",
        args.protocol.patches_per_image, args.repeats, args.directions_per_repeat, args.protocol.seed
    ))
}

fn print_levels(score: &SwdScore, floor: Option<&SwdScore>) -> std::io::Result<()> {
    let heading = if floor.is_some() { "         floor" } else { "" };
    Output.line(format_args!("  level        value    95 % interval{heading}"))?;
    let row = |name: &str, value: f64, interval: ConfidenceInterval, floor: Option<f64>| {
        let noise = half_width(value, interval);
        let (value, interval) = with_interval(value, Some(interval));
        let interval = interval.unwrap_or_default();
        match floor.map(|floor| with_noise(floor, noise)) {
            Some(floor) => Output.line(format_args!("  {name:<9}{value:>9}    {interval:<16}{floor:>11}")),
            None => Output.line(format_args!("  {name:<9}{value:>9}    {interval}")),
        }
    };
    for (i, level) in score.levels.iter().enumerate() {
        let name = format!("{0}x{0}", level.resolution_px);
        let floor = floor.and_then(|floor| floor.levels.get(i));
        row(&name, level.value, level.interval, floor.map(|level| level.value))?;
    }
    row("average", score.value, score.interval, floor.map(|floor| floor.value))
}

/// A floor of another number of images, apart from the score.
fn print_levels_of_floor(floor: &Floor, sides: &Sides) -> std::io::Result<()> {
    Output.line("")?;
    Output.line(format_args!(
        "Floor, of {} real images against {0} others: not comparable with the score, which is of {} a side",
        floor.image_count, sides.image_count
    ))?;
    Output.line(format_args!(
        "(REAL {} holds {} images; of {} a comparable floor takes {})",
        sides.real.argument(),
        sides.real.len(),
        sides.image_count,
        2 * sides.image_count
    ))?;
    Output.line("")?;
    print_levels(&floor.score, None)?;
    Output.line("")
}
