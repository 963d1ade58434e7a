//! Image files to photos in memory.

use std::fs::File;
use std::io::{self, Cursor, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::error::{ImageError, LimitErrorKind};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::signature::{name as format_name, sniff};
use super::{FilesError, jpeg_markers, png_chunks};
use crate::Raster;

/// What a decoder may use up before a file is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Most pixels (columns times rows) of one picture.
    pub max_pixels: u64,
    /// Most bytes of one file.
    pub max_bytes: u64,
}

impl Default for DecodeLimits {
    /// 200 million pixels, 1 GiB.
    fn default() -> Self {
        Self { max_pixels: 200_000_000, max_bytes: 1 << 30 }
    }
}

/// The photo in the file `path`: u8 `[H,W,C]`, grey (C = 1) or RGB (C = 3).
///
/// Policy: the format is told by content; an EXIF orientation is applied; 16-bit samples become
/// round(v/257); transparent pixels are laid over white; palettes, YCbCr and CMYK come as RGB from the
/// decoder; the first frame of an animation counts; ICC profiles are ignored, samples are taken as sRGB.
/// A file that ends early is an error for every format, never a half-grey picture.
///
/// # Errors
/// [`FilesError::Io`], [`Empty`](FilesError::Empty), [`UnknownFormat`](FilesError::UnknownFormat),
/// [`Truncated`](FilesError::Truncated), [`Damaged`](FilesError::Damaged),
/// [`Unsupported`](FilesError::Unsupported), [`TooManyPixels`](FilesError::TooManyPixels),
/// [`TooManyBytes`](FilesError::TooManyBytes): each names the file.
pub fn decode(path: &Path, limits: &DecodeLimits) -> Result<Raster, FilesError> {
    decode_bytes(&read_bytes(path, limits)?, path, limits)
}

/// All bytes of a file, unless they are more than allowed: for callers that also need the bytes, e.g.
/// for a checksum.
///
/// # Errors
/// [`FilesError::Io`], [`FilesError::TooManyBytes`].
pub fn read_bytes(path: &Path, limits: &DecodeLimits) -> Result<Vec<u8>, FilesError> {
    let mut bytes = Vec::new();
    let mut found = 0;
    let result = (|| -> io::Result<()> {
        let file = File::open(path)?;
        found = file.metadata()?.len();
        if found <= limits.max_bytes {
            // `take` again: a pipe or a growing file has no length to trust.
            file.take(limits.max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
            found = bytes.len() as u64;
        }
        Ok(())
    })();
    result.map_err(|source| FilesError::Io { action: "read", path: path.to_owned(), source })?;
    if found > limits.max_bytes {
        return Err(FilesError::TooManyBytes {
            path: path.to_owned(),
            bytes: found,
            max_bytes: limits.max_bytes,
        });
    }
    Ok(bytes)
}

/// The photo in `bytes`, a whole image file; `name` is what errors call it. Policy as in [`decode`].
///
/// # Errors
/// As [`decode`], without [`FilesError::Io`].
pub fn decode_bytes(
    bytes: &[u8],
    name: impl AsRef<Path>,
    limits: &DecodeLimits,
) -> Result<Raster, FilesError> {
    let path = name.as_ref();
    if bytes.is_empty() {
        return Err(FilesError::Empty { path: path.to_owned() });
    }
    if bytes.len() as u64 > limits.max_bytes {
        return Err(FilesError::TooManyBytes {
            path: path.to_owned(),
            bytes: bytes.len() as u64,
            max_bytes: limits.max_bytes,
        });
    }
    let Some(format) = sniff(bytes) else {
        return Err(FilesError::UnknownFormat { path: path.to_owned(), found: first_bytes(bytes) });
    };
    if format == ImageFormat::Jpeg {
        jpeg_markers::check_complete(bytes).map_err(|detail| FilesError::Truncated {
            path: path.to_owned(),
            format: format_name(format),
            detail,
        })?;
    }
    if format == ImageFormat::Png {
        png_chunks::check_palette(bytes).map_err(|detail| FilesError::Damaged {
            path: path.to_owned(),
            format: format_name(format),
            detail,
        })?;
    }
    let describe = |error: ImageError| describe(path, format, &error);
    let mut decoder =
        ImageReader::with_format(Cursor::new(bytes), format).into_decoder().map_err(describe)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > limits.max_pixels {
        return Err(FilesError::TooManyPixels {
            path: path.to_owned(),
            width,
            height,
            pixels,
            max_pixels: limits.max_pixels,
        });
    }
    // 16 bytes hold the widest pixel (RGBA, f32); once for the picture, once for working space.
    let mut decoder_limits = Limits::no_limits();
    decoder_limits.max_alloc = Some(pixels.saturating_mul(32).saturating_add(64 << 20));
    decoder.set_limits(decoder_limits).map_err(describe)?;
    let orientation = decoder.orientation().map_err(describe)?;
    // A decoder that panics on one file must not end a build of days.
    let decoded = catch_unwind(AssertUnwindSafe(|| DynamicImage::from_decoder(decoder)));
    let mut picture = decoded
        .map_err(|_| FilesError::Damaged {
            path: path.to_owned(),
            format: format_name(format),
            detail: "the decoder failed on it".to_owned(),
        })?
        .map_err(describe)?;
    picture.apply_orientation(orientation);
    flatten(picture).ok_or_else(|| FilesError::Damaged {
        path: path.to_owned(),
        format: format_name(format),
        detail: format!("expected at least one pixel, found {width}x{height}"),
    })
}

/// 8 bits, grey or RGB, opaque.
fn flatten(picture: DynamicImage) -> Option<Raster> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let (channels, data) = match picture {
        DynamicImage::ImageLuma8(p) => (1, p.into_raw()),
        DynamicImage::ImageRgb8(p) => (3, p.into_raw()),
        DynamicImage::ImageLuma16(p) => (1, p.iter().map(|&v| to_8_bits(v)).collect()),
        DynamicImage::ImageRgb16(p) => (3, p.iter().map(|&v| to_8_bits(v)).collect()),
        DynamicImage::ImageLumaA8(p) => (1, over_white::<2, u8>(p.as_raw(), 255)),
        DynamicImage::ImageRgba8(p) => (3, over_white::<4, u8>(p.as_raw(), 255)),
        DynamicImage::ImageLumaA16(p) => (1, over_white::<2, u16>(p.as_raw(), 65535)),
        DynamicImage::ImageRgba16(p) => (3, over_white::<4, u16>(p.as_raw(), 65535)),
        other => (3, over_white::<4, u16>(other.to_rgba16().as_raw(), 65535)),
    };
    Raster::from_data(width, height, channels, data).ok()
}

fn to_8_bits(value: u16) -> u8 {
    ((u32::from(value) + 128) / 257) as u8
}

/// Lays pixels of N samples, the last one alpha, over white: round(255 (a c + (m - a) m) / m^2), m = `max`.
fn over_white<const N: usize, T: Copy + Into<u64>>(samples: &[T], max: u64) -> Vec<u8> {
    let mut flat = Vec::with_capacity(samples.len() / N * (N - 1));
    for pixel in samples.chunks_exact(N) {
        let alpha: u64 = pixel[N - 1].into();
        for &sample in &pixel[..N - 1] {
            let blended = alpha * sample.into() + (max - alpha) * max;
            flat.push(((255 * blended + max * max / 2) / (max * max)) as u8);
        }
    }
    flat
}

fn first_bytes(bytes: &[u8]) -> String {
    let hex: Vec<String> = bytes.iter().take(8).map(|b| format!("{b:02x}")).collect();
    hex.join(" ")
}

fn describe(path: &Path, format: ImageFormat, error: &ImageError) -> FilesError {
    let (path, format) = (path.to_owned(), format_name(format));
    let detail = one_line(error);
    match error {
        ImageError::IoError(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            FilesError::Truncated { path, format, detail: "expected more image data".to_owned() }
        }
        ImageError::Limits(limit) if limit.kind() == LimitErrorKind::InsufficientMemory => {
            FilesError::Damaged {
                path,
                format,
                detail: format!("it needs far more memory than its size explains ({detail})"),
            }
        }
        ImageError::Unsupported(_) => FilesError::Unsupported { path, format, detail },
        _ if is_early_end(&detail) => {
            FilesError::Truncated { path, format, detail: "expected more image data".to_owned() }
        }
        _ => FilesError::Damaged { path, format, detail },
    }
}

/// Decoders word an early end in their own ways.
fn is_early_end(detail: &str) -> bool {
    let detail = detail.to_ascii_lowercase();
    ["unexpected end", "end of file", "unexpectedeof", "failed to fill whole buffer", "premature end"]
        .iter()
        .any(|text| detail.contains(text))
}

fn one_line(error: &ImageError) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{encode_jpeg, encode_png};
    use image::{ExtendedColorType, ImageEncoder as _, codecs};

    const LIMITS: DecodeLimits = DecodeLimits { max_pixels: 100_000, max_bytes: 1 << 20 };

    fn photo(width: usize, height: usize, channels: usize) -> Raster {
        let value = |i: usize| ((i * 7) % 253) as u8;
        let data = (0..width * height * channels).map(value).collect();
        Raster::from_data(width, height, channels, data).unwrap()
    }

    fn encoded(extension: &str) -> Vec<u8> {
        let raster = photo(40, 30, 3);
        let mut bytes = Vec::new();
        let (data, (w, h), rgb) = (raster.data(), (40, 30), ExtendedColorType::Rgb8);
        match extension {
            "png" => bytes = encode_png(&raster).unwrap(),
            "jpg" => bytes = encode_jpeg(&raster, 90).unwrap(),
            "bmp" => codecs::bmp::BmpEncoder::new(&mut bytes).write_image(data, w, h, rgb).unwrap(),
            "webp" => {
                codecs::webp::WebPEncoder::new_lossless(&mut bytes).write_image(data, w, h, rgb).unwrap();
            }
            "gif" => codecs::gif::GifEncoder::new(&mut bytes).encode(data, w, h, rgb).unwrap(),
            _ => {
                let mut cursor = Cursor::new(Vec::new());
                codecs::tiff::TiffEncoder::new(&mut cursor).write_image(data, w, h, rgb).unwrap();
                bytes = cursor.into_inner();
            }
        }
        bytes
    }

    #[test]
    fn lossless_formats_give_the_pixels_back() {
        for extension in ["png", "bmp", "webp", "tiff"] {
            let decoded = decode_bytes(&encoded(extension), extension, &LIMITS).unwrap();
            assert_eq!(decoded, photo(40, 30, 3), "{extension}");
        }
    }

    #[test]
    fn grey_stays_one_channel() {
        let grey = photo(9, 5, 1);
        assert_eq!(decode_bytes(&encode_png(&grey).unwrap(), "g", &LIMITS).unwrap(), grey);
    }

    #[test]
    fn a_file_cut_anywhere_in_its_second_half_is_an_error() {
        for extension in ["png", "jpg", "bmp", "webp", "tiff", "gif"] {
            let whole = encoded(extension);
            assert!(decode_bytes(&whole, extension, &LIMITS).is_ok(), "{extension}");
            // A PNG's last 12 bytes (IEND) and a GIF's last byte carry no pixels.
            for length in (whole.len() / 2..whole.len() - 16).step_by(97) {
                let cut = decode_bytes(&whole[..length], extension, &LIMITS);
                assert!(cut.is_err(), "{extension} cut to {length} of {}", whole.len());
            }
        }
    }

    #[test]
    fn a_jpeg_without_its_end_is_truncated_not_half_grey() {
        let whole = encoded("jpg");
        let error = decode_bytes(&whole[..whole.len() / 2], "half.jpg", &LIMITS).unwrap_err();
        assert!(matches!(error, FilesError::Truncated { .. }), "{error}");
        assert!(error.to_string().starts_with("half.jpg is a truncated JPEG file"), "{error}");
    }

    #[test]
    fn a_png_cut_in_the_middle_is_truncated() {
        let whole = encoded("png");
        let error = decode_bytes(&whole[..whole.len() / 2], "half.png", &LIMITS).unwrap_err();
        assert!(matches!(error, FilesError::Truncated { .. }), "{error:?}");
    }

    #[test]
    fn no_bytes_and_foreign_bytes_have_their_own_errors() {
        assert!(matches!(decode_bytes(b"", "a.jpg", &LIMITS), Err(FilesError::Empty { .. })));
        let error = decode_bytes(b"<html>", "a.jpg", &LIMITS).unwrap_err();
        assert!(error.to_string().contains("begins with 3c 68 74 6d 6c 3e"), "{error}");
    }

    #[test]
    fn a_picture_beyond_the_pixel_limit_is_refused_before_it_is_decoded() {
        let bytes = encode_png(&photo(400, 300, 1)).unwrap();
        let error = decode_bytes(&bytes, "bomb.png", &LIMITS).unwrap_err();
        assert!(matches!(error, FilesError::TooManyPixels { pixels: 120_000, .. }), "{error}");
    }

    #[test]
    fn a_file_beyond_the_byte_limit_is_refused() {
        let limits = DecodeLimits { max_bytes: 10, ..LIMITS };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        std::fs::write(&path, encoded("png")).unwrap();
        assert!(matches!(decode(&path, &limits), Err(FilesError::TooManyBytes { .. })));
    }

    #[test]
    fn alpha_is_laid_over_white() {
        assert_eq!(over_white::<2, u8>(&[0, 0, 0, 255, 100, 128, 255, 7], 255), [255, 0, 177, 255]);
        assert_eq!(over_white::<2, u16>(&[0, 0, 65535, 65535, 0, 65535], 65535), [255, 255, 0]);
    }

    #[test]
    fn sixteen_bits_are_scaled_not_cut() {
        assert_eq!([0, 128, 129, 257, 65535].map(to_8_bits), [0, 0, 1, 1, 255]);
    }

    #[test]
    fn exif_orientation_is_applied() {
        // APP1 with one TIFF entry: tag 0x0112, type SHORT, count 1, value 6 (rotate clockwise).
        let mut exif =
            b"\xff\xe1\x00\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
                .to_vec();
        let plain = encoded("jpg");
        let mut turned = plain[..2].to_vec();
        turned.append(&mut exif);
        turned.extend_from_slice(&plain[2..]);
        let (plain, turned) =
            (decode_bytes(&plain, "p", &LIMITS).unwrap(), decode_bytes(&turned, "t", &LIMITS).unwrap());
        assert_eq!((turned.width(), turned.height()), (30, 40));
        // The top left pixel lands at the top right.
        assert_eq!(turned.data()[29 * 3..30 * 3], plain.data()[..3]);
    }
}
