//! `--images-to`: the images of the latents, for another program to label.

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use pg_cli::{CommonArgs, ExitStatus, Interrupt, Output, Progress};
use pg_image::Raster;
use pg_image::files::{empty_at_once, encode_png, is_in_the_making, write_atomically};
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
    claim(folder, &about, common)?;
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

/// What is in `folder` besides the images of `record`.
fn foreign_name(folder: &Path, record: &Value) -> std::io::Result<Option<OsString>> {
    let samples = record["samples"].as_u64().unwrap_or(0);
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let text = name.to_string_lossy();
        let index: Option<u64> = text.strip_suffix(".png").and_then(|stem| stem.parse().ok());
        let is_image = index.is_some_and(|index| index < samples && format!("{index:06}.png") == text);
        if text != RECORD && !is_image && !is_in_the_making(&text) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Makes the folder this drawing's, or refuses one of another.
fn claim(folder: &Path, about: &Value, common: &CommonArgs) -> Result<()> {
    let record = folder.join(RECORD);
    if let Ok(text) = fs::read_to_string(&record) {
        let found: Value = serde_json::from_str(&text).unwrap_or_default();
        if &found == about {
            return Ok(());
        }
        if !common.overwrite {
            bail!(
                "--images-to {} holds images of another generator, seed or number (see {RECORD}); give another folder, or --overwrite",
                folder.display()
            );
        }
        let cannot = || format!("--overwrite: cannot remove what is in {}", folder.display());
        if let Some(foreign) = foreign_name(folder, &found).with_context(cannot)? {
            bail!(
                "--overwrite: {} was not written by this tool; give another folder to --images-to",
                folder.join(foreign).display()
            );
        }
        empty_at_once(folder).with_context(cannot)?;
    }
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("--images-to {} is not empty; give a new folder", folder.display());
    }
    fs::create_dir_all(folder).with_context(|| format!("make --images-to {}", folder.display()))?;
    write_atomically(&record, |file| serde_json::to_writer_pretty(file, about).map_err(std::io::Error::other))
        .with_context(|| format!("write {}", record.display()))
}
