//! Laplacian pyramids for the sliced Wasserstein distance (ProGAN, arXiv:1710.10196, section 5).
//!
//! The 5x5 binomial kernel is the outer product of [1 4 6 4 1]/16 with itself, so every filter runs
//! as two one-dimensional passes, columns first. Arithmetic is f32: on 8-bit pixels the first two
//! reductions are exact. Bound against the plain two-dimensional definition: 1e-4 absolute.

use pg_image::Planar;

use crate::MetricsError;
use crate::descriptor_set::swd_resolutions;

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
    if image.width() != image.height() {
        return Err(MetricsError::SwdImageSize { width_px: image.width(), height_px: image.height() });
    }
    let level_count = swd_resolutions(image.width())?.len();
    let mut levels = Vec::with_capacity(level_count);
    let mut level = image.to_f32();
    for _ in 1..level_count {
        let coarser = reduce(&level);
        subtract_expanded(&mut level, &coarser);
        levels.push(level);
        level = coarser;
    }
    levels.push(level);
    Ok(levels)
}

/// Filters with the binomial kernel and keeps even rows and columns: `[C,H,W]` to `[C,H/2,W/2]`,
/// for even sides of at least 4.
fn reduce(image: &Planar<f32>) -> Planar<f32> {
    let (h, w) = (image.height(), image.width());
    let mut out = Planar::filled(image.channels(), h / 2, w / 2, 0.0_f32);
    // Two mirrored columns on each side make the row pass free of branches.
    let mut column_sums = vec![0.0_f32; w + 4];
    for c in 0..image.channels() {
        let plane = image.plane(c);
        let row = |y: usize| &plane[y * w..][..w];
        for (k, out_row) in out.plane_mut(c).chunks_exact_mut(w / 2).enumerate() {
            let y = 2 * k;
            let (above2, above1) = (row(if k == 0 { 2 } else { y - 2 }), row(if k == 0 { 1 } else { y - 1 }));
            let (below1, below2) = (row(y + 1), row(if y + 2 < h { y + 2 } else { h - 2 }));
            let sums = &mut column_sums[2..w + 2];
            for ((((s, a2), a1), (m, b1)), b2) in
                sums.iter_mut().zip(above2).zip(above1).zip(row(y).iter().zip(below1)).zip(below2)
            {
                *s = (a2 + b2) + 4.0 * (a1 + b1) + 6.0 * m;
            }
            column_sums[0] = column_sums[4];
            column_sums[1] = column_sums[3];
            column_sums[w + 2] = column_sums[w];
            for (x, v) in out_row.iter_mut().enumerate() {
                let t = &column_sums[2 * x..][..5];
                *v = ((t[0] + t[4]) + 4.0 * (t[1] + t[3]) + 6.0 * t[2]) * (1.0 / 256.0);
            }
        }
    }
    out
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
