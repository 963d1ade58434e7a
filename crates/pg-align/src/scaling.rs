//! Scaling the photo before the crop is sampled: shrinking large ones, enlarging small ones.

use pg_image::{Raster, resize_lanczos};

use crate::{AlignError, OrientedSquare};

/// Shrinks a photo whose face is far larger than the output: s = floor(0.5 / zoom), and if s > 1 both
/// sides to round(side / s) (half to even) by Lanczos, quad / s, zoom * s. Returns s.
pub fn shrink(photo: &mut Raster, square: &mut OrientedSquare) -> usize {
    let factor = (0.5 / square.zoom).floor() as usize;
    if factor > 1 {
        let side = |n: usize| (n as f64 / factor as f64).round_ties_even() as usize;
        *photo = resize_lanczos(photo, side(photo.width()), side(photo.height()));
        square.map(|v, _| v / factor as f32);
        square.zoom *= factor as f64;
    }
    factor
}

/// Enlarges the crop of a small face (the stand-in for the paper's super-resolution network):
/// u = floor(2^ceil(log2 zoom)), and if u > 1 both sides times u by Lanczos, quad * u, zoom / u.
/// Returns u.
///
/// # Errors
/// [`AlignError::TooSmall`] when the crop would become longer than 8 times the output and than 2048 px: a
/// face of some 2 pixels, whose border alone would fill the memory.
pub fn enlarge(crop: &mut Raster, square: &mut OrientedSquare) -> Result<usize, AlignError> {
    let factor = square.zoom.log2().ceil().exp2() as usize;
    if factor > 1 {
        let limit = (8 * square.size_px).max(2048);
        if factor.saturating_mul(crop.width().max(crop.height())) > limit {
            return Err(AlignError::TooSmall { side_px: (square.size_px as f64 / square.zoom) as f32 });
        }
        *crop = resize_lanczos(crop, crop.width() * factor, crop.height() * factor);
        square.map(|v, _| v * factor as f32);
        square.zoom /= factor as f64;
    }
    Ok(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(zoom: f64) -> OrientedSquare {
        OrientedSquare { quad: [[0., 0.], [0., 10.], [10., 10.], [10., 0.]], zoom, size_px: 64 }
    }

    #[test]
    fn only_zooms_below_a_quarter_shrink_and_only_those_above_one_enlarge() {
        for (zoom, shrinks, enlarges) in
            [(0.3, 1, 0), (0.2, 2, 0), (0.6, 0, 1), (1.0, 0, 1), (1.1, 0, 2), (40.0, 0, 64)]
        {
            let mut photo = Raster::from_data(10, 10, 1, vec![9; 100]).unwrap();
            assert_eq!(shrink(&mut photo, &mut square(zoom)), shrinks, "{zoom}");
            assert_eq!(enlarge(&mut photo, &mut square(zoom)), Ok(enlarges), "{zoom}");
        }
    }

    #[test]
    fn a_face_of_a_pixel_is_refused_before_it_fills_the_memory() {
        let mut photo = Raster::from_data(10, 10, 1, vec![9; 100]).unwrap();
        let refused = enlarge(&mut photo, &mut square(300.0));
        assert!(matches!(refused, Err(AlignError::TooSmall { side_px }) if (0.2..0.22).contains(&side_px)));
        assert_eq!(photo.width(), 10);
    }
}
