//! Sheets of images as PNG files.

use std::path::Path;

use anyhow::Context as _;
use pg_image::{Planar, Raster, files};
use pg_training::ImageSheet;

/// Writes images in `columns` as one PNG, each enlarged by whole pixels `zoom` times.
pub(crate) fn write_sheet(
    path: &Path,
    sheet: &ImageSheet,
    columns: usize,
    zoom: usize,
) -> anyhow::Result<()> {
    let columns = columns.clamp(1, sheet.count.max(1));
    let rows = sheet.count.div_ceil(columns).max(1);
    let side = sheet.resolution_px * zoom;
    let (width, height) = (columns * side, rows * side);
    let mut picture = Planar::filled(sheet.channels, height, width, 0_u8);
    for (index, image) in sheet.images().enumerate() {
        let (left, top) = (index % columns * side, index / columns * side);
        let planes = image.chunks_exact(sheet.resolution_px * sheet.resolution_px);
        for (c, plane) in planes.enumerate() {
            let target = picture.plane_mut(c);
            for y in 0..side {
                let source = &plane[y / zoom * sheet.resolution_px..][..sheet.resolution_px];
                let row = &mut target[(top + y) * width + left..][..side];
                for (pixels, &value) in row.chunks_exact_mut(zoom).zip(source) {
                    pixels.fill(value);
                }
            }
        }
    }
    write(path, &picture)
}

/// Writes one image `[C,R,R]` as a PNG.
pub(crate) fn write_image(path: &Path, image: &[u8], channels: usize, side: usize) -> anyhow::Result<()> {
    let planar = Planar::from_data(channels, side, side, image.to_vec()).context("image size")?;
    write(path, &planar)
}

/// Writes a picture of 1 or 3 channels as a PNG.
pub(crate) fn write(path: &Path, picture: &Planar<u8>) -> anyhow::Result<()> {
    let raster = Raster::from_planar(picture).context("a picture needs 1 or 3 channels and a size")?;
    files::write_png(path, &raster).with_context(|| format!("cannot write {}", path.display()))
}
