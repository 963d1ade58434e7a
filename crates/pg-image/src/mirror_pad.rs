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

/// [`mirror_pad`] of `image` to the left and right only, u8 `[H, l+W+r, C]`; and for each row of the picture
/// padded on all sides, which of these rows it shows.
#[must_use]
pub fn mirror_rows(image: &Raster, [left, top, right, bottom]: [usize; 4]) -> (Vec<u8>, Vec<usize>) {
    let (w, h, c) = (image.width(), image.height(), image.channels());
    let mut out = vec![0_u8; h * (left + w + right) * c];
    for (row, out) in image.data().chunks_exact(w * c).zip(out.chunks_exact_mut((left + w + right) * c)) {
        if c == 3 {
            mirror_row::<3>(row, left, out);
        } else {
            mirror_row::<1>(row, left, out);
        }
    }
    (out, (0..top + h + bottom).map(|y| reflected(y as isize - top as isize, h)).collect())
}

/// A row of pixels, `left` of the wider row before it.
fn mirror_row<const C: usize>(row: &[u8], left: usize, out: &mut [u8]) {
    let (row, out) = (row.as_chunks::<C>().0, out.as_chunks_mut::<C>().0);
    let behind = left + row.len();
    out[left..behind].copy_from_slice(row);
    for x in (0..left).chain(behind..out.len()) {
        out[x] = row[reflected(x as isize - left as isize, row.len())];
    }
}

/// The position in 0..n that a mirror without edge repetition shows at `at`.
pub(crate) fn reflected(at: isize, n: usize) -> usize {
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
    fn rows_and_their_order_are_the_padded_picture() {
        let image = Raster::from_data(3, 2, 3, (0..18).collect()).unwrap();
        let sides = [4, 3, 1, 5];
        let (rows, order) = mirror_rows(&image, sides);
        let all = order.iter().flat_map(|&y| &rows[y * 8 * 3..(y + 1) * 8 * 3]);
        assert!(all.map(|&v| f32::from(v)).eq(mirror_pad(&image, sides)));
    }

    #[test]
    fn a_single_row_is_repeated() {
        let image = Raster::from_data(1, 1, 3, vec![1, 2, 3]).unwrap();
        assert_eq!(mirror_pad(&image, [0, 1, 0, 1]), [1., 2., 3., 1., 2., 3., 1., 2., 3.]);
    }
}
