//! Padding by reflection without repeating the edge.

use crate::Raster;

/// Widens `image` by `[left, top, right, bottom]` pixels: u8 `[H,W,C]` to f32 `[H+t+b, W+l+r, C]`.
///
/// Outside, the picture is mirrored about its edge pixels (period 2(n-1) per axis, repeated where the
/// padding is wider than the picture; a side of one pixel is repeated).
#[must_use]
pub fn mirror_pad(image: &Raster, [left, top, right, bottom]: [usize; 4]) -> Vec<f32> {
    let (w, h, c) = (image.width(), image.height(), image.channels());
    let columns: Vec<usize> =
        (0..left + w + right).map(|x| reflected(x as isize - left as isize, w)).collect();
    let mut out = Vec::with_capacity(columns.len() * (top + h + bottom) * c);
    for y in 0..top + h + bottom {
        let row = &image.data()[reflected(y as isize - top as isize, h) * w * c..][..w * c];
        for &x in &columns {
            out.extend(row[x * c..(x + 1) * c].iter().map(|&v| f32::from(v)));
        }
    }
    out
}

/// The position in 0..n that a mirror without edge repetition shows at `at`.
fn reflected(at: isize, n: usize) -> usize {
    if n == 1 {
        return 0;
    }
    let period = 2 * (n as isize - 1);
    let phase = at.rem_euclid(period);
    phase.min(period - phase) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edge_is_not_repeated_and_wide_padding_goes_on_mirroring() {
        let image = Raster::from_data(3, 1, 1, vec![10, 20, 30]).unwrap();
        let padded = mirror_pad(&image, [5, 0, 2, 0]);
        assert_eq!(padded, [20., 10., 20., 30., 20., 10., 20., 30., 20., 10.]);
    }

    #[test]
    fn a_single_row_is_repeated() {
        let image = Raster::from_data(1, 1, 3, vec![1, 2, 3]).unwrap();
        assert_eq!(mirror_pad(&image, [0, 1, 0, 1]), [1., 2., 3., 1., 2., 3., 1., 2., 3.]);
    }
}
