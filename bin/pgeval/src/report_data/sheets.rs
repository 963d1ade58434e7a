//! Contact sheets of both sides: the pictures, then each level of their Laplacian pyramids.

use anyhow::{Context as _, Result};
use pg_image::files::encode_png;
use pg_image::{Planar, Raster};
use pg_metrics::{Side, laplacian_pyramid};
use pg_report::{Picture, SheetPair};

use super::pictures::{ReportPictures, THUMBNAIL_PX, thumbnail};

const COLUMNS: usize = 6;
/// Pixels between pictures.
const GAP_PX: usize = 2;
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
    let pyramids = images.map(|images| {
        images.iter().map(|image| laplacian_pyramid(image)).collect::<Result<Vec<_>, _>>().unwrap_or_default()
    });
    let level_count = pyramids.iter().map(|side| side.first().map_or(0, Vec::len)).min().unwrap_or(0);
    for level in 0..level_count {
        let [real, fake] = pyramids.each_ref().map(|side| level_sheet(side, level));
        let (real, fake) = (real?, fake?);
        let px = pyramids[0].first().and_then(|p| p.get(level)).map_or(0, Planar::width);
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

fn level_sheet(pyramids: &[Vec<Planar<f32>>], level: usize) -> Result<Picture> {
    let tiles: Vec<Planar<u8>> = pyramids
        .iter()
        .filter_map(|pyramid| {
            let is_residual = level + 1 == pyramid.len();
            let shown = |v: f32| if is_residual { v } else { DETAIL_CONTRAST * v + GREY };
            Some(middle(pyramid.get(level)?).map(|v| shown(v).round_ties_even().clamp(0.0, 255.0) as u8))
        })
        .collect();
    let px = pyramids.first().and_then(|pyramid| pyramid.get(level)).map_or(0, Planar::width);
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
    let (w, h) = tiles.first().map(|tile| (tile.width(), tile.height())).context("no picture to show")?;
    let (columns, rows) = (COLUMNS.min(tiles.len()), tiles.len().div_ceil(COLUMNS));
    let (width, height) = (columns * (w + GAP_PX) - GAP_PX, rows * (h + GAP_PX) - GAP_PX);
    let mut sheet = Planar::filled(3, height, width, GAP_GREY);
    for (i, tile) in tiles.iter().enumerate().filter(|(_, tile)| (tile.width(), tile.height()) == (w, h)) {
        let (left, top) = (i % COLUMNS * (w + GAP_PX), i / COLUMNS * (h + GAP_PX));
        for c in 0..3 {
            for (y, row) in tile.plane(c).chunks_exact(w).enumerate() {
                sheet.plane_mut(c)[(top + y) * width + left..][..w].copy_from_slice(row);
            }
        }
    }
    picture(&sheet, format!("{} images, {what}", tiles.len()))
}

/// An image as a PNG picture.
pub(super) fn picture(image: &Planar<u8>, description: String) -> Result<Picture> {
    let raster = Raster::from_planar(image).context("a picture of the report is empty")?;
    let png = encode_png(&raster).context("encode a picture of the report")?;
    Ok(Picture { png, width_px: image.width(), height_px: image.height(), description })
}
