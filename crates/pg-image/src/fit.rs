//! Photos of any shape to squares of one size.

use thiserror::Error;

use crate::Raster;
use crate::resize::{Area, resize_area};

/// How a photo that is not square becomes a square.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// The central square is kept.
    Crop,
    /// The whole photo is kept, with black bars.
    Pad,
    /// The whole photo is kept, its shape is not.
    Stretch,
    /// Nothing is changed: any other size is an error.
    Strict,
}

/// Why a photo does not fit.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FitError {
    /// [`Fit::Strict`] and another size.
    #[error(
        "the picture has {width}x{height} pixels, expected {side}x{side}: scale it with --fit crop, pad or stretch"
    )]
    Size {
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
        /// The side wanted.
        side: usize,
    },
    /// Sizes beyond what can be scaled.
    #[error("cannot scale the picture: {0}")]
    Scale(String),
}

/// Scales `photo` to `side` x `side` pixels by a Lanczos filter: u8 `[H,W,C]` in and out.
///
/// A photo that has the size already is returned as it is.
///
/// # Errors
/// [`FitError`].
pub fn fit(photo: Raster, side: usize, fit: Fit) -> Result<Raster, FitError> {
    let (width, height) = (photo.width(), photo.height());
    if (width, height) == (side, side) {
        return Ok(photo);
    }
    let whole = Area { left: 0, top: 0, width, height };
    let scaled = |area, w, h| resize_area(&photo, area, w, h).map_err(FitError::Scale);
    match fit {
        Fit::Strict => Err(FitError::Size { width, height, side }),
        Fit::Stretch => scaled(whole, side, side),
        Fit::Crop => {
            let square = width.min(height);
            let (left, top) = ((width - square) / 2, (height - square) / 2);
            scaled(Area { left, top, width: square, height: square }, side, side)
        }
        Fit::Pad => {
            let longer = width.max(height);
            let part = |n: usize| ((n * side + longer / 2) / longer).max(1);
            Ok(on_black(&scaled(whole, part(width), part(height))?, side))
        }
    }
}

/// `picture`, which is not larger, in the middle of a black square.
fn on_black(picture: &Raster, side: usize) -> Raster {
    let (w, h, c) = (picture.width(), picture.height(), picture.channels());
    let mut data = vec![0_u8; side * side * c];
    let (left, top) = ((side - w) / 2, (side - h) / 2);
    for (row, source) in data.chunks_exact_mut(side * c).skip(top).zip(picture.data().chunks_exact(w * c)) {
        row[left * c..(left + w) * c].copy_from_slice(source);
    }
    Raster::from_data(side, side, c, data).unwrap_or_else(|_| picture.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn halves(width: usize, height: usize) -> Raster {
        let data = (0..width * height).map(|i| if i % width < width / 2 { 40 } else { 200 }).collect();
        Raster::from_data(width, height, 1, data).unwrap()
    }

    /// Lanczos overshoots beside the step between the halves, by less than this.
    const OVERSHOOT: u8 = 14;

    #[track_caller]
    fn assert_halves(left: u8, right: u8) {
        assert!(left.abs_diff(40) < OVERSHOOT && right.abs_diff(200) < OVERSHOOT, "{left} {right}");
    }

    #[test]
    fn crop_keeps_the_middle() {
        let square = fit(halves(40, 10), 8, Fit::Crop).unwrap();
        assert_eq!((square.width(), square.height()), (8, 8));
        assert_halves(square.data()[0], square.data()[7]);
    }

    #[test]
    fn pad_adds_black_bars() {
        let square = fit(halves(40, 10), 8, Fit::Pad).unwrap();
        assert_eq!(square.data()[..24], [0; 24]);
        assert_halves(square.data()[24], square.data()[31]);
        assert_eq!(square.data()[40..], [0; 24]);
    }

    #[test]
    fn strict_refuses_with_the_remedy_and_passes_the_right_size_through() {
        let error = fit(halves(40, 10), 8, Fit::Strict).unwrap_err();
        assert!(error.to_string().contains("40x10 pixels, expected 8x8"), "{error}");
        assert_eq!(fit(halves(8, 8), 8, Fit::Strict).unwrap(), halves(8, 8));
    }

    #[test]
    fn stretch_scales_each_side_alone() {
        let square = fit(halves(40, 10), 4, Fit::Stretch).unwrap();
        assert_halves(square.data()[0], square.data()[3]);
    }

    #[test]
    fn one_pixel_strips_fit_every_way() {
        for how in [Fit::Crop, Fit::Pad, Fit::Stretch] {
            assert_eq!(fit(halves(1000, 1), 16, how).unwrap().height(), 16);
        }
    }
}
