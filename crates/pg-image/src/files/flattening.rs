//! 8 bits, grey or RGB, opaque: what every picture becomes.

use image::DynamicImage;

use crate::Raster;

/// The picture with 16 bits rounded to 8 and laid over white, or `None` where it has no pixels.
pub(super) fn flatten(picture: DynamicImage) -> Option<Raster> {
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

/// Lays pixels of N samples, the last one alpha, over white.
fn over_white<const N: usize, T: Copy + Into<u64>>(samples: &[T], max: u64) -> Vec<u8> {
    let mut flat = Vec::with_capacity(samples.len() / N * (N - 1));
    for pixel in samples.chunks_exact(N) {
        for &sample in &pixel[..N - 1] {
            flat.push(straight_over_white(sample.into(), pixel[N - 1].into(), max));
        }
    }
    flat
}

/// The sample c of a colour with alpha a over white: round(255 (a c + (m - a) m) / m^2), m = `max`.
pub(super) fn straight_over_white(sample: u64, alpha: u64, max: u64) -> u8 {
    let blended = alpha * sample + (max - alpha) * max;
    ((255 * blended + max * max / 2) / (max * max)) as u8
}

/// The sample c of a colour that was multiplied by its alpha a, over white: round(255 (c + m - a) /
/// m), m = `max`, at most 255.
pub(super) fn premultiplied_over_white(sample: u64, alpha: u64, max: u64) -> u8 {
    ((255 * (sample + max - alpha) + max / 2) / max).min(255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpha_is_laid_over_white() {
        assert_eq!(over_white::<2, u8>(&[0, 0, 0, 255, 100, 128, 255, 7], 255), [255, 0, 177, 255]);
        assert_eq!(over_white::<2, u16>(&[0, 0, 65535, 65535, 0, 65535], 65535), [255, 255, 0]);
    }

    #[test]
    fn a_colour_multiplied_by_its_alpha_is_laid_over_white_like_the_colour_itself() {
        for max in [255_u64, 65535] {
            for alpha in [0, max / 5, max / 2, max] {
                for colour in [0, max / 3, max] {
                    let multiplied = (colour * alpha + max / 2) / max;
                    let once = premultiplied_over_white(multiplied, alpha, max);
                    assert!(once.abs_diff(straight_over_white(colour, alpha, max)) <= 1);
                }
            }
        }
    }

    #[test]
    fn sixteen_bits_are_scaled_not_cut() {
        assert_eq!([0, 128, 129, 257, 65535].map(to_8_bits), [0, 0, 1, 1, 255]);
    }
}
