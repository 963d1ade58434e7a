//! Image files to photos in memory.

use std::fs::File;
use std::io::{self, Cursor, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::codecs::pnm::PnmDecoder;
use image::error::{ImageError, LimitErrorKind};
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use tiff::TiffError;

use super::flattening::flatten;
use super::signature::{name as format_name, sniff, sniff_portable_map, unread_format};
use super::tiff_samples::{ExtraSamples, TiffFault};
use super::{FilesError, avif, jpeg, png_chunks};
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
/// round(v/257); transparent pixels are laid over white, colours that are multiplied by their alpha
/// already as they are; palettes, YCbCr and CMYK become RGB; the first frame of an animation
/// counts; ICC profiles are ignored, samples are taken as sRGB. A file that ends early is an error
/// for every format, never a half-grey picture.
///
/// # Errors
/// [`FilesError::Io`], [`Empty`](FilesError::Empty), [`UnknownFormat`](FilesError::UnknownFormat),
/// [`Truncated`](FilesError::Truncated), [`Damaged`](FilesError::Damaged),
/// [`Unsupported`](FilesError::Unsupported), [`TooManyPixels`](FilesError::TooManyPixels),
/// [`TooManyBytes`](FilesError::TooManyBytes): each names the file.
pub fn decode(path: &Path, limits: &DecodeLimits) -> Result<Raster, FilesError> {
    decode_bytes(&read_bytes(path, limits)?, path, limits)
}

/// All bytes of a file, unless they are more than allowed: for callers that also need the bytes,
/// e.g. for a checksum.
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

/// The photo in `bytes`, a whole image file; `name` is what errors call it. Policy as in
/// [`decode`].
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
    let name = path.to_string_lossy();
    if let Some(unread) = unread_format(&name, bytes) {
        return Err(FilesError::NotRead {
            path: path.to_owned(),
            format: unread.name,
            remedy: unread.remedy,
        });
    }
    let Some(format) = sniff(bytes).or_else(|| sniff_portable_map(&name, bytes)) else {
        return Err(FilesError::UnknownFormat { path: path.to_owned(), found: first_bytes(bytes) });
    };
    if format == ImageFormat::Jpeg {
        return decode_jpeg(bytes, path, limits);
    }
    if format == ImageFormat::Avif {
        return decode_avif(bytes, path, limits);
    }
    if format == ImageFormat::Pnm {
        check_arbitrary_map(bytes, path)?;
    }
    if format == ImageFormat::Png {
        png_chunks::check_palette(bytes).map_err(|detail| FilesError::Damaged {
            path: path.to_owned(),
            format: format_name(format),
            detail,
        })?;
    }
    if format == ImageFormat::Tiff
        && let Some(decoded) = decode_tiff_with_extra_samples(bytes, path, limits)
    {
        return decoded;
    }
    decode_by_image_crate(bytes, path, format, limits)
}

/// `None` for TIFF files that the `image` crate reads rightly.
fn decode_tiff_with_extra_samples(
    bytes: &[u8],
    path: &Path,
    limits: &DecodeLimits,
) -> Option<Result<Raster, FilesError>> {
    let format = ImageFormat::Tiff;
    let refuse = |fault: TiffFault| describe_tiff(path, fault);
    let read = AssertUnwindSafe(|| {
        // What is wrong with the directory, the `image` crate finds as well.
        let mut file = ExtraSamples::find(bytes).ok()??;
        let size = file.size().map_err(refuse).and_then(|(width, height)| {
            check_pixels(path, width, height, limits).map(|pixels| (width, height, pixels))
        });
        let (width, height, pixels) = match size {
            Ok(size) => size,
            Err(error) => return Some(Err(error)),
        };
        let picture = file.read(working_space(pixels) as usize).map_err(refuse);
        Some(
            picture
                .and_then(|picture| flatten(picture).ok_or_else(|| no_pixels(path, format, width, height))),
        )
    });
    catch_unwind(read).unwrap_or_else(|_| Some(Err(decoder_failed(path, format))))
}

fn describe_tiff(path: &Path, fault: TiffFault) -> FilesError {
    let (path, format) = (path.to_owned(), "TIFF");
    let TiffFault::Decoder(error) = fault else {
        let detail = "its alpha is not the first extra sample".to_owned();
        return FilesError::Unsupported { path, format, detail };
    };
    let detail = error.to_string();
    match error {
        TiffError::UnsupportedError(_) => FilesError::Unsupported { path, format, detail },
        TiffError::IoError(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            FilesError::Truncated { path, format, detail: "expected more image data".to_owned() }
        }
        _ if is_early_end(&detail) => {
            FilesError::Truncated { path, format, detail: "expected more image data".to_owned() }
        }
        _ => FilesError::Damaged { path, format, detail },
    }
}

/// Bytes that a decoder may use: 16 hold the widest pixel (RGBA, f32); once for the picture, once
/// for working space.
fn working_space(pixels: u64) -> u64 {
    pixels.saturating_mul(32).saturating_add(64 << 20)
}

fn decoder_failed(path: &Path, format: ImageFormat) -> FilesError {
    FilesError::Damaged {
        path: path.to_owned(),
        format: format_name(format),
        detail: "the decoder failed on it".to_owned(),
    }
}

/// Of JPEG files the common ones go to the `image` crate's decoder, once all of the picture is
/// known to be there; the others, and what that decoder refuses, to our own.
fn decode_jpeg(bytes: &[u8], path: &Path, limits: &DecodeLimits) -> Result<Raster, FilesError> {
    let refuse = |fault: jpeg::Fault| fault.of_file(path);
    let header = jpeg::Header::read(bytes).map_err(refuse)?;
    let (width, height) = header.size();
    check_pixels(path, width as u32, height as u32, limits)?;
    if header.is_common() && header.check().map_err(refuse)? == jpeg::Tables::InForceThroughout {
        let decoded = decode_by_image_crate(bytes, path, ImageFormat::Jpeg, limits);
        if decoded.is_ok() {
            return decoded;
        }
    }
    let (channels, samples) = header.decode().map_err(refuse)?;
    let (width, height) = (width as u32, height as u32);
    let picture = if channels == 1 {
        GrayImage::from_raw(width, height, samples).map(DynamicImage::ImageLuma8)
    } else {
        RgbImage::from_raw(width, height, samples).map(DynamicImage::ImageRgb8)
    };
    let orientation = header.exif().and_then(Orientation::from_exif_chunk);
    let turned = picture.and_then(|mut picture| {
        picture.apply_orientation(orientation.unwrap_or(Orientation::NoTransforms));
        flatten(picture)
    });
    turned.ok_or_else(|| no_pixels(path, ImageFormat::Jpeg, width, height))
}

fn decode_avif(bytes: &[u8], path: &Path, limits: &DecodeLimits) -> Result<Raster, FilesError> {
    let format = format_name(ImageFormat::Avif);
    let check = |width: u32, height: u32| check_pixels(path, width, height, limits).map(drop);
    let read = AssertUnwindSafe(|| avif::decode(bytes, &check));
    let decoded = catch_unwind(read).map_err(|_| decoder_failed(path, ImageFormat::Avif))?;
    let picture = decoded.map_err(|fault| {
        let path = path.to_owned();
        match fault {
            avif::Fault::Truncated => {
                FilesError::Truncated { path, format, detail: "expected more image data".to_owned() }
            }
            avif::Fault::Damaged(detail) => FilesError::Damaged { path, format, detail },
            avif::Fault::Unsupported(detail) => FilesError::Unsupported { path, format, detail },
            avif::Fault::TooLarge(error) => error,
        }
    })?;
    let (width, height) = (picture.width(), picture.height());
    flatten(picture).ok_or_else(|| no_pixels(path, ImageFormat::Avif, width, height))
}

/// Of arbitrary maps that do not say what their samples are, the `image` crate reads two bytes as two samples.
fn check_arbitrary_map(bytes: &[u8], path: &Path) -> Result<(), FilesError> {
    let format = ImageFormat::Pnm;
    let decoder = PnmDecoder::new(Cursor::new(bytes)).map_err(|error| describe(path, format, &error))?;
    match decoder.header().as_arbitrary() {
        Some(header) if header.tupltype.is_none() && header.maxval > 255 => {
            let detail = "16 bits without a TUPLTYPE".to_owned();
            Err(FilesError::Unsupported { path: path.to_owned(), format: format_name(format), detail })
        }
        _ => Ok(()),
    }
}

fn decode_by_image_crate(
    bytes: &[u8],
    path: &Path,
    format: ImageFormat,
    limits: &DecodeLimits,
) -> Result<Raster, FilesError> {
    let describe = |error: ImageError| describe(path, format, &error);
    let mut decoder =
        ImageReader::with_format(Cursor::new(bytes), format).into_decoder().map_err(describe)?;
    let (width, height) = decoder.dimensions();
    let pixels = check_pixels(path, width, height, limits)?;
    let mut decoder_limits = Limits::no_limits();
    decoder_limits.max_alloc = Some(working_space(pixels));
    decoder.set_limits(decoder_limits).map_err(describe)?;
    let orientation = decoder.orientation().map_err(describe)?;
    // A decoder that panics on one file must not end a build of days.
    let decoded = catch_unwind(AssertUnwindSafe(|| DynamicImage::from_decoder(decoder)));
    let mut picture = decoded.map_err(|_| decoder_failed(path, format))?.map_err(describe)?;
    picture.apply_orientation(orientation);
    flatten(picture).ok_or_else(|| no_pixels(path, format, width, height))
}

/// Columns times rows, where they are not more than allowed and there is memory for them.
fn check_pixels(path: &Path, width: u32, height: u32, limits: &DecodeLimits) -> Result<u64, FilesError> {
    let pixels = u64::from(width) * u64::from(height);
    let path = || path.to_owned();
    if pixels > limits.max_pixels {
        let max_pixels = limits.max_pixels;
        return Err(FilesError::TooManyPixels { path: path(), width, height, pixels, max_pixels });
    }
    // The picture, and a copy of it that is turned or flattened.
    let bytes = pixels.saturating_mul(6);
    if !has_memory_for(bytes) {
        return Err(FilesError::TooLittleMemory { path: path(), width, height, bytes });
    }
    Ok(pixels)
}

/// Whether the system would give `bytes` of memory now. An allocation that fails within a decoder ends the process, and the
/// limit on pixels may have been raised, or the memory of the process limited.
fn has_memory_for(bytes: u64) -> bool {
    const NEVER_REFUSED: u64 = 64 << 20;
    if bytes <= NEVER_REFUSED {
        return true;
    }
    let mut room = Vec::<u8>::new();
    let given = usize::try_from(bytes).is_ok_and(|bytes| room.try_reserve_exact(bytes).is_ok());
    // Nothing is written to it, so it costs no memory; but it must not be optimised away.
    std::hint::black_box(&room);
    given
}

fn no_pixels(path: &Path, format: ImageFormat, width: u32, height: u32) -> FilesError {
    FilesError::Damaged {
        path: path.to_owned(),
        format: format_name(format),
        detail: format!("expected at least one pixel, found {width}x{height}"),
    }
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
    [
        "unexpected end",
        "end of file",
        "unexpectedeof",
        "failed to fill whole buffer",
        "premature end",
        "not enough data",
    ]
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
    fn sizes_beyond_all_memory_are_errors_whatever_the_limit() {
        assert!(has_memory_for(1 << 20) && !has_memory_for(u64::MAX));
        let limits = DecodeLimits { max_pixels: u64::MAX, ..LIMITS };
        let side = i32::MAX.to_be_bytes();
        let mut png = encoded("png");
        png[16..20].copy_from_slice(&side);
        png[20..24].copy_from_slice(&side);
        let mut crc = flate2::Crc::new();
        crc.update(&png[12..29]);
        png[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        let map = b"P6 2147483647 2147483647 255\n".to_vec();
        let found = decode_bytes(&map, "a.ppm", &limits);
        assert!(matches!(found, Err(FilesError::TooLittleMemory { .. })), "{found:?}");
        // Its decoder sees that by itself.
        assert!(decode_bytes(&png, "a.png", &limits).is_err());
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
