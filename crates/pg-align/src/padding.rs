//! Making up what lies outside the photo.

use pg_image::{Raster, Rectangle, gaussian_blur, mirror_pad};
use rayon::prelude::*;

use crate::{AlignError, OrientedSquare};

/// Most pixels of a padded picture, in squares of the output: a face at the border needs up to 70.
const MOST_OUTPUT_SQUARES: u64 = 128;

/// Pads the crop where the square sticks out of it (arXiv:1710.10196, appendix C): mirrored, ever more
/// blurred and faded to the median colour towards the new edge. `border` is what
/// [`crop`](crate::crop()) returned. Returns the padding left, top, right, bottom in pixels, or `None`
/// when nothing sticks out far enough.
///
/// Sides: how far the bounding box plus `border` sticks out; if the largest exceeds `border` - 4, each
/// is raised to round(0.3 size / zoom). Mask m = 1 - min(x/l, y/t, (w-1-x)/r, (h-1-y)/b) over the padded
/// picture; a Gaussian blur of sigma 0.02 size / zoom is blended in by clamp(3m + 1, 0, 1), then the
/// median per channel of the result by clamp(m, 0, 1); rounded half to even. f32 throughout.
///
/// # Errors
/// [`AlignError::TooMuchPadding`] when the padded picture would exceed 128 output squares.
pub fn pad(
    crop: &mut Raster,
    square: &mut OrientedSquare,
    border: i64,
) -> Result<Option<[usize; 4]>, AlignError> {
    let size = square.size_px as f64;
    let (width, height, c) = (crop.width(), crop.height(), crop.channels());
    let [left, top, right, bottom] = square.bounding_box();
    let sides = [-left, -top, right - width as i64, bottom - height as i64].map(|v| (v + border).max(0));
    if sides.iter().all(|&side| side <= border - 4) {
        return Ok(None);
    }
    let least = (size * 0.3 / square.zoom).round_ties_even() as i64;
    let sides = sides.map(|side| side.max(least).max(0) as usize);
    let [left, top, right, bottom] = sides;
    let (w, h) = (width + left + right, height + top + bottom);
    let (pixels, limit) =
        ((w as u64).saturating_mul(h as u64), MOST_OUTPUT_SQUARES * (square.size_px * square.size_px) as u64);
    if pixels > limit {
        return Err(AlignError::TooMuchPadding { pixels, limit });
    }

    let mut image = mirror_pad(crop, sides);
    let mask = Mask { sides: sides.map(|v| v as f32), width: w, height: h };
    let mut blurred = image.clone();
    gaussian_blur(&mut blurred, [h, w, c], size * 0.02 / square.zoom, mask.untouched());
    let stride = w * c;
    image.par_chunks_mut(stride).zip(blurred.par_chunks(stride)).enumerate().for_each(
        |(y, (row, blurred))| {
            for (x, (pixel, blurred)) in row.chunks_exact_mut(c).zip(blurred.chunks_exact(c)).enumerate() {
                let weight = blur_weight(mask.at(y, x));
                if weight > 0.0 {
                    for (v, &b) in pixel.iter_mut().zip(blurred) {
                        *v += (b - *v) * weight;
                    }
                }
            }
        },
    );
    drop(blurred);

    let medians: Vec<f32> =
        (0..c).map(|k| median(image.iter().skip(k).step_by(c).copied().collect())).collect();
    let mut data = vec![0_u8; image.len()];
    data.par_chunks_mut(stride).zip(image.par_chunks(stride)).enumerate().for_each(|(y, (out, row))| {
        for (x, (out, pixel)) in out.chunks_exact_mut(c).zip(row.chunks_exact(c)).enumerate() {
            let weight = mask.at(y, x).clamp(0.0, 1.0);
            for ((out, &v), &median) in out.iter_mut().zip(pixel).zip(&medians) {
                *out = (v + (median - v) * weight).round_ties_even().clamp(0.0, 255.0) as u8;
            }
        }
    });
    if let Ok(padded) = Raster::from_data(w, h, c, data) {
        *crop = padded;
    }
    square.map(|v, axis| v + [left, top][axis] as f32);
    Ok(Some(sides))
}

/// How much of the blur a pixel of mask value `m` takes.
fn blur_weight(m: f32) -> f32 {
    (m * 3.0 + 1.0).clamp(0.0, 1.0)
}

/// 1 at the padded edge, 0 where the padding ends, negative inside.
struct Mask {
    sides: [f32; 4],
    width: usize,
    height: usize,
}

impl Mask {
    fn at(&self, y: usize, x: usize) -> f32 {
        let [left, top, right, bottom] = self.sides;
        let near = (x as f32 / left).min(y as f32 / top);
        let far = ((self.width - 1 - x) as f32 / right).min((self.height - 1 - y) as f32 / bottom);
        1.0 - near.min(far)
    }

    /// The pixels that take nothing of the blur. The mask is a minimum over columns and rows, so they
    /// fill a rectangle.
    fn untouched(&self) -> Rectangle {
        let [left, top, right, bottom] = self.sides;
        let clear = |i: usize, n: usize, before: f32, behind: f32| {
            blur_weight(1.0 - (i as f32 / before).min((n - 1 - i) as f32 / behind)) <= 0.0
        };
        let span = |n: usize, before: f32, behind: f32| {
            let first = (0..n).find(|&i| clear(i, n, before, behind)).unwrap_or(n);
            let end = (first..n).find(|&i| !clear(i, n, before, behind)).unwrap_or(n);
            (first, end)
        };
        let ((left, right), (top, bottom)) = (span(self.width, left, right), span(self.height, top, bottom));
        Rectangle { left, top, right, bottom }
    }
}

/// The middle value, or the mean of the two middle ones.
fn median(mut values: Vec<f32>) -> f32 {
    let n = values.len();
    let (below, upper, _) = values.select_nth_unstable_by(n / 2, f32::total_cmp);
    let upper = *upper;
    if n % 2 == 1 {
        return upper;
    }
    let lower = below.iter().copied().max_by(f32::total_cmp).unwrap_or(upper);
    f32::midpoint(lower, upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_count_is_the_mean_of_the_middle() {
        assert_eq!(median(vec![4.0, 1.0, 3.0]), 3.0);
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(vec![7.0]), 7.0);
    }

    #[test]
    fn a_square_well_inside_is_not_padded() {
        let mut image = Raster::from_data(40, 40, 1, vec![5; 1600]).unwrap();
        let quad = [[10., 10.], [10., 30.], [30., 30.], [30., 10.]];
        let mut square = OrientedSquare { quad, zoom: 3.2, size_px: 64 };
        assert_eq!(pad(&mut image, &mut square, 6), Ok(None));
    }

    #[test]
    fn the_smallest_border_pads_every_crop_as_the_reference_does() {
        // The rule compares with border - 4 = -1 here.
        let mut image = Raster::from_data(40, 40, 1, vec![5; 1600]).unwrap();
        let quad = [[10., 10.], [10., 30.], [30., 30.], [30., 10.]];
        let mut square = OrientedSquare { quad, zoom: 3.2, size_px: 64 };
        assert_eq!(pad(&mut image, &mut square, 3), Ok(Some([6, 6, 6, 6])));
    }

    #[test]
    fn far_landmarks_are_refused_before_memory_is_taken() {
        let mut image = Raster::from_data(10, 10, 1, vec![5; 100]).unwrap();
        let quad = [[-1e6, 0.], [-1e6, 2e6], [1e6, 2e6], [1e6, 0.]];
        let mut square = OrientedSquare { quad, zoom: 0.5, size_px: 64 };
        let error = pad(&mut image, &mut square, 3).unwrap_err();
        assert!(matches!(error, AlignError::TooMuchPadding { .. }), "{error}");
    }
}
