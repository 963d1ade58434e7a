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

/// Pixels of [`window`] where there is no photo.
const BEYOND: u8 = 48;

/// What a square window shows of `photo`: u8 `[H,W,C]` to RGB u8 `[side,side,3]`.
///
/// The window begins at (`left`, `top`) in pixels of the photo, may begin and end outside of it, and is
/// `window_px` wide; the photo is scaled as a whole, to whole pixels, so places are exact to one pixel of
/// the result. Dark grey where there is no photo.
///
/// # Errors
/// [`FitError::Scale`] for a window that makes the photo larger than 64 sides, or empty.
pub fn window(photo: Raster, left: f64, top: f64, window_px: f64, side: usize) -> Result<Raster, FitError> {
    let scale = side as f64 / window_px;
    let scaled = |n: usize| (n as f64 * scale).round().max(1.0);
    let (width, height) = (scaled(photo.width()), scaled(photo.height()));
    if !(width.max(height) <= 64.0 * side as f64 && left.is_finite() && top.is_finite()) {
        return Err(FitError::Scale(format!("a window of {window_px} pixels is too small to show it")));
    }
    let photo = photo.into_rgb();
    let whole = Area { left: 0, top: 0, width: photo.width(), height: photo.height() };
    let small = resize_area(&photo, whole, width as usize, height as usize).map_err(FitError::Scale)?;
    let (x0, y0) = ((-left * scale).round() as i64, (-top * scale).round() as i64);
    let mut data = vec![BEYOND; side * side * 3];
    // Columns and rows of the result that the photo covers.
    let span = |start: i64, length: usize| {
        let end = (start + length as i64).clamp(0, side as i64) as usize;
        (start.clamp(0, side as i64) as usize, end)
    };
    let ((x_first, x_end), (y_first, y_end)) = (span(x0, small.width()), span(y0, small.height()));
    for y in y_first..y_end {
        let row = (y as i64 - y0) as usize * small.width();
        let from = (row + (x_first as i64 - x0) as usize) * 3;
        let length = (x_end - x_first) * 3;
        data[(y * side + x_first) * 3..][..length].copy_from_slice(&small.data()[from..from + length]);
    }
    Raster::from_data(side, side, 3, data).map_err(|e| FitError::Scale(e.to_string()))
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

    #[test]
    fn a_window_shows_the_photo_in_its_place_and_grey_around_it() {
        let photo = Raster::from_data(8, 4, 1, vec![200; 32]).unwrap();
        let shown = window(photo.clone(), -4.0, -6.0, 16.0, 32).unwrap();
        let at = |x: usize, y: usize| shown.data()[(y * 32 + x) * 3];
        assert_eq!([at(7, 12), at(8, 11), at(8, 12), at(23, 19)], [BEYOND, BEYOND, 200, 200]);
        assert_eq!([at(24, 12), at(8, 20)], [BEYOND, BEYOND]);
        let inside = window(photo.clone(), 2.0, 1.0, 2.0, 4).unwrap();
        assert!(inside.data().iter().all(|&v| v == 200));
        let beside = window(photo.clone(), 100.0, 100.0, 2.0, 4).unwrap();
        assert!(beside.data().iter().all(|&v| v == BEYOND));
        assert!(window(photo, 0.0, 0.0, 1e-9, 4).is_err());
    }
}
