//! How the images of a level are stored: as they are, or losslessly compressed.

mod med;

use pg_image::Resolution;
use serde::{Deserialize, Serialize};
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

use crate::ShardError;
use crate::format::{COMPRESSED_FROM_PX, image_bytes};

/// Zstandard's level: what higher ones gain on residuals is not worth their time (`docs/benchmarks.md`).
const ZSTD_LEVEL: i32 = 1;

/// The size of Zstandard's table of places to copy from: the smallest. Residuals hardly ever repeat; the few
/// matches found in a large table cost more time than they save space.
const HASH_LOG: u32 = 6;

/// The plane that the other two are taken relative to.
const GREEN: usize = 1;

/// How the images of a dataset are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Codec {
    /// One byte per value.
    #[default]
    #[serde(rename = "raw")]
    Raw,
    /// Lossless: differences of colours, median edge prediction, Zstandard; images of less than
    /// [`COMPRESSED_FROM_PX`] stay raw.
    #[serde(rename = "med-zstd")]
    MedZstd,
}

impl Codec {
    /// The name in manifests and on command lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::MedZstd => "med-zstd",
        }
    }

    /// True where images of this size are stored compressed.
    #[must_use]
    pub fn compresses(self, resolution: Resolution) -> bool {
        self == Self::MedZstd && resolution.pixels() >= COMPRESSED_FROM_PX
    }

    /// An image `[C,R,R]` as a level of this codec stores it.
    ///
    /// # Errors
    /// [`ShardError::Codec`] when memory runs out.
    pub fn encode(
        self,
        pixels: &[u8],
        channels: usize,
        resolution: Resolution,
    ) -> Result<Vec<u8>, ShardError> {
        if self.compresses(resolution) {
            compress(pixels, channels, resolution.pixels()).map_err(|detail| ShardError::Codec { detail })
        } else {
            Ok(pixels.to_vec())
        }
    }

    /// The image `[C,R,R]` that [`encode`](Self::encode) made `bytes` of.
    ///
    /// # Errors
    /// [`ShardError::Codec`] for bytes that are no such image.
    pub fn decode(
        self,
        bytes: &[u8],
        channels: usize,
        resolution: Resolution,
    ) -> Result<Vec<u8>, ShardError> {
        let expected = image_bytes(channels, resolution);
        if self.compresses(resolution) {
            decompress(bytes, channels, resolution).map_err(|detail| ShardError::Codec { detail })
        } else if bytes.len() == expected {
            Ok(bytes.to_vec())
        } else {
            Err(ShardError::Codec { detail: format!("expected {expected} bytes, found {}", bytes.len()) })
        }
    }
}

/// Most bytes that a compressed image of `raw` bytes takes.
pub(crate) fn compressed_bound(raw: usize) -> usize {
    zstd::zstd_safe::compress_bound(raw) + 64
}

/// An image `[C,R,R]` as a Zstandard frame, with checksum, of its residuals.
///
/// Three planes red, green, blue become red - green, green, blue - green; each plane the differences from
/// its median edge prediction; all modulo 256.
///
/// # Errors
/// Zstandard's text; only when memory runs out.
pub(crate) fn compress(pixels: &[u8], channels: usize, side: usize) -> Result<Vec<u8>, String> {
    let plane = side * side;
    let mut residuals = vec![0; pixels.len()];
    let green = pixels.get(plane..2 * plane).filter(|_| channels == 3);
    let mut differences = vec![0; if green.is_some() { plane } else { 0 }];
    let planes = pixels.chunks_exact(plane).zip(residuals.chunks_exact_mut(plane));
    for (c, (values, out)) in planes.enumerate() {
        match green.filter(|_| c != GREEN) {
            Some(green) => {
                for ((d, v), g) in differences.iter_mut().zip(values).zip(green) {
                    *d = v.wrapping_sub(*g);
                }
                med::residuals(&differences, side, out);
            }
            None => med::residuals(values, side, out),
        }
    }
    let mut compressor = Compressor::new(ZSTD_LEVEL).map_err(|e| e.to_string())?;
    for parameter in [CParameter::ChecksumFlag(true), CParameter::HashLog(HASH_LOG)] {
        compressor.set_parameter(parameter).map_err(|e| e.to_string())?;
    }
    compressor.compress(&residuals).map_err(|e| e.to_string())
}

/// The image `[C,R,R]` of [`compress`].
///
/// # Errors
/// What is wrong with `bytes`: no frame, one of another length, or one whose checksum does not hold.
pub(crate) fn decompress(bytes: &[u8], channels: usize, resolution: Resolution) -> Result<Vec<u8>, String> {
    let side = resolution.pixels();
    let (plane, expected) = (side * side, image_bytes(channels, resolution));
    let mut pixels = vec![0; expected];
    let mut decompressor = Decompressor::new().map_err(|e| e.to_string())?;
    let found = decompressor
        .decompress_to_buffer(bytes, &mut pixels[..])
        .map_err(|e| format!("expected a Zstandard frame: {e}"))?;
    if found != expected {
        return Err(format!("expected {expected} bytes of residuals, found {found}"));
    }
    for residuals in pixels.chunks_exact_mut(plane) {
        med::restore(residuals, side);
    }
    if channels == 3 {
        let (red, rest) = pixels.split_at_mut(plane);
        let (green, blue) = rest.split_at_mut(plane);
        for ((r, b), g) in red.iter_mut().zip(blue.iter_mut()).zip(green.iter()) {
            *r = r.wrapping_add(*g);
            *b = b.wrapping_add(*g);
        }
    }
    Ok(pixels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn picture(channels: usize, side: usize, seed: u32) -> Vec<u8> {
        let value = |c: usize, y: usize, x: usize| {
            let noise = (seed ^ (c * 7 + y * 131 + x * 17) as u32).wrapping_mul(2_654_435_761) >> 29;
            (x * 2 + y * 3 + c * 40) as u32 / 4 + noise
        };
        let places =
            (0..channels).flat_map(|c| (0..side).flat_map(move |y| (0..side).map(move |x| (c, y, x))));
        places.map(|(c, y, x)| value(c, y, x) as u8).collect()
    }

    #[test]
    fn every_image_comes_back() {
        for (channels, side) in [(1, 4), (3, 8), (3, 16), (1, 32), (3, 64), (3, 128)] {
            let r = Resolution::new(side as u64).unwrap();
            let noise: Vec<u8> = (0..channels * side * side)
                .map(|i| ((i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 37) as u8)
                .collect();
            for pixels in [picture(channels, side, 3), noise, vec![255; channels * side * side]] {
                let bytes = compress(&pixels, channels, side).unwrap();
                assert!(bytes.len() <= compressed_bound(pixels.len()));
                assert_eq!(decompress(&bytes, channels, r), Ok(pixels), "{channels} x {side}");
            }
        }
    }

    #[test]
    fn any_cut_or_flipped_byte_is_an_error() {
        let r = Resolution::new(16).unwrap();
        let pixels = picture(3, 16, 9);
        let bytes = compress(&pixels, 3, 16).unwrap();
        for length in 0..bytes.len() {
            assert!(decompress(&bytes[..length], 3, r).is_err(), "cut to {length}");
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                // A flip that changes nothing (of an unused bit) is no damage.
                assert_ne!(decompress(&damaged, 3, r).map(|found| found == pixels), Ok(false), "{at}.{bit}");
            }
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let r = Resolution::new(32).unwrap();
            prop_assert!(decompress(&bytes, 3, r).is_err());
        }

        #[test]
        fn arbitrary_pixels_come_back(bytes in proptest::collection::vec(any::<u8>(), 3 * 32 * 32)) {
            let r = Resolution::new(32).unwrap();
            prop_assert_eq!(decompress(&compress(&bytes, 3, 32).unwrap(), 3, r).unwrap(), bytes);
        }
    }
}
