//! Images and sheets of images as PNG.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use pg_image::files::{encode_png, write_atomically};
use pg_image::{Planar, Raster};
use pg_training::ImageSheet;

/// What the image of `seed` is called.
pub(crate) fn file_name(seed: u64) -> String {
    format!("{seed:06}.png")
}

/// The images in `columns`, each enlarged by whole pixels `zoom` times; places left over are black.
pub(crate) fn sheet_picture(sheet: &ImageSheet, columns: usize, zoom: usize) -> Planar<u8> {
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
    picture
}

/// One image `[C,R,R]`.
pub(crate) fn image_picture(image: &[u8], channels: usize, side: usize) -> anyhow::Result<Planar<u8>> {
    Planar::from_data(channels, side, side, image.to_vec()).context("image size")
}

/// A PNG file's bytes.
pub(crate) fn encode(picture: &Planar<u8>) -> anyhow::Result<Vec<u8>> {
    let raster = Raster::from_planar(picture).context("a picture needs 1 or 3 channels and a size")?;
    Ok(encode_png(&raster)?)
}

/// Writes a file whole or not at all.
pub(crate) fn write_bytes(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_atomically(path, |file| file.write_all(bytes))
        .with_context(|| format!("cannot write {}", path.display()))
}
