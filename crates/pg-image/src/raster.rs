//! Interleaved 8-bit photos, as decoders deliver them.

use multiversion::multiversion;
use thiserror::Error;

use crate::Planar;

/// A photo in memory: u8, interleaved `[H,W,C]` with C = 1 (grey) or 3 (RGB), never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raster {
    width: usize,
    height: usize,
    channels: usize,
    data: Vec<u8>,
}

/// Why bytes cannot be a [`Raster`].
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RasterError {
    /// A side is 0, the channel count is not 1 or 3, or the bytes do not fill the picture exactly.
    #[error(
        "{length} bytes are no {width}x{height} picture of {channels} channels: expected width * height * channels bytes, 1 or 3 channels, no empty side"
    )]
    Shape {
        /// Columns asked for.
        width: usize,
        /// Rows asked for.
        height: usize,
        /// Values per pixel asked for.
        channels: usize,
        /// Bytes given.
        length: usize,
    },
}

impl Raster {
    /// Wraps interleaved bytes.
    ///
    /// # Errors
    /// [`RasterError::Shape`] when the sizes do not fit together.
    pub fn from_data(
        width: usize,
        height: usize,
        channels: usize,
        data: Vec<u8>,
    ) -> Result<Self, RasterError> {
        let expected = width.checked_mul(height).and_then(|n| n.checked_mul(channels));
        if expected != Some(data.len()) || data.is_empty() || !matches!(channels, 1 | 3) {
            return Err(RasterError::Shape { width, height, channels, length: data.len() });
        }
        Ok(Self { width, height, channels, data })
    }

    /// Columns, in pixels.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows, in pixels.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Values per pixel: 1 or 3.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// All bytes, `[H,W,C]`.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// All bytes, `[H,W,C]`, to write to.
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// Interleaves a planar image; `None` unless it has 1 or 3 channels and is not empty.
    #[must_use]
    pub fn from_planar(planar: &Planar<u8>) -> Option<Self> {
        let (channels, height, width) = (planar.channels(), planar.height(), planar.width());
        let mut data = vec![0_u8; planar.data().len()];
        match channels {
            1 => data.copy_from_slice(planar.data()),
            3 => interleave([planar.plane(0), planar.plane(1), planar.plane(2)], data.as_chunks_mut().0),
            _ => return None,
        }
        Self::from_data(width, height, channels, data).ok()
    }

    /// The photo with three channels: grey is repeated, RGB is returned as it is.
    #[must_use]
    pub fn into_rgb(self) -> Self {
        if self.channels == 3 {
            return self;
        }
        let data = self.data.iter().flat_map(|&v| [v, v, v]).collect();
        Self { width: self.width, height: self.height, channels: 3, data }
    }

    /// The photo with one channel: the luma of ITU-R BT.601, (299 R + 587 G + 114 B) / 1000, in Pillow's fixed point
    /// (its mode "L"); grey is returned as it is.
    #[must_use]
    pub fn into_grey(self) -> Self {
        if self.channels == 1 {
            return self;
        }
        // Weights of 16 bits that add up to 2^16, rounded to the nearest.
        let luma = |&[r, g, b]: &[u8; 3]| {
            let sum = 19_595 * u32::from(r) + 38_470 * u32::from(g) + 7_471 * u32::from(b);
            ((sum + 0x8000) >> 16) as u8
        };
        let data = self.data.as_chunks::<3>().0.iter().map(luma).collect();
        Self { width: self.width, height: self.height, channels: 1, data }
    }
}

/// Planes to pixels.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
pub(crate) fn interleave(planes: [&[u8]; 3], pixels: &mut [[u8; 3]]) {
    for (((pixel, &r), &g), &b) in pixels.iter_mut().zip(planes[0]).zip(planes[1]).zip(planes[2]) {
        *pixel = [r, g, b];
    }
}

/// Pixels to planes.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
pub(crate) fn deinterleave(pixels: &[[u8; 3]], planes: [&mut [u8]; 3]) {
    let [r, g, b] = planes;
    for (((pixel, r), g), b) in pixels.iter().zip(r).zip(g).zip(b) {
        (*r, *g, *b) = (pixel[0], pixel[1], pixel[2]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_is_the_luma_that_pillow_has() {
        // Image.convert("L") of Pillow 13.0.0.
        let colours = [
            ([0, 0, 0], 0),
            ([255, 255, 255], 255),
            ([255, 0, 0], 76),
            ([0, 255, 0], 150),
            ([0, 0, 255], 29),
            ([12, 200, 77], 130),
            ([1, 2, 3], 2),
            ([128, 127, 129], 128),
        ];
        let data = colours.iter().flat_map(|(colour, _)| *colour).collect();
        let grey = Raster::from_data(4, 2, 3, data).unwrap().into_grey();
        assert_eq!((grey.channels(), grey.width(), grey.height()), (1, 4, 2));
        assert_eq!(grey.data(), colours.map(|(_, luma)| luma));
        assert_eq!(grey.clone().into_grey(), grey);
    }

    #[test]
    fn planes_and_pixels_are_the_same_picture() {
        for (w, h, c) in [(7, 5, 3), (64, 33, 3), (100, 1, 3), (9, 4, 1)] {
            let data: Vec<u8> = (0..w * h * c).map(|i| (i * 89 % 251) as u8).collect();
            let raster = Raster::from_data(w, h, c, data.clone()).unwrap();
            let planar = Planar::from_raster(&raster);
            for (i, &value) in data.iter().enumerate() {
                assert_eq!(planar.plane(i % c)[i / c], value);
            }
            assert_eq!(Raster::from_planar(&planar), Some(raster));
        }
    }
}
