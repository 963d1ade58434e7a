//! Laplacian pyramids for the sliced Wasserstein distance (ProGAN, arXiv:1710.10196, section 5).
//!
//! The 5x5 binomial kernel is the outer product of [1 4 6 4 1]/16 with itself, so every filter runs
//! as two one-dimensional passes, columns first. Arithmetic is f32: on 8-bit pixels the first two
//! reductions are exact. Bound against the plain two-dimensional definition: 1e-4 absolute.

use multiversion::multiversion;
use pg_image::Planar;

use crate::MetricsError;

/// The Laplacian pyramid of one image, finest level first.
///
/// `image` is `[C,R,R]`, u8 0..=255, R a power of two of at least 16. Level i is `[C,R/2^i,R/2^i]`,
/// f32: the Gaussian level minus the expanded next one (about -255..=255), and for the last level,
/// 16x16, the Gaussian level itself (0..=255). Reduction filters with the binomial kernel and keeps
/// every second pixel; expansion inserts zeros and filters with four times the kernel. Beyond the
/// edge pixels are mirrored without repeating the edge pixel.
///
/// # Errors
/// [`MetricsError::SwdImageSize`] for any other size.
pub fn laplacian_pyramid(image: &Planar<u8>) -> Result<Vec<Planar<f32>>, MetricsError> {
    let GaussianPyramid { coarser, .. } = GaussianPyramid::new(image)?;
    let mut level = image.to_f32();
    let mut levels = Vec::with_capacity(coarser.len() + 1);
    for coarser in coarser {
        subtract_expanded(&mut level, &coarser);
        levels.push(level);
        level = coarser;
    }
    levels.push(level);
    Ok(levels)
}

/// The Gaussian levels of one image: all that its Laplacian levels are made of, where only a few of their
/// pixels are wanted.
#[derive(Debug, Clone)]
pub(crate) struct GaussianPyramid<'a> {
    image: &'a Planar<u8>,
    /// Without the image itself, finest first, f32.
    coarser: Vec<Planar<f32>>,
}

/// Side of a square of pixels that [`LaplacianLevel::square`] gives.
const SQUARE_PX: usize = 7;
/// Coarse columns that such a square is expanded from.
const COARSE_PX: usize = SQUARE_PX / 2 + 3;

impl<'a> GaussianPyramid<'a> {
    /// As [`laplacian_pyramid`].
    pub(crate) fn new(image: &'a Planar<u8>) -> Result<Self, MetricsError> {
        if image.width() != image.height() {
            return Err(MetricsError::SwdImageSize { width_px: image.width(), height_px: image.height() });
        }
        let level_count = swd_resolutions(image.width())?.len();
        let mut coarser: Vec<Planar<f32>> = Vec::with_capacity(level_count - 1);
        for _ in 1..level_count {
            let next = match coarser.last() {
                Some(level) => reduce(level, vertical_sums),
                None => reduce(image, vertical_sums_of_bytes),
            };
            coarser.push(next);
        }
        Ok(Self { image, coarser })
    }

    /// Number of levels, the image included.
    pub(crate) fn levels(&self) -> usize {
        self.coarser.len() + 1
    }

    /// A Laplacian level, 0 the finest.
    pub(crate) fn laplacian(&self, level: usize) -> LaplacianLevel<'_> {
        LaplacianLevel {
            gaussian: match level.checked_sub(1).and_then(|finer| self.coarser.get(finer)) {
                Some(gaussian) => GaussianLevel::Floats(gaussian),
                None => GaussianLevel::Bytes(self.image),
            },
            coarser: self.coarser.get(level),
        }
    }

    /// The Gaussian levels below the image, finest first.
    pub(crate) fn into_coarser(self) -> Vec<Planar<f32>> {
        self.coarser
    }
}

/// A level of a Gaussian pyramid: the image itself, or what it was reduced to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum GaussianLevel<'a> {
    Bytes(&'a Planar<u8>),
    Floats(&'a Planar<f32>),
}

/// A Laplacian level that is not made as a whole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LaplacianLevel<'a> {
    pub(crate) gaussian: GaussianLevel<'a>,
    /// The next Gaussian level; none for the coarsest.
    pub(crate) coarser: Option<&'a Planar<f32>>,
}

impl LaplacianLevel<'_> {
    /// Side in pixels.
    pub(crate) fn side_px(&self) -> usize {
        match self.gaussian {
            GaussianLevel::Bytes(image) => image.width(),
            GaussianLevel::Floats(level) => level.width(),
        }
    }

    /// The square of 7x7 pixels of channel `c` whose first is at (x, y), `[column,row]`: the pixels of
    /// [`laplacian_pyramid`], bit for bit. It must lie within the level.
    pub(crate) fn square(&self, c: usize, x: usize, y: usize, out: &mut [f32]) {
        let width = self.side_px();
        let mut square = [[0.0_f32; SQUARE_PX]; SQUARE_PX];
        for (row, values) in square.iter_mut().enumerate() {
            let at = (y + row) * width + x;
            match self.gaussian {
                GaussianLevel::Floats(level) => values.copy_from_slice(&level.plane(c)[at..at + SQUARE_PX]),
                GaussianLevel::Bytes(image) => {
                    for (value, &byte) in values.iter_mut().zip(&image.plane(c)[at..at + SQUARE_PX]) {
                        *value = f32::from(byte);
                    }
                }
            }
        }
        if let Some(coarse) = self.coarser {
            subtract_expanded_square(&mut square, coarse.plane(c), width / 2, x, y);
        }
        for (row, values) in square.iter().enumerate() {
            for (column, &value) in values.iter().enumerate() {
                out[column * SQUARE_PX + row] = value;
            }
        }
    }
}

/// [`subtract_expanded`] for the pixels from (x, y) on; `coarse` is `[side,side]`.
fn subtract_expanded_square(
    square: &mut [[f32; SQUARE_PX]; SQUARE_PX],
    coarse: &[f32],
    side: usize,
    x: usize,
    y: usize,
) {
    // Mirrored on the zero-stuffed grid: before the first comes the second, after the last the last.
    let place = |k: usize, offset: usize| match (k + offset).checked_sub(1) {
        None => 1,
        Some(k) => k.min(side - 1),
    };
    let columns: [usize; COARSE_PX] = std::array::from_fn(|i| place(x / 2, i));
    for (row, values) in square.iter_mut().enumerate() {
        let y = y + row;
        let k = y / 2;
        let line = |offset: usize| &coarse[place(k, offset) * side..][..side];
        let (previous, middle, next) = (line(0), line(1), line(2));
        let mut column = [0.0_f32; COARSE_PX];
        for (v, &at) in column.iter_mut().zip(&columns) {
            *v = if y.is_multiple_of(2) {
                (previous[at] + next[at]) * 0.125 + 0.75 * middle[at]
            } else {
                (middle[at] + next[at]) * 0.5
            };
        }
        for (i, value) in values.iter_mut().enumerate() {
            let at = x + i;
            let t = &column[at / 2 - x / 2..][..3];
            *value -=
                if at.is_multiple_of(2) { (t[0] + t[2]) * 0.125 + 0.75 * t[1] } else { (t[1] + t[2]) * 0.5 };
        }
    }
}

/// Filters with the binomial kernel and keeps even rows and columns: `[C,H,W]` to `[C,H/2,W/2]`,
/// for even sides of at least 4. `vertical` filters five rows into a [`ColumnSums`].
fn reduce<T: Copy>(image: &Planar<T>, vertical: impl Fn([&[T]; 5], &mut ColumnSums)) -> Planar<f32> {
    let (h, w) = (image.height(), image.width());
    let mut out = Planar::filled(image.channels(), h / 2, w / 2, 0.0_f32);
    let mut sums = ColumnSums { even: vec![0.0; w / 2 + 2], odd: vec![0.0; w / 2 + 1] };
    for c in 0..image.channels() {
        let plane = image.plane(c);
        let row = |y: usize| &plane[y * w..][..w];
        for (k, out_row) in out.plane_mut(c).chunks_exact_mut(w / 2).enumerate() {
            let y = 2 * k;
            let (above2, above1) = (row(if k == 0 { 2 } else { y - 2 }), row(if k == 0 { 1 } else { y - 1 }));
            let (below1, below2) = (row(y + 1), row(if y + 2 < h { y + 2 } else { h - 2 }));
            vertical([above2, above1, row(y), below1, below2], &mut sums);
            // Columns -2, -1 and w are columns 2, 1 and w - 2.
            let last = sums.even.len() - 1;
            sums.even[0] = sums.even[2];
            sums.even[last] = sums.even[last - 1];
            sums.odd[0] = sums.odd[1];
            horizontal(&sums, out_row);
        }
    }
    out
}

/// A row filtered vertically, times 16: even[i + 1] is column 2i, odd[i + 1] column 2i + 1.
struct ColumnSums {
    even: Vec<f32>,
    odd: Vec<f32>,
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn vertical_sums(rows: [&[f32]; 5], sums: &mut ColumnSums) {
    let [above2, above1, middle, below1, below2] = rows.map(|row| row.as_chunks::<2>().0);
    let filtered = |a2: f32, a1: f32, m: f32, b1: f32, b2: f32| (a2 + b2) + 4.0 * (a1 + b1) + 6.0 * m;
    let out = sums.even[1..].iter_mut().zip(&mut sums.odd[1..]);
    let rows = above2.iter().zip(above1).zip(middle).zip(below1).zip(below2);
    for ((even, odd), ((((a2, a1), m), b1), b2)) in out.zip(rows) {
        *even = filtered(a2[0], a1[0], m[0], b1[0], b2[0]);
        *odd = filtered(a2[1], a1[1], m[1], b1[1], b2[1]);
    }
}

/// [`vertical_sums`] in whole numbers, which f32 holds exactly.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn vertical_sums_of_bytes(rows: [&[u8]; 5], sums: &mut ColumnSums) {
    let [above2, above1, middle, below1, below2] = rows.map(|row| row.as_chunks::<2>().0);
    let filtered = |a2: u8, a1: u8, m: u8, b1: u8, b2: u8| {
        let (outer, inner) = (u16::from(a2) + u16::from(b2), u16::from(a1) + u16::from(b1));
        f32::from(outer + 4 * inner + 6 * u16::from(m))
    };
    let out = sums.even[1..].iter_mut().zip(&mut sums.odd[1..]);
    let rows = above2.iter().zip(above1).zip(middle).zip(below1).zip(below2);
    for ((even, odd), ((((a2, a1), m), b1), b2)) in out.zip(rows) {
        *even = filtered(a2[0], a1[0], m[0], b1[0], b2[0]);
        *odd = filtered(a2[1], a1[1], m[1], b1[1], b2[1]);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn horizontal(sums: &ColumnSums, out: &mut [f32]) {
    let (even, odd) = (&sums.even[..], &sums.odd[..]);
    let taps = even.iter().zip(&even[1..]).zip(&even[2..]).zip(odd.iter().zip(&odd[1..]));
    for (v, (((before, middle), after), (left, right))) in out.iter_mut().zip(taps) {
        *v = ((before + after) + 4.0 * (left + right) + 6.0 * middle) * (1.0 / 256.0);
    }
}

/// `image -= expand(coarse)`: `[C,H,W]` minus the expansion of `[C,H/2,W/2]`, sides of `coarse` at
/// least 2. Of the five taps over the zero-stuffed grid only [1 6 1]/8 fall on pixels at even
/// positions and [4 4]/8 at odd ones; the mirror on that grid repeats the last coarse pixel but not
/// the first.
fn subtract_expanded(image: &mut Planar<f32>, coarse: &Planar<f32>) {
    let (w, coarse_h, coarse_w) = (image.width(), coarse.height(), coarse.width());
    let mut expanded_column = vec![0.0_f32; coarse_w + 2];
    for c in 0..image.channels() {
        let source = coarse.plane(c);
        let row = |k: usize| &source[k * coarse_w..][..coarse_w];
        for (y, out_row) in image.plane_mut(c).chunks_exact_mut(w).enumerate() {
            let k = y / 2;
            let next = row((k + 1).min(coarse_h - 1));
            let middle = &mut expanded_column[1..=coarse_w];
            if y % 2 == 0 {
                let previous = row(if k == 0 { 1 } else { k - 1 });
                for (((v, p), m), n) in middle.iter_mut().zip(previous).zip(row(k)).zip(next) {
                    *v = (p + n) * 0.125 + 0.75 * m;
                }
            } else {
                for ((v, m), n) in middle.iter_mut().zip(row(k)).zip(next) {
                    *v = (m + n) * 0.5;
                }
            }
            expanded_column[0] = expanded_column[2];
            expanded_column[coarse_w + 1] = expanded_column[coarse_w];
            for (pair, t) in out_row.chunks_exact_mut(2).zip(expanded_column.windows(3)) {
                pair[0] -= (t[0] + t[2]) * 0.125 + 0.75 * t[1];
                pair[1] -= (t[1] + t[2]) * 0.5;
            }
        }
    }
}

/// Side of the coarsest level, in pixels.
pub const SWD_LOWEST_PX: usize = 16;

/// The sides of the pyramid's levels for images of side `resolution_px`: R, R/2, … 16.
///
/// # Errors
/// [`MetricsError::SwdImageSize`] unless R is a power of two from 16 to 65536.
pub fn swd_resolutions(resolution_px: usize) -> Result<Vec<usize>, MetricsError> {
    if !resolution_px.is_power_of_two() || !(SWD_LOWEST_PX..=65_536).contains(&resolution_px) {
        return Err(MetricsError::SwdImageSize { width_px: resolution_px, height_px: resolution_px });
    }
    Ok(std::iter::successors(Some(resolution_px), |r| Some(r / 2))
        .take_while(|&r| r >= SWD_LOWEST_PX)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pg_testkit::closeness::{Tolerance, assert_close};
    use proptest::prelude::*;

    const BOUND: Tolerance = Tolerance::absolute(1e-4);
    const TAPS: [f64; 5] = [1.0, 4.0, 6.0, 4.0, 1.0];

    fn mirror(i: isize, n: usize) -> usize {
        let last = n as isize - 1;
        (if i < 0 {
            -i
        } else if i > last {
            2 * last - i
        } else {
            i
        }) as usize
    }

    /// The definition: two-dimensional kernel in f64, mirrored edges.
    fn filter(plane: &[f64], n: usize, gain: f64) -> Vec<f64> {
        let mut out = vec![0.0; n * n];
        for y in 0..n {
            for x in 0..n {
                for (dy, ky) in TAPS.iter().enumerate() {
                    for (dx, kx) in TAPS.iter().enumerate() {
                        let sy = mirror(y as isize + dy as isize - 2, n);
                        let sx = mirror(x as isize + dx as isize - 2, n);
                        out[y * n + x] += gain * ky * kx / 256.0 * plane[sy * n + sx];
                    }
                }
            }
        }
        out
    }

    fn slow_reduce(plane: &[f64], n: usize) -> Vec<f64> {
        let filtered = filter(plane, n, 1.0);
        (0..n * n / 4).map(|i| filtered[(i / (n / 2) * 2) * n + i % (n / 2) * 2]).collect()
    }

    fn slow_expand(plane: &[f64], n: usize) -> Vec<f64> {
        let mut stuffed = vec![0.0; 4 * n * n];
        for (i, v) in plane.iter().enumerate() {
            stuffed[(i / n * 2) * 2 * n + i % n * 2] = *v;
        }
        filter(&stuffed, 2 * n, 4.0)
    }

    fn slow_pyramid(plane: &[u8], side: usize) -> Vec<Vec<f64>> {
        let mut level: Vec<f64> = plane.iter().map(|&v| f64::from(v)).collect();
        let mut levels = Vec::new();
        let mut n = side;
        while n > 16 {
            let coarse = slow_reduce(&level, n);
            let expanded = slow_expand(&coarse, n / 2);
            levels.push(level.iter().zip(&expanded).map(|(a, b)| a - b).collect());
            level = coarse;
            n /= 2;
        }
        levels.push(level);
        levels
    }

    fn check(side: usize, pixels: Vec<u8>) {
        let expected = slow_pyramid(&pixels, side);
        let image = Planar::from_data(1, side, side, pixels).unwrap();
        let actual = laplacian_pyramid(&image).unwrap();
        assert_eq!(actual.len(), expected.len());
        for (a, e) in actual.iter().zip(&expected) {
            let a: Vec<f64> = a.data().iter().map(|&v| f64::from(v)).collect();
            assert_close("pyramid level", &a, e, BOUND);
        }
    }

    #[test]
    fn the_fast_filter_agrees_with_the_definition_on_impulses_at_every_edge() {
        for position in [0, 1, 31, 32, 31 * 32, 32 * 32 - 1, 16 * 32 + 15] {
            let mut pixels = vec![0; 32 * 32];
            pixels[position] = 255;
            check(32, pixels);
        }
    }

    #[test]
    fn a_constant_image_has_only_a_residual() {
        let image = Planar::filled(3, 64, 64, 77_u8);
        let levels = laplacian_pyramid(&image).unwrap();
        assert_eq!(levels.len(), 3);
        assert!(levels[..2].iter().all(|level| level.data().iter().all(|&v| v == 0.0)));
        assert!(levels[2].data().iter().all(|&v| v == 77.0));
    }

    #[test]
    fn other_sizes_are_refused() {
        for (h, w) in [(32, 16), (24, 24), (8, 8), (0, 0)] {
            let image = Planar::filled(3, h, w, 0_u8);
            assert!(matches!(laplacian_pyramid(&image), Err(MetricsError::SwdImageSize { .. })), "{h}x{w}");
        }
    }

    #[test]
    fn squares_are_those_of_the_whole_levels() {
        let data = (0..3 * 64 * 64).map(|i: usize| (i * i * 31 / 7 % 256) as u8).collect();
        let image = Planar::from_data(3, 64, 64, data).unwrap();
        let whole = laplacian_pyramid(&image).unwrap();
        let gaussian = GaussianPyramid::new(&image).unwrap();
        assert_eq!(gaussian.levels(), whole.len());
        for (i, level) in whole.iter().enumerate() {
            let laplacian = gaussian.laplacian(i);
            let side = laplacian.side_px();
            assert_eq!(side, level.width());
            for c in 0..3 {
                for (y, x) in (0..=side - 7).flat_map(|y| (0..=side - 7).map(move |x| (y, x))) {
                    let mut square = [0.0; 49];
                    laplacian.square(c, x, y, &mut square);
                    for (at, value) in square.iter().enumerate() {
                        let pixel = level.plane(c)[(y + at % 7) * side + x + at / 7];
                        assert_eq!(value.to_bits(), pixel.to_bits(), "level {i}, ({x}, {y}), {at}");
                    }
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn the_fast_filter_agrees_with_the_definition_on_noise(seed in any::<[u8; 8]>(), log_side in 4_u32..7) {
            let side = 1_usize << log_side;
            let pixels = (0..side * side).map(|i| seed[i % 8].wrapping_mul((i * i / 7) as u8).rotate_left((i % 7) as u32)).collect();
            check(side, pixels);
        }
    }
}
