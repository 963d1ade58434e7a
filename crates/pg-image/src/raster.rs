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
