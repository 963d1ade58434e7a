//! `--images-to`: the images of the latents, for another program to label.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use pg_cli::{CommonArgs, ExitStatus, Interrupt, Output, Progress};
use pg_image::Raster;
use pg_image::files::{encode_png, write_atomically};
use rayon::prelude::*;
use serde_json::{Value, json};

use crate::args::LsArgs;
use crate::latent_measures::{Drawing, groups_of_one_noise};

/// Says what the images are of; written before them.
const RECORD: &str = "drawn.json";

/// Writes `folder/000000.png` and so on; the same command goes on where it was interrupted.
pub(super) fn write(
    drawing: &Drawing<'_>,
    folder: &Path,
    args: &LsArgs,
    common: &CommonArgs,
    interrupt: &Interrupt,
) -> Result<ExitStatus> {
    let seed = args.latents.seed;
    let about = json!({
        "generator": drawing.opened.describe(),
        "seed": seed,
        "samples": args.samples,
        "resolution": drawing.opened.resolution_px,
    });
    claim(folder, &about)?;
    let progress = Progress::new(common.progress_style(), "draw", "images", args.samples as u64);
    let stopped = || "images that are written stay; run the same command again to go on".to_owned();
    groups_of_one_noise(args.samples).try_for_each(|indices| -> Result<()> {
        interrupt.check(stopped)?;
        let count = indices.len();
        let path = |index: usize| folder.join(format!("{index:06}.png"));
        if indices.clone().all(|index| path(index).is_file()) {
            progress.resume_at(count as u64);
        } else {
            let (_, images) = drawing.group(indices.clone(), true)?;
            for (index, image) in indices.zip(&images) {
                let raster = Raster::from_planar(image).context("an image of three channels")?;
                let png = encode_png(&raster)?;
                write_atomically(&path(index), |file| file.write_all(&png))
                    .with_context(|| format!("write {}", path(index).display()))?;
            }
            progress.advance(count as u64);
        }
        Ok(())
    })?;
    progress.finish();
    if args.latents.json {
        Output.json(&about)?;
    } else {
        Output.line(format_args!("{} images in {}", args.samples, folder.display()))?;
        Output.line(
            "Once they are labelled, the same command with --labels FILE.csv in place of --images-to scores them.",
        )?;
    }
    Ok(ExitStatus::Done)
}

/// Makes the folder this drawing's, or refuses one of another.
fn claim(folder: &Path, about: &Value) -> Result<()> {
    let record = folder.join(RECORD);
    if let Ok(text) = fs::read_to_string(&record) {
        let found: Value = serde_json::from_str(&text).unwrap_or_default();
        if &found != about {
            bail!(
                "--images-to {} holds images of another generator, seed or number (see {RECORD}); give another folder",
                folder.display()
            );
        }
        return Ok(());
    }
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("--images-to {} is not empty; give a new folder", folder.display());
    }
    fs::create_dir_all(folder).with_context(|| format!("make --images-to {}", folder.display()))?;
    write_atomically(&record, |file| serde_json::to_writer_pretty(file, about).map_err(std::io::Error::other))
        .with_context(|| format!("write {}", record.display()))
}
