//! Quick scaling of photos that need not be exact to the bit: `pack --fit`. Aligned pictures are
//! scaled by [`crate::resize_lanczos`] and [`crate::level_of_detail`] instead.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x3};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

use crate::Raster;

/// A rectangle of whole pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Area {
    pub(crate) left: usize,
    pub(crate) top: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

/// `area` of `photo` by a Lanczos filter of 3 lobes to `width` x `height` pixels: u8 `[H,W,C]`.
///
/// Errors are those of sizes that do not fit, in words.
pub(crate) fn resize_area(photo: &Raster, area: Area, width: usize, height: usize) -> Result<Raster, String> {
    let mut data = vec![0; width * height * photo.channels()];
    // Typed by hand: the entry that takes any pixel instantiates the kernels of all fourteen types.
    match photo.channels() {
        1 => resize_pixels::<U8>(photo, area, &mut data, width, height),
        _ => resize_pixels::<U8x3>(photo, area, &mut data, width, height),
    }?;
    Raster::from_data(width, height, photo.channels(), data).map_err(|e| e.to_string())
}

fn resize_pixels<P: PixelTrait>(
    photo: &Raster,
    area: Area,
    out: &mut [u8],
    width: usize,
    height: usize,
) -> Result<(), String> {
    let side = |n: usize| u32::try_from(n).map_err(|_| format!("a side of {n} pixels is too long"));
    let words = |e: &dyn std::fmt::Display| e.to_string();
    let from = TypedImageRef::<P>::from_buffer(side(photo.width())?, side(photo.height())?, photo.data())
        .map_err(|e| words(&e))?;
    let mut to = TypedImage::<P>::from_buffer(side(width)?, side(height)?, out).map_err(|e| words(&e))?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3)).crop(
        area.left as f64,
        area.top as f64,
        area.width as f64,
        area.height as f64,
    );
    Resizer::new().resize_typed(&from, &mut to, &options).map_err(|e| words(&e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resize_lanczos;

    fn waves(width: usize, height: usize, channels: usize) -> Raster {
        let value = |i: usize| {
            let (x, y) = ((i / channels) % width, i / channels / width);
            127.5 + 100.0 * (x as f32 * 0.13).sin() * (y as f32 * 0.07 + (i % channels) as f32).cos()
        };
        let data = (0..width * height * channels).map(|i| value(i) as u8).collect();
        Raster::from_data(width, height, channels, data).unwrap()
    }

    /// Fixed-point weights and two roundings: the sides are scaled one after the other.
    const ROUNDING: u8 = 2;

    fn most_apart(a: &Raster, b: &Raster) -> u8 {
        assert_eq!(a.data().len(), b.data().len());
        a.data().iter().zip(b.data()).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
    }

    #[test]
    fn it_agrees_with_the_exact_resampler_but_for_rounding() {
        for channels in [1, 3] {
            for (width, height) in [(40, 25), (203, 150)] {
                let photo = waves(120, 90, channels);
                let whole = Area { left: 0, top: 0, width: 120, height: 90 };
                let quick = resize_area(&photo, whole, width, height).unwrap();
                assert!(most_apart(&quick, &resize_lanczos(&photo, width, height)) <= ROUNDING);
            }
        }
    }

    #[test]
    fn an_area_is_scaled_as_if_it_were_cut_out() {
        let photo = waves(64, 48, 3);
        let area = Area { left: 8, top: 0, width: 48, height: 48 };
        let rows = photo.data().chunks_exact(64 * 3);
        let cut: Vec<u8> = rows.flat_map(|row| &row[8 * 3..56 * 3]).copied().collect();
        let cut = Raster::from_data(48, 48, 3, cut).unwrap();
        let whole = Area { left: 0, top: 0, width: 48, height: 48 };
        let (of_area, of_cut) =
            (resize_area(&photo, area, 16, 16).unwrap(), resize_area(&cut, whole, 16, 16).unwrap());
        assert!(most_apart(&of_area, &of_cut) <= ROUNDING);
    }
}
