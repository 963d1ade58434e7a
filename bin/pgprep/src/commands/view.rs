//! `pgprep view`: a contact sheet.

use anyhow::{Context as _, anyhow, bail};
use pg_cli::{ExitStatus, Provenance};
use pg_image::files::write_png;
use pg_image::{Fit, Raster, contact_sheet, fit};
use pg_shard::{Manifest, reason};
use rayon::prelude::*;
use serde_json::json;

use crate::args::ViewArgs;
use crate::at_url;
use crate::build_results::status;
use crate::image_items::load;
use crate::level_images::picture;
use crate::session::{Session, TOOL, count, resolution};

/// Side of the pictures when the user does not choose.
const DEFAULT_PX: u32 = 128;

pub(crate) fn run(session: &Session, args: &ViewArgs) -> anyhow::Result<ExitStatus> {
    let output = at_url::output_file(session, &args.output, "-o")?;
    let (pictures, failed) = if at_url::is_dataset(session, &args.source)? {
        (from_dataset(session, args)?, 0)
    } else {
        from_source(session, args)?
    };
    let sheet = contact_sheet(&pictures, args.cols as usize)
        .ok_or_else(|| anyhow!("{} holds no image that can be shown", args.source.display()))?;
    write_png(output.path(), &sheet).context("cannot write the sheet (-o)")?;
    output.send().context("cannot write the sheet (-o)")?;
    let size = [sheet.width(), sheet.height()];
    let json = json!({
        "images": pictures.len(),
        "failed": failed,
        "sheet_size": size,
        "provenance": Provenance::of_this_process(TOOL.0, TOOL.1, None).count("images", pictures.len()),
    });
    let images = count(pictures.len() as u64, "image");
    let line = format!("{images} in {}, {}x{} px", args.output.display(), size[0], size[1]);
    session.result(&json, [line])?;
    Ok(status(failed))
}

fn from_dataset(session: &Session, args: &ViewArgs) -> anyhow::Result<Vec<Raster>> {
    let chosen = |manifest: &Manifest| {
        if let Some(pixels) = args.resolution {
            return resolution(pixels, "--resolution");
        }
        let all = manifest.levels();
        let fitting = all.iter().rfind(|r| r.pixels() <= DEFAULT_PX as usize);
        let level = fitting.or(all.first()).copied();
        level.with_context(|| format!("{} has no level", args.source.display()))
    };
    let dataset = at_url::dataset(session, &args.source, |manifest| Ok(vec![chosen(manifest)?]))?;
    let level = dataset.level(chosen(dataset.manifest())?).context("--resolution cannot be used")?;
    (0..level.len().min(args.count as usize)).map(|i| picture(&level, i)).collect()
}

fn from_source(session: &Session, args: &ViewArgs) -> anyhow::Result<(Vec<Raster>, u64)> {
    let loader = session.loader(&args.limits);
    let side = args.resolution.unwrap_or(DEFAULT_PX) as usize;
    if !(1..=4096).contains(&side) {
        bail!("--resolution {side} cannot be used: expected 1 to 4096 pixels");
    }
    let source = at_url::source(session, &args.source, None)
        .with_context(|| format!("cannot show {}", args.source.display()))?;
    let shown = source.items().len().min(args.count as usize);
    let results: Vec<Result<Raster, String>> = (0..shown)
        .into_par_iter()
        .map(|i| {
            let photo = load(&source, i, &loader)?;
            fit(photo.raster.into_rgb(), side, Fit::Pad).map_err(|e| reason(&e))
        })
        .collect();
    let mut pictures = Vec::new();
    let mut failed = 0;
    for result in results {
        match result {
            Ok(picture) => pictures.push(picture),
            Err(reason) => {
                failed += 1;
                session.notes.warning(reason);
            }
        }
    }
    Ok((pictures, failed))
}
