//! `pgeval stats`: what metrics need of the real images, as a file.

mod parts;

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use pg_build::Part;
use pg_cli::{CommonArgs, ExitStatus, Interrupt, Output, Progress, StderrNotes};
use pg_metrics::{FeatureExtractor as _, FeatureGaussian, SwdLayout, SwdSettings};
use pg_stats::{Stats, StatsProtocol, StatsWriter, SwdProtocol, merge, read_npz, write_npz};
use serde_json::{Value, json};

use crate::args::StatsArgs;
use crate::at_url::shown_value;
use crate::described::{Extraction, Source, check_size, compared_levels, describe};
use crate::features::{Network, of_images as warnings_of};
use crate::image_set::{ImageSet, is_npz_file, is_stats_file};
use crate::metric_result::provenance;

pub(crate) fn run(args: &StatsArgs, common: &CommonArgs, interrupt: &Interrupt) -> Result<ExitStatus> {
    let part = args.part.chosen()?;
    let of_file = args.real.as_ref().filter(|real| is_npz_file(real) || is_stats_file(real));
    if let (Some(part), Some(file)) = (part, of_file) {
        bail!("--part {part}: REAL {} is a file of statistics, expected images to share out", file.display());
    }
    let stats = match &args.real {
        Some(real) if is_npz_file(real) => of_npz(real, args, common)?,
        Some(real) if is_stats_file(real) => return to_npz(real, args),
        Some(real) => of_images(real, part, args, common, interrupt)?,
        None => of_parts(args, common)?,
    };
    if args.json {
        Output.json(&about(&stats))?;
    } else {
        print(&stats)?;
        if let Some(part) = part {
            let all = args.output.with_extension("").display().to_string();
            Output.line(format_args!(
                "  part        {} of {}; once all are there: pgeval stats --merge {all}.part-* -o {}",
                part.index,
                part.count,
                args.output.display()
            ))?;
        }
    }
    Ok(ExitStatus::Done)
}

fn of_images(
    real: &Path,
    part: Option<Part>,
    args: &StatsArgs,
    common: &CommonArgs,
    interrupt: &Interrupt,
) -> Result<Stats> {
    let notes = StderrNotes::new(common.quiet);
    let set = if args.no_swd {
        ImageSet::open_of_any_size("REAL", real, args.input)?
    } else {
        ImageSet::open("REAL", real, args.input, None)?
    };
    set.note_left_out("REAL", notes);
    let count = args.protocol.images.unwrap_or(set.len()).min(set.len());
    if let Some(asked) = args.protocol.images.filter(|&asked| asked > count) {
        notes.warning(format_args!("--images {asked}: REAL {} holds only {count} images", set.argument()));
    }
    let swd = (!args.no_swd).then(|| swd_protocol(args, &set)).transpose()?;
    let network = Network::open(&args.network, args.input, common)?;
    if let Some(warning) = network.as_ref().and_then(Network::recipe_warning) {
        notes.warning(warning);
    }
    let protocol = StatsProtocol { swd, network: network.as_ref().map(|network| network.protocol.clone()) };
    let described =
        json!({ "path": set.argument(), "images": set.len(), "preprocessing": set.preprocessing() });
    let covered = part.map_or(0..count, |part| part.range(count));
    if let Some(part) = part.filter(|_| covered.is_empty()) {
        bail!("--part {part}: REAL {} holds only {count} images, fewer than parts", set.argument());
    }
    let mut provenance = args
        .input
        .recorded(provenance(Some(args.protocol.seed)))
        .setting("real", described)
        .setting("network", network.as_ref().map_or(Value::Null, |network| network.described.clone()))
        .count("images_read", covered.len());
    if let Some(part) = part {
        provenance = provenance.setting(parts::SETTING, parts::setting(part, &set, count));
    }
    let output = part.map_or_else(|| args.output.clone(), |part| part.file(&args.output));
    let writer = StatsWriter::create(&output, protocol, covered.len(), shown_value(json!(provenance)))
        .with_context(cannot_write)?;
    let progress = Progress::new(common.progress_style(), "describe", "images", covered.len() as u64);
    let extraction =
        network.as_ref().map(|network| Extraction { extractor: &network.extractor, faults: None });
    let source = Source { role: "REAL", set: &set, first: covered.start };
    describe(&writer, source, extraction, &progress, interrupt, &|_, _| Ok(()))?;
    progress.finish();
    for warning in warnings_of(&[("REAL", &set)]) {
        notes.warning(warning.text);
    }
    writer.finish().with_context(cannot_write)
}

fn swd_protocol(args: &StatsArgs, set: &ImageSet) -> Result<SwdProtocol> {
    check_size((set.width_px(), set.height_px()), &set.name(0)).with_context(|| {
        if args.network.model.is_some() { "--no-swd keeps features only" } else { "REAL cannot be described" }
    })?;
    let levels = compared_levels(&args.protocol, set.width_px())?.unwrap_or_default();
    let patches_per_image = args.protocol.patches_per_image;
    let settings = SwdSettings { patches_per_image, ..SwdSettings::default() };
    let layout = SwdLayout::new(set.width_px(), &levels, &settings)?;
    Ok(SwdProtocol::new(&layout, args.protocol.seed))
}

/// Published statistics, which say nothing of the network that they are of: whoever brings them here does.
fn of_npz(path: &Path, args: &StatsArgs, common: &CommonArgs) -> Result<Stats> {
    let gaussian = read_npz(path).context("REAL")?;
    let Some(network) = Network::open(&args.network, args.input, common)? else {
        bail!(
            "REAL {} does not say which network and recipe its statistics are of: give --model M.onnx, and --resize RECIPE where it is not the model's own",
            path.display()
        );
    };
    let mut of = network.protocol.clone();
    if of.feature_width != gaussian.width() {
        bail!(
            "REAL {} has {} features an image, --model {} gives {}: it is of another network",
            path.display(),
            gaussian.width(),
            network.extractor.name(),
            of.feature_width
        );
    }
    of.moments_only = true;
    (of.logits, of.classes) = (None, 0);
    let provenance = provenance(None)
        .setting("real", json!({ "path": path.display().to_string(), "kind": "npz" }))
        .setting("network", network.described.clone());
    let protocol = StatsProtocol { swd: None, network: Some(of) };
    let writer = StatsWriter::create(&args.output, protocol, 0, shown_value(json!(provenance)))
        .with_context(cannot_write)?;
    writer.finish_moments(gaussian).with_context(cannot_write)
}

/// Mean and covariance as other programs read them.
fn to_npz(path: &Path, args: &StatsArgs) -> Result<ExitStatus> {
    let stats = Stats::open(path).context("open REAL")?;
    if args.output.extension().is_none_or(|extension| extension != "npz") {
        bail!(
            "REAL {} is a statistics file already; with -o FILE.npz its mean and covariance of features become a .npz",
            path.display()
        );
    }
    let gaussian = match (stats.features(), stats.moments()) {
        (Some(rows), _) => FeatureGaussian::of(&rows).with_context(|| path.display().to_string())?,
        (None, Some(moments)) => moments.clone(),
        (None, None) => bail!(
            "REAL {} was made without a network, so it has no features; make another with `pgeval stats IMAGES --model M.onnx -o FILE`",
            path.display()
        ),
    };
    write_npz(&args.output, &gaussian).with_context(cannot_write)?;
    let written = json!({
        "file": args.output.display().to_string(),
        "images": gaussian.images,
        "feature_width": gaussian.width(),
        "protocol": stats.protocol(),
        "provenance": provenance(None).setting("real", json!({ "path": path.display().to_string(), "content": stats.content() })),
    });
    if args.json {
        Output.json(&written)?;
    } else {
        Output.line(format_args!(
            "  written to  {} (mu and sigma of {} features)",
            args.output.display(),
            gaussian.width()
        ))?;
    }
    Ok(ExitStatus::Done)
}

fn of_parts(args: &StatsArgs, common: &CommonArgs) -> Result<Stats> {
    let parts = args.merge.iter().map(|path| Stats::open(path)).collect::<Result<Vec<_>, _>>()?;
    let (parts, of_whole) = parts::in_order(parts, &args.output)?;
    let made_from: Vec<Value> = parts
        .iter()
        .map(|part| json!({ "content": part.content(), "images": part.image_count(), "provenance": part.provenance() }))
        .collect();
    let images: usize = parts.iter().map(Stats::image_count).sum();
    let seed = parts.first().and_then(|part| part.protocol().swd.as_ref()).map(|swd| swd.seed);
    let provenance =
        of_whole.map_or_else(|| json!(provenance(seed).setting("parts", made_from)), |whole| json!(whole));
    let progress = Progress::new(common.progress_style(), "merge", "images", images as u64);
    let merged = merge(&parts, &args.output, provenance, &mut || progress.advance(1))?;
    progress.finish();
    Ok(merged)
}

fn cannot_write() -> &'static str {
    "the statistics file cannot be written (-o); choose a file in a folder that can be written to"
}

fn about(stats: &Stats) -> Value {
    json!({
        "file": stats.path().display().to_string(),
        "bytes": stats.file_bytes(),
        "images": stats.moments().is_none().then_some(stats.image_count()),
        "content": format!("blake3:{}", stats.content()),
        "protocol": stats.protocol(),
        "provenance": stats.provenance(),
    })
}

fn print(stats: &Stats) -> std::io::Result<()> {
    let protocol = stats.protocol();
    let bytes = stats.file_bytes();
    let size =
        if bytes < 1 << 20 { format!("{} kB", bytes / 1000) } else { format!("{} MB", bytes / 1_000_000) };
    Output.line(format_args!("  written to  {} ({size})", stats.path().display()))?;
    if stats.moments().is_some() {
        Output.line("  images      not known: mean and covariance only")?;
    } else if let Some(swd) = &protocol.swd {
        Output.line(format_args!(
            "  images      {} of {1}x{1} pixels",
            stats.image_count(),
            swd.resolution
        ))?;
    } else {
        Output.line(format_args!("  images      {}", stats.image_count()))?;
    }
    if let Some(swd) = &protocol.swd {
        let levels: Vec<String> = swd.levels.iter().map(usize::to_string).collect();
        Output.line(format_args!(
            "  protocol    levels {}, {} patches per image, seed {}",
            levels.join(","),
            swd.patches_per_image,
            swd.seed
        ))?;
    }
    if let Some(network) = &protocol.network {
        Output.line(format_args!(
            "  network     {} features, {} to {} px, sha256 {}",
            network.feature_width,
            network.resize,
            network.input_size,
            &network.sha256[..16.min(network.sha256.len())]
        ))?;
    }
    Output.line(format_args!("  content     {}", stats.content()))
}
