//! `pgeval ppl`: perceptual path length.

use anyhow::{Context as _, Result};
use pg_cli::{CommonArgs, ExitStatus, Interrupt, Output, StderrNotes};
use pg_metrics::{IMAGES_OF_ONE_NOISE, PATH_PERCENTILES, PERCEPTUAL_SIDE_PX};
use pg_stats::{NpzArray, write_arrays};
use serde_json::{Value, json};

use crate::args::{CropChoice, LatentChoice, PplArgs, SamplingChoice};
use crate::feature_output::print_values;
use crate::latent_measures::{PathScore, measure_paths};
use crate::metric_result::say_once;
use crate::metric_result::{MetricResult, members, provenance};

pub(crate) fn run(args: &PplArgs, common: &CommonArgs, interrupt: &Interrupt) -> Result<ExitStatus> {
    let score = measure_paths(args, common, interrupt)?;
    save(args, &score)?;
    let result = result(args, &score).checked()?;
    say_once(std::slice::from_ref(&result), &[], StderrNotes::new(common.quiet));
    if args.latents.json {
        Output.json(&result)?;
    } else {
        print_table(args, &score, &result)?;
    }
    Ok(ExitStatus::Done)
}

/// The space and the sampling are part of the name: numbers of different ones differ by factors.
fn name(args: &PplArgs) -> &'static str {
    match (args.latents.space, args.sampling) {
        (LatentChoice::Z, SamplingChoice::Full) => "ppl-z-full",
        (LatentChoice::Z, SamplingChoice::End) => "ppl-z-end",
        (LatentChoice::W, SamplingChoice::Full) => "ppl-w-full",
        (LatentChoice::W, SamplingChoice::End) => "ppl-w-end",
    }
}

fn crop_name(crop: CropChoice) -> &'static str {
    match crop {
        CropChoice::Faces => "faces",
        CropChoice::None => "none",
    }
}

fn result(args: &PplArgs, score: &PathScore) -> MetricResult {
    let mut protocol = members(json!({
        "definition": "arXiv:1812.04948, section 4.1",
        "sampling": if args.sampling == SamplingChoice::Full { "full" } else { "end" },
        "interpolation": match args.latents.space {
            LatentChoice::Z => "spherical",
            LatentChoice::W => "straight",
        },
        "epsilon": args.epsilon,
        "crop": crop_name(args.crop),
        "compared_px": score.side_px,
        "percentiles": [PATH_PERCENTILES.0, PATH_PERCENTILES.1],
        "distance": { "metric": score.distance["metric"], "sha256": score.distance["sha256"] },
        "interval": "trimmed mean over paths: winsorised variance, Student's t",
    }));
    protocol.extend(score.generator.protocol(&args.latents));
    let provenance = provenance(Some(args.latents.seed))
        .setting("generator", score.generator.describe())
        .setting("distance", score.distance.clone())
        .setting("networks", score.networks.clone())
        .setting("samples", args.samples)
        .setting("epsilon", args.epsilon)
        .setting("crop", crop_name(args.crop))
        .setting("largest_compared_px", PERCEPTUAL_SIDE_PX)
        .setting("images_of_one_noise", IMAGES_OF_ONE_NOISE)
        .count("images_drawn", 2 * args.samples);
    MetricResult {
        metric: name(args),
        value: score.length.mean,
        std: None,
        unit: "1",
        direction: "lower",
        levels: Vec::new(),
        interval: Some(score.length.interval),
        interval_unknown: None,
        floor: None,
        extrapolated: None,
        attributes: Vec::new(),
        counts: members(json!({ "paths": args.samples, "counted": score.length.counted })),
        protocol,
        warnings: score.warnings.clone(),
        provenance,
    }
}

fn save(args: &PplArgs, score: &PathScore) -> Result<()> {
    let (Some(path), Some([first, second])) = (&args.latents.save, &score.kept.points) else { return Ok(()) };
    let distances = ndarray::ArrayView1::from(&score.kept.distances);
    let arrays = [
        ("first", NpzArray::F32(first.view().into_dyn())),
        ("second", NpzArray::F32(second.view().into_dyn())),
        ("distances", NpzArray::F64(distances.into_dyn())),
    ];
    write_arrays(path, &arrays).context("--save")
}

fn print_table(args: &PplArgs, score: &PathScore, result: &MetricResult) -> std::io::Result<()> {
    print_values("Perceptual path length, lower is smoother", std::slice::from_ref(result))?;
    Output.line("")?;
    Output.line(format_args!(
        "  {} of {} paths counted, steps of {:e}, images of {} pixels compared (crop: {})",
        score.length.counted,
        args.samples,
        args.epsilon,
        score.side_px,
        crop_name(args.crop)
    ))?;
    let kimg = score.generator.describe().get("kimg").and_then(Value::as_str).map(str::to_owned);
    let trained = kimg.map_or_else(String::new, |kimg| format!(", trained on {kimg} thousand images"));
    Output.line(format_args!(
        "  generator: {}, {} pixels{trained}",
        score.generator.argument, score.generator.resolution_px
    ))?;
    Output.line(format_args!(
        "  {:.1} images/s, {:.1} % of the time in the two networks",
        score.pace.images_per_second,
        100.0 * score.pace.share_in_networks
    ))
}
