//! `pgeval stats`: what the sliced Wasserstein distance needs of the real images, as a file.

use std::path::Path;

use anyhow::{Context as _, Result};
use pg_cli::{CommonArgs, ExitStatus, Interrupt, Output, Progress, StderrNotes};
use pg_metrics::{SwdLayout, SwdSettings};
use pg_stats::{Stats, StatsWriter, merge};
use serde_json::{Value, json};

use crate::args::StatsArgs;
use crate::described::{check_size, compared_levels, describe};
use crate::image_set::{ImageSet, encoding_warnings};
use crate::metric_result::provenance;

pub(crate) fn run(args: &StatsArgs, common: &CommonArgs, interrupt: &Interrupt) -> Result<ExitStatus> {
    let stats = match &args.real {
        Some(real) => of_images(real, args, common, interrupt)?,
        None => of_parts(args, common)?,
    };
    if args.json {
        Output.json(&about(&stats, args))?;
    } else {
        print(&stats, args)?;
    }
    Ok(ExitStatus::Done)
}

fn of_images(real: &Path, args: &StatsArgs, common: &CommonArgs, interrupt: &Interrupt) -> Result<Stats> {
    let notes = StderrNotes::new(common.quiet);
    let set = ImageSet::open("REAL", real, args.input, None)?;
    check_size((set.width_px(), set.height_px()), &set.name(0))?;
    let count = args.protocol.images.unwrap_or(set.len()).min(set.len());
    if let Some(asked) = args.protocol.images.filter(|&asked| asked > count) {
        notes.warning(format_args!("--images {asked}: REAL {} holds only {count} images", set.argument()));
    }
    let levels = compared_levels(&args.protocol, set.width_px())?.unwrap_or_default();
    let patches_per_image = args.protocol.patches_per_image;
    let settings = SwdSettings { patches_per_image, ..SwdSettings::default() };
    let layout = SwdLayout::new(set.width_px(), &levels, &settings)?;
    let seed = args.protocol.seed;
    let provenance = args
        .input
        .recorded(provenance(Some(seed)))
        .setting("real", json!({ "path": set.argument(), "images": set.len() }))
        .count("images_read", count);
    let provenance = json!(provenance);
    let writer =
        StatsWriter::create(&args.output, layout, seed, count, provenance).with_context(cannot_write)?;
    let progress = Progress::new(common.progress_style(), "describe", "images", count as u64);
    describe(&writer, &set, &progress, interrupt, &|_, _| Ok(()))?;
    progress.finish();
    for warning in set.size_warning("REAL").into_iter().chain(encoding_warnings(&[("REAL", &set)])) {
        notes.warning(warning);
    }
    writer.finish().with_context(cannot_write)
}

fn of_parts(args: &StatsArgs, common: &CommonArgs) -> Result<Stats> {
    let parts = args.merge.iter().map(|path| Stats::open(path)).collect::<Result<Vec<_>, _>>()?;
    let made_from: Vec<Value> = parts
        .iter()
        .map(|part| json!({ "content": part.content(), "images": part.image_count(), "provenance": part.provenance() }))
        .collect();
    let images: usize = parts.iter().map(Stats::image_count).sum();
    let provenance =
        json!(provenance(parts.first().map(|part| part.protocol().seed)).setting("parts", made_from));
    let progress = Progress::new(common.progress_style(), "merge", "images", images as u64);
    let merged = merge(&parts, &args.output, provenance, &mut || progress.advance(1))?;
    progress.finish();
    Ok(merged)
}

fn cannot_write() -> &'static str {
    "the statistics file cannot be written (-o); choose a file in a folder that can be written to"
}

fn about(stats: &Stats, args: &StatsArgs) -> Value {
    json!({
        "file": args.output.display().to_string(),
        "bytes": stats.file_bytes(),
        "images": stats.image_count(),
        "content": format!("blake3:{}", stats.content()),
        "protocol": stats.protocol(),
        "provenance": stats.provenance(),
    })
}

fn print(stats: &Stats, args: &StatsArgs) -> std::io::Result<()> {
    let protocol = stats.protocol();
    let levels: Vec<String> = protocol.levels.iter().map(usize::to_string).collect();
    let bytes = stats.file_bytes();
    let size =
        if bytes < 1 << 20 { format!("{} kB", bytes / 1000) } else { format!("{} MB", bytes / 1_000_000) };
    Output.line(format_args!("  written to  {} ({size})", args.output.display()))?;
    Output.line(format_args!(
        "  images      {} of {1}x{1} pixels",
        stats.image_count(),
        protocol.resolution
    ))?;
    Output.line(format_args!(
        "  protocol    levels {}, {} patches per image, seed {}",
        levels.join(","),
        protocol.patches_per_image,
        protocol.seed
    ))?;
    Output.line(format_args!("  content     {}", stats.content()))
}
