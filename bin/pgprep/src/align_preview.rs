//! `pgprep align --preview`: landmarks and crops over the photos, before hours are spent.

use std::ffi::OsStr;

use anyhow::{Context as _, anyhow, bail};
use pg_align::{AlignSettings, Landmarks};
use pg_cli::{ExitStatus, Provenance};
use pg_image::files::write_png;
use pg_image::{Raster, contact_sheet, draw_stroke, window};
use pg_shard::reason;
use rayon::prelude::*;
use serde_json::json;

use crate::align_job::{AlignJob, Face, spread};
use crate::args::AlignArgs;
use crate::at_url;
use crate::build_results::status;
use crate::image_items::load;
use crate::session::{Session, TOOL, count};

/// Most faces shown, spread evenly over all.
const SHOWN: usize = 48;
const COLUMNS: usize = 8;
/// Side of each picture.
const SIDE_PX: usize = 256;
/// The window grows with the crop up to this multiple of the photo's longer side.
const MOST_SIDES: f64 = 3.0;

const LEFT: [u8; 3] = [40, 220, 60];
const RIGHT: [u8; 3] = [240, 60, 60];
const NOSE: [u8; 3] = [255, 220, 0];
const CROP: [u8; 3] = [0, 200, 255];
const CROP_TOP: [u8; 3] = [255, 130, 0];

/// Writes the sheet to `args.output`. `wrong` is why these landmarks would be refused without `--preview`.
pub(crate) fn run(
    session: &Session,
    args: &AlignArgs,
    job: &AlignJob,
    wrong: Option<&anyhow::Error>,
) -> anyhow::Result<ExitStatus> {
    if !args.output.extension().is_some_and(|e| e.eq_ignore_ascii_case(OsStr::new("png"))) {
        bail!(
            "{} (-o) names no PNG file: with --preview a contact sheet is written, give for example -o {}.png",
            args.output.display(),
            args.output.display()
        );
    }
    let output = at_url::output_file(session, &args.output, "-o")?;
    let shown = spread(job.faces.len(), SHOWN);
    let drawn: Vec<Result<Raster, String>> = shown.par_iter().map(|&i| picture(job, &job.faces[i])).collect();
    let mut pictures = Vec::new();
    let mut failed = 0;
    for (result, &i) in drawn.into_iter().zip(&shown) {
        match result {
            Ok(picture) => pictures.push(picture),
            Err(reason) => {
                failed += 1;
                session.notes.warning(format!("{}: {reason}", job.faces[i].row.file));
            }
        }
    }
    let sheet = contact_sheet(&pictures, COLUMNS)
        .ok_or_else(|| anyhow!("none of the {} can be shown", count(shown.len() as u64, "photo")))?;
    write_png(output.path(), &sheet).context("cannot write the sheet (-o)")?;
    output.send().context("cannot write the sheet (-o)")?;
    if let Some(error) = wrong {
        session.notes.warning(format!(
            "{} (--landmarks) would be refused: {}",
            args.landmarks.display(),
            reason(error.as_ref())
        ));
    }
    let size = [sheet.width(), sheet.height()];
    let json = json!({
        "faces": pictures.len(),
        "failed": failed,
        "would_be_refused": wrong.map(|error| reason(error.as_ref())),
        "sheet_size": size,
        "provenance": Provenance::of_this_process(TOOL.0, TOOL.1, None)
            .setting("size", args.size)
            .setting("preset", json!(job.settings.preset))
            .count("faces", pictures.len()),
    });
    let line = format!(
        "{} of {} in {}, {}x{} px: left points green, right ones red, upper edge of the crop orange",
        pictures.len(),
        count(job.faces.len() as u64, "face"),
        args.output.display(),
        size[0],
        size[1]
    );
    session.result(&json, [line])?;
    Ok(if wrong.is_some() { ExitStatus::SomeFailed } else { status(failed) })
}

/// One photo with its points and crop; without a crop where none follows from the points.
fn picture(job: &AlignJob, face: &Face) -> Result<Raster, String> {
    let Some(item) = face.item else { return Err("it is not among the photos".to_owned()) };
    let photo = load(&job.source, item, &job.loader)?.raster;
    let quad = corners(&face.row.landmarks, job.settings_of(face));
    let size = [photo.width() as f64, photo.height() as f64];
    // The photo, and of the crop as much as the limit allows.
    let most = MOST_SIDES * size[0].max(size[1]);
    let range = |axis: usize| {
        let places = || quad.iter().flatten().map(|p| p[axis]);
        let (low, high) = (places().fold(0.0, f64::min), places().fold(size[axis], f64::max));
        let spare = (most - size[axis]) / 2.0;
        (low.max(-spare), high.min(size[axis] + spare))
    };
    let ((left, right), (top, bottom)) = (range(0), range(1));
    let side = (right - left).max(bottom - top);
    let (left, top) = (f64::midpoint(left, right) - side / 2.0, f64::midpoint(top, bottom) - side / 2.0);
    let mut shown = window(photo, left, top, side, SIDE_PX).map_err(|e| reason(&e))?;
    let place = |p: [f64; 2]| {
        let scale = SIDE_PX as f64 / side;
        [(p[0] - left) * scale, (p[1] - top) * scale]
    };
    if let Some([upper_left, lower_left, lower_right, upper_right]) = quad {
        for (a, b, colour) in [
            (upper_left, lower_left, CROP),
            (lower_left, lower_right, CROP),
            (lower_right, upper_right, CROP),
            (upper_right, upper_left, CROP_TOP),
        ] {
            draw_stroke(&mut shown, place(a), place(b), 2.0, colour);
        }
    }
    for (point, colour) in face.row.landmarks.points().into_iter().zip([LEFT, RIGHT, NOSE, LEFT, RIGHT]) {
        // Landmarks count pixels, whose centres lie half a pixel further.
        let at = place(point.map(|v| f64::from(v) + 0.5));
        draw_stroke(&mut shown, at, at, 7.0, [0, 0, 0]);
        draw_stroke(&mut shown, at, at, 5.0, colour);
    }
    Ok(shown)
}

fn corners(landmarks: &Landmarks, settings: AlignSettings) -> Option<[[f64; 2]; 4]> {
    let square = settings.square(landmarks).ok()?;
    Some(square.quad.map(|p| p.map(f64::from)))
}
