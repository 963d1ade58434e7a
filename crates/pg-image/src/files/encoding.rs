//! Photos in memory to image files.

use std::io::Write as _;
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder as _, ImageError};

use super::{FilesError, write_atomically};
use crate::Raster;

/// The photo as the bytes of a PNG file: 8 bits, grey or RGB, no metadata. Lossless, the same bytes
/// every time.
///
/// # Errors
/// [`FilesError::Encode`].
pub fn encode_png(photo: &Raster) -> Result<Vec<u8>, FilesError> {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive);
    let (width, height, colour) = layout(photo);
    encoder.write_image(photo.data(), width, height, colour).map_err(|e| refused(photo, "PNG", &e))?;
    Ok(bytes)
}

/// The photo as the bytes of a baseline JPEG file; `quality` 1..=100.
///
/// # Errors
/// [`FilesError::Encode`], e.g. for a side beyond 65535 px.
pub fn encode_jpeg(photo: &Raster, quality: u8) -> Result<Vec<u8>, FilesError> {
    let mut bytes = Vec::new();
    let (width, height, colour) = layout(photo);
    JpegEncoder::new_with_quality(&mut bytes, quality.clamp(1, 100))
        .write_image(photo.data(), width, height, colour)
        .map_err(|e| refused(photo, "JPEG", &e))?;
    Ok(bytes)
}

/// Writes the photo as a PNG file, atomically (see [`write_atomically`]).
///
/// # Errors
/// [`FilesError::Encode`]; [`FilesError::Io`] when the file cannot be written.
pub fn write_png(path: &Path, photo: &Raster) -> Result<(), FilesError> {
    let bytes = encode_png(photo)?;
    write_atomically(path, |file| file.write_all(&bytes)).map_err(|source| FilesError::Io {
        action: "write",
        path: path.to_owned(),
        source,
    })
}

fn layout(photo: &Raster) -> (u32, u32, ExtendedColorType) {
    let colour = if photo.channels() == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
    // Sides beyond u32 saturate and are then refused by the encoder.
    let side = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    (side(photo.width()), side(photo.height()), colour)
}

fn refused(photo: &Raster, format: &'static str, error: &ImageError) -> FilesError {
    FilesError::Encode { format, width: photo.width(), height: photo.height(), detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{DecodeLimits, decode};

    #[test]
    fn a_written_png_decodes_to_the_same_pixels_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let photo = Raster::from_data(3, 2, 3, (0..18).collect()).unwrap();
        write_png(&path, &photo).unwrap();
        assert_eq!(decode(&path, &DecodeLimits::default()).unwrap(), photo);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_unwritable_place_is_named() {
        let photo = Raster::from_data(1, 1, 1, vec![0]).unwrap();
        let error = write_png(Path::new("/no/such/a.png"), &photo).unwrap_err();
        assert_eq!(error.to_string(), "cannot write /no/such/a.png");
    }
}
