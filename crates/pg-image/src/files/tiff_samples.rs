//! TIFF files with more samples per pixel than colours: what the tag `ExtraSamples` says of them
//! (TIFF 6.0, section 18).

use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, RgbImage};
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;
use tiff::{TiffError, TiffFormatError, TiffUnsupportedError};

use super::flattening::{premultiplied_over_white, straight_over_white};

/// Why such a file is not read.
#[derive(Debug)]
pub(super) enum TiffFault {
    /// The decoder's finding.
    Decoder(TiffError),
    /// Another sample stands before the alpha, and the decoder gives neither.
    LateAlpha,
}

impl<E: Into<TiffError>> From<E> for TiffFault {
    fn from(error: E) -> Self {
        Self::Decoder(error.into())
    }
}

/// What a sample beyond the colours is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extra {
    /// 0: nobody knows, so it is left out.
    Unspecified,
    /// 1: alpha, by which the colours are multiplied already.
    AssociatedAlpha,
    /// 2: alpha.
    UnassociatedAlpha,
}

/// A TIFF file whose pixels have samples beyond grey or RGB that the `image` crate does not take
/// for what they are.
pub(super) struct ExtraSamples<'a> {
    decoder: Decoder<Cursor<&'a [u8]>>,
    colours: usize,
    extras: Vec<Extra>,
}

impl<'a> ExtraSamples<'a> {
    /// Of the whole file `bytes`; `None` where it has no such samples, or the `image` crate reads
    /// them.
    ///
    /// # Errors
    /// What the file's first directory is at fault with.
    pub(super) fn find(bytes: &'a [u8]) -> Result<Option<Self>, TiffFault> {
        let mut decoder = Decoder::new(Cursor::new(bytes))?;
        let colours = match decoder.find_tag_unsigned::<u16>(Tag::PhotometricInterpretation)? {
            Some(1) => 1,
            Some(2) => 3,
            _ => return Ok(None),
        };
        let samples = decoder.find_tag_unsigned::<u16>(Tag::SamplesPerPixel)?.unwrap_or(1);
        let kinds = decoder.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples)?;
        let extras = usize::from(samples).saturating_sub(colours);
        if extras == 0 || (colours == 3 && extras == 1 && matches!(kinds.as_deref(), None | Some([2]))) {
            return Ok(None);
        }
        let extras = (0..extras)
            .map(|i| match &kinds {
                // Without the tag, a single one is alpha to most programs.
                None if extras == 1 => Extra::UnassociatedAlpha,
                Some(kinds) if kinds.get(i) == Some(&1) => Extra::AssociatedAlpha,
                Some(kinds) if kinds.get(i) == Some(&2) => Extra::UnassociatedAlpha,
                _ => Extra::Unspecified,
            })
            .collect();
        Ok(Some(Self { decoder, colours, extras }))
    }

    /// Columns and rows.
    ///
    /// # Errors
    /// Where the file does not say.
    pub(super) fn size(&mut self) -> Result<(u32, u32), TiffFault> {
        Ok(self.decoder.dimensions()?)
    }

    /// The picture over white, 8 bits, grey or RGB, upright; of working space at most `most_bytes`.
    ///
    /// # Errors
    /// Damaged and truncated data; samples that are not of 8 or 16 bits, or 32 as floating point.
    pub(super) fn read(mut self, most_bytes: usize) -> Result<DynamicImage, TiffFault> {
        let mut limits = Limits::default();
        (limits.decoding_buffer_size, limits.intermediate_buffer_size) = (most_bytes, most_bytes);
        self.decoder = self.decoder.with_limits(limits);
        let (width, height) = self.decoder.dimensions()?;
        let orientation = self.decoder.find_tag_unsigned::<u16>(Tag::Orientation)?;
        let mut buffer = DecodingResult::U8(Vec::new());
        let layout = self.decoder.read_image_to_buffer(&mut buffer)?;
        let planes = if layout.planes > 1 { layout.planes } else { 1 };
        let (samples, max): (Vec<u16>, u64) = match buffer {
            DecodingResult::U8(v) => (v.into_iter().map(u16::from).collect(), 255),
            DecodingResult::U16(v) => (v, 65535),
            DecodingResult::F32(v) => {
                (v.into_iter().map(|v| (v.clamp(0.0, 1.0) * 65535.0).round() as u16).collect(), 65535)
            }
            _ => return Err(TiffUnsupportedError::UnknownInterpretation.into()),
        };
        let pixels = width as usize * height as usize;
        // The decoder gives what it knows a colour type for.
        let each = samples.len().checked_div(pixels).unwrap_or(0);
        let alpha = self.extras.iter().position(|&extra| extra != Extra::Unspecified);
        if each < self.colours + alpha.map_or(0, |at| at + 1) {
            return Err(TiffFault::LateAlpha);
        }
        let opaque = self.over_white(&samples, (pixels, each), planes > 1, alpha, max);
        let picture = if self.colours == 1 {
            GrayImage::from_raw(width, height, opaque).map(DynamicImage::ImageLuma8)
        } else {
            RgbImage::from_raw(width, height, opaque).map(DynamicImage::ImageRgb8)
        };
        let mut picture = picture.ok_or(TiffFormatError::InconsistentSizesEncountered)?;
        let orientation = orientation.and_then(|o| Orientation::from_exif(o.min(255) as u8));
        picture.apply_orientation(orientation.unwrap_or(Orientation::NoTransforms));
        Ok(picture)
    }

    /// `samples` hold the pixels one after the other, or `planar`, one plane after the other;
    /// `each` of a pixel. `alpha` is the place among the extra samples.
    fn over_white(
        &self,
        samples: &[u16],
        (pixels, each): (usize, usize),
        planar: bool,
        alpha: Option<usize>,
        max: u64,
    ) -> Vec<u8> {
        let sample = |pixel: usize, i: usize| {
            u64::from(samples[if planar { i * pixels + pixel } else { pixel * each + i }])
        };
        let mut opaque = Vec::with_capacity(pixels * self.colours);
        for pixel in 0..pixels {
            for i in 0..self.colours {
                let colour = sample(pixel, i);
                opaque.push(match alpha {
                    None => straight_over_white(colour, max, max),
                    Some(at) => {
                        let alpha = sample(pixel, self.colours + at);
                        if self.extras[at] == Extra::AssociatedAlpha {
                            premultiplied_over_white(colour, alpha, max)
                        } else {
                            straight_over_white(colour, alpha, max)
                        }
                    }
                });
            }
        }
        opaque
    }
}
