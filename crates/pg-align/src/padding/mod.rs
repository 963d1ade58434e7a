//! Making up what lies outside the photo.

mod blur;
mod mask;
mod median;

use pg_image::{Raster, mirror_rows};
use rayon::prelude::*;

use crate::{AlignError, OrientedSquare};
use blur::Blur;
use mask::Mask;
use median::{Bracket, Ranks};

/// Most pixels of a padded picture, in squares of the output: a face at the border needs up to 70.
const MOST_OUTPUT_SQUARES: u64 = 128;
/// Rows made together.
const ROWS: usize = 64;
/// Rows looked at to find where about the median is.
const SAMPLED_ROWS: usize = 24;

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
/// Where sigma is 10 px or more, the blur comes from a grid ([`CoarseBlur`](pg_image::CoarseBlur)): at most
/// one value in 10000 differs from [`pad_exactly`], by one grey level. Made row by row: no more than the
/// two pictures and the grid is held.
///
/// # Errors
/// [`AlignError::TooMuchPadding`] when the padded picture would exceed 128 output squares.
pub fn pad(
    crop: &mut Raster,
    square: &mut OrientedSquare,
    border: i64,
) -> Result<Option<[usize; 4]>, AlignError> {
    pad_with(crop, square, border, Blur::new)
}

/// [`pad`] with the blur of the definition: to the bit what the authors' program makes, but 30 times slower
/// and with 24 bytes per pixel of memory.
///
/// # Errors
/// As [`pad`].
pub fn pad_exactly(
    crop: &mut Raster,
    square: &mut OrientedSquare,
    border: i64,
) -> Result<Option<[usize; 4]>, AlignError> {
    pad_with(crop, square, border, Blur::exact)
}

fn pad_with(
    crop: &mut Raster,
    square: &mut OrientedSquare,
    border: i64,
    blur: impl Fn(&Raster, &Mask, f64) -> Blur,
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

    let mask = Mask::new(sides, [w, h], c);
    let blur = blur(crop, &mask, size * 0.02 / square.zoom);
    let (rows, order) = mirror_rows(crop, sides);
    let blended = Blended { rows, order, blur, mask };
    let data = blended.faded(&blended.medians(c));
    if let Ok(padded) = Raster::from_data(w, h, c, data) {
        *crop = padded;
    }
    square.map(|v, axis| v + [left, top][axis] as f32);
    Ok(Some(sides))
}

/// The mirrored picture with the blur blended in, row by row.
struct Blended {
    /// u8 `[crop height, W, C]`.
    rows: Vec<u8>,
    /// For each row of the padded picture, its row in `rows`.
    order: Vec<usize>,
    blur: Blur,
    mask: Mask,
}

impl Blended {
    /// Calls `each` with rows `first..first + count`, one after the other.
    fn for_rows(&self, first: usize, count: usize, mut each: impl FnMut(usize, &[f32])) {
        let stride = self.mask.values_across();
        let mut row = vec![0.0_f32; stride];
        let mut blurred = vec![0.0_f32; stride];
        let rows = self.blur.rows(first, count);
        for y in first..first + count {
            for (value, &byte) in row.iter_mut().zip(&self.rows[self.order[y] * stride..]) {
                *value = f32::from(byte);
            }
            for part in self.mask.touched(y) {
                rows.read(y, part.clone(), &mut blurred[part.clone()]);
                self.mask.blend(y, part.clone(), &blurred[part.clone()], &mut row[part]);
            }
            each(y, &row);
        }
    }

    /// The median of each channel: the middle value, or the mean of the two middle ones.
    fn medians(&self, c: usize) -> Vec<f32> {
        let height = self.order.len();
        let chunks: Vec<usize> = (0..height).step_by(ROWS).collect();
        let some: Vec<usize> = (0..height).step_by(height.div_ceil(SAMPLED_ROWS).max(1)).collect();
        let sampled: Vec<Vec<f32>> = some
            .into_par_iter()
            .map(|y| {
                let mut values = Vec::new();
                self.for_rows(y, 1, |_, row| values.extend_from_slice(row));
                values
            })
            .collect();
        let ranks = |brackets: &[Bracket]| {
            let count = |&first: &usize| {
                let mut ranks = Ranks::new(brackets);
                self.for_rows(first, ROWS.min(height - first), |_, row| ranks.add(row));
                ranks
            };
            chunks.par_iter().map(count).reduce(|| Ranks::new(brackets), Ranks::merged)
        };
        let sampled: Vec<Bracket> = (0..c)
            .map(|k| {
                let values = sampled.iter().flat_map(|row| row.iter().skip(k).step_by(c)).copied();
                Bracket::around_median(values.collect(), self.blur.precision())
            })
            .collect();
        ranks(&sampled).medians().unwrap_or_else(|| {
            // The rows looked at were not like the others.
            ranks(&vec![Bracket::EVERYTHING; c]).medians().unwrap_or_else(|| vec![0.0; c])
        })
    }

    /// The padded picture: faded to the medians towards the edge, rounded.
    fn faded(&self, medians: &[f32]) -> Vec<u8> {
        let stride = self.mask.values_across();
        let mut out = vec![0_u8; self.order.len() * stride];
        out.par_chunks_mut((ROWS * stride).max(1)).enumerate().for_each(|(chunk, out)| {
            let first = chunk * ROWS;
            self.for_rows(first, out.len() / stride, |y, row| {
                let out = &mut out[(y - first) * stride..][..stride];
                self.mask.fade(y, row, medians, out);
            });
        });
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
