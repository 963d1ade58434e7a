//! Contact sheets of both sides: the pictures, then each level of their Laplacian pyramids.

use anyhow::{Context as _, Result};
use pg_image::files::encode_png;
use pg_image::{Planar, Raster, contact_sheet_on};
use pg_metrics::{Side, laplacian_pyramid};
use pg_results::{Picture, SheetPair};

use super::pictures::{ReportPictures, THUMBNAIL_PX, thumbnail};

const COLUMNS: usize = 6;
/// A grey that neither a light nor a dark page takes for its own.
const GAP_GREY: u8 = 80;
/// What stands for "no detail".
const GREY: f32 = 128.0;
/// Details are faint: a few grey levels in most photos.
const DETAIL_CONTRAST: f32 = 2.0;
/// Longest side of a picture on a sheet; of finer levels the middle is shown, since details would vanish in
/// a reduced picture.
const TILE_PX: usize = THUMBNAIL_PX;

/// The sheets of all levels, pictures first. Empty unless both sides have pictures; without levels where
/// a pyramid is not defined for the pictures' size.
pub(super) fn sheets(pictures: &ReportPictures) -> Result<Vec<SheetPair>> {
    let sides = [Side::Real, Side::Fake];
    let images = sides.map(|side| pictures.shown(side).map(|(_, image)| image).collect::<Vec<_>>());
    if images.iter().any(Vec::is_empty) {
        return Ok(Vec::new());
    }
    let [real, fake] = images
        .each_ref()
        .map(|images| sheet(&images.iter().map(|image| thumbnail(image)).collect::<Vec<_>>(), "pictures"));
    let mut pairs = vec![SheetPair {
        heading: "Pictures".to_owned(),
        note: format!("The first of each side, reduced to {THUMBNAIL_PX} pixels where they are larger."),
        real: real?,
        fake: fake?,
    }];
    let px = images[0].first().map_or(0, |image| image.width());
    // Only what is shown of them: the pyramids themselves would take 16 MB each at 1024 px.
    let pyramids = images.map(|images| {
        let shown = |image: &&Planar<u8>| Ok(laplacian_pyramid(image)?.iter().map(middle).collect());
        images.iter().map(shown).collect::<Result<Vec<Vec<_>>>>().unwrap_or_default()
    });
    let level_count = pyramids.iter().map(|side| side.first().map_or(0, Vec::len)).min().unwrap_or(0);
    for level in 0..level_count {
        let px = px >> level;
        let [real, fake] = pyramids.each_ref().map(|side| level_sheet(side, level, px));
        let (real, fake) = (real?, fake?);
        pairs.push(SheetPair {
            heading: format!("Level {px} px"),
            note: level_note(level + 1 == level_count, px),
            real,
            fake,
        });
    }
    Ok(pairs)
}

fn level_note(is_residual: bool, px: usize) -> String {
    let what = if is_residual {
        "What is left of the pictures: their large shapes."
    } else {
        "What this level adds to the next coarser one: grey for nothing, contrast doubled."
    };
    let cut = if px > TILE_PX {
        format!(" The middle {TILE_PX} x {TILE_PX} pixels of each.")
    } else {
        String::new()
    };
    format!("{what}{cut}")
}

/// `pyramids`: the middles of all levels of each image, of which `level` has `px` pixels on a side.
fn level_sheet(pyramids: &[Vec<Planar<f32>>], level: usize, px: usize) -> Result<Picture> {
    let tiles: Vec<Planar<u8>> = pyramids
        .iter()
        .filter_map(|pyramid| {
            let is_residual = level + 1 == pyramid.len();
            let shown = |v: f32| if is_residual { v } else { DETAIL_CONTRAST * v + GREY };
            Some(pyramid.get(level)?.map(|v| shown(v).round_ties_even().clamp(0.0, 255.0) as u8))
        })
        .collect();
    sheet(&tiles, &format!("level of {px} pixels"))
}

/// The middle of an image, at most [`TILE_PX`] on a side.
fn middle(image: &Planar<f32>) -> Planar<f32> {
    let (w, h) = (image.width(), image.height());
    let (width, height) = (w.min(TILE_PX), h.min(TILE_PX));
    let (left, top) = ((w - width) / 2, (h - height) / 2);
    let mut cut = Planar::filled(image.channels(), height, width, 0.0);
    for c in 0..image.channels() {
        let rows = image.plane(c).chunks_exact(w).skip(top);
        for (out, row) in cut.plane_mut(c).chunks_exact_mut(width).zip(rows) {
            out.copy_from_slice(&row[left..left + width]);
        }
    }
    cut
}

/// Pictures of one size in rows of six.
fn sheet(tiles: &[Planar<u8>], what: &str) -> Result<Picture> {
    let rasters: Option<Vec<Raster>> = tiles.iter().map(Raster::from_planar).collect();
    let sheet = rasters.and_then(|rasters| contact_sheet_on(&rasters, COLUMNS, GAP_GREY));
    encoded(&sheet.context("no picture to show")?, format!("{} images, {what}", tiles.len()))
}

/// An image as a PNG picture.
pub(super) fn picture(image: &Planar<u8>, description: String) -> Result<Picture> {
    encoded(&Raster::from_planar(image).context("a picture of the report is empty")?, description)
}

fn encoded(raster: &Raster, description: String) -> Result<Picture> {
    let png = encode_png(raster).context("encode a picture of the report")?;
    Ok(Picture { png, width_px: raster.width(), height_px: raster.height(), description })
}
