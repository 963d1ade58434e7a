//! Gaussian blur of an f32 picture as the reference alignment program gets it from SciPy.

use rayon::prelude::*;

/// Values summed together: few enough to stay in registers while the kernel runs over them.
const LANES: usize = 16;

/// A rectangle of pixels: columns `left..right` of rows `top..bottom`. May be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rectangle {
    /// First column.
    pub left: usize,
    /// First row.
    pub top: usize,
    /// One past the last column.
    pub right: usize,
    /// One past the last row.
    pub bottom: usize,
}

/// Blurs `image`, f32 `[H,W,C]` interleaved, in place: sigma in pixels, each channel on its own.
///
/// Radius floor(4 sigma + 0.5); weights exp(-k^2 / (2 sigma^2)) divided by their sum in f64. Along
/// columns (y) first, then along rows (x); each output is summed in f64 from the centre, then in pairs
/// from the outermost inwards, and stored as f32. The border mirrors with the edge pixel repeated
/// (period 2n). Pixels of `unneeded` may keep any value: they are left out to save time. Cost: two
/// passes of radius multiplications per needed value. The same bits for any number of threads.
pub fn gaussian_blur(
    image: &mut [f32],
    [height, width, channels]: [usize; 3],
    sigma: f64,
    unneeded: Rectangle,
) {
    let weights = weights(sigma);
    let radius = weights.len() - 1;
    if radius == 0 || image.is_empty() {
        return;
    }
    let stride = width * channels;
    let skipped_rows = unneeded.top..unneeded.bottom;

    // Needed pixels reach `radius` columns into the unneeded ones of this pass.
    let skip_from = (unneeded.left + radius) * channels;
    let skip_to = unneeded.right.saturating_sub(radius) * channels;
    let strips: Vec<(usize, Vec<f32>)> = (0..stride.div_ceil(LANES))
        .into_par_iter()
        .map(|strip| {
            let first = strip * LANES;
            let lanes = LANES.min(stride - first);
            let source = column_strip(image, stride, first, lanes, height, radius);
            let inner = first >= skip_from && first + lanes <= skip_to;
            let mut out = vec![0.0_f32; height * LANES];
            for (y, out) in out.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
                if !(inner && skipped_rows.contains(&y)) {
                    *out = weighted_pairs(source.as_flattened(), (y + radius) * LANES, LANES, &weights);
                }
            }
            (first, out)
        })
        .collect();
    image.par_chunks_mut(stride).enumerate().for_each(|(y, row)| {
        for (first, strip) in &strips {
            let lanes = LANES.min(stride - first);
            row[*first..first + lanes].copy_from_slice(&strip[y * LANES..][..lanes]);
        }
    });
    drop(strips);

    image.par_chunks_mut(stride).enumerate().for_each_init(
        // One strip more than the row needs, so that every window is whole.
        || vec![0.0_f64; (width + 2 * radius) * channels + LANES],
        |line, (y, row)| {
            for (at, pixel) in line.chunks_exact_mut(channels).take(width + 2 * radius).enumerate() {
                let x = mirror_index(at as isize - radius as isize, width);
                for (v, &source) in pixel.iter_mut().zip(&row[x * channels..]) {
                    *v = f64::from(source);
                }
            }
            let skipped = if skipped_rows.contains(&y) {
                unneeded.left * channels..unneeded.right * channels
            } else {
                0..0
            };
            for (strip, out) in row.chunks_mut(LANES).enumerate() {
                let first = strip * LANES;
                if first < skipped.start || first + out.len() > skipped.end {
                    let sums = weighted_pairs(line, first + radius * channels, channels, &weights);
                    out.copy_from_slice(&sums[..out.len()]);
                }
            }
        },
    );
}

/// Columns `first..first + lanes` as f64, `radius` mirrored rows above and below.
fn column_strip(
    image: &[f32],
    stride: usize,
    first: usize,
    lanes: usize,
    height: usize,
    radius: usize,
) -> Vec<[f64; LANES]> {
    let rows = -(radius as isize)..(height + radius) as isize;
    rows.map(|y| {
        let mut out = [0.0; LANES];
        let source = &image[mirror_index(y, height) * stride + first..][..lanes];
        for (v, &source) in out.iter_mut().zip(source) {
            *v = f64::from(source);
        }
        out
    })
    .collect()
}

/// For the [`LANES`] values from `at`: w_0 v(at) + sum over k, outermost first, of
/// w_k (v(at - k step) + v(at + k step)).
fn weighted_pairs(values: &[f64], at: usize, step: usize, weights: &[f64]) -> [f32; LANES] {
    let window = |at: usize| values[at..].first_chunk::<LANES>().unwrap_or(&[0.0; LANES]);
    let mut sums = window(at).map(|v| v * weights[0]);
    for (k, &weight) in weights.iter().enumerate().skip(1).rev() {
        let (before, behind) = (window(at - k * step), window(at + k * step));
        for i in 0..LANES {
            sums[i] += (before[i] + behind[i]) * weight;
        }
    }
    sums.map(|sum| sum as f32)
}

/// w_0 … w_radius, with w_0 + 2 (w_1 + …) = 1.
pub(crate) fn weights(sigma: f64) -> Vec<f64> {
    let radius = (4.0 * sigma + 0.5) as usize;
    let mut weights = vec![1.0_f64];
    let mut sum = 1.0;
    for k in 1..=radius {
        let weight = (-0.5 * ((k * k) as f64) / (sigma * sigma)).exp();
        weights.push(weight);
        sum += 2.0 * weight;
    }
    for weight in &mut weights {
        *weight /= sum;
    }
    weights
}

/// The position in 0..n that a mirror with the edge repeated shows at `at`.
pub(crate) fn mirror_index(at: isize, n: usize) -> usize {
    let n = n as isize;
    let phase = at.rem_euclid(2 * n);
    (if phase < n { phase } else { 2 * n - 1 - phase }) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oracle(image: &[f32], [h, w, c]: [usize; 3], sigma: f64) -> Vec<f32> {
        let weights = weights(sigma);
        let pass = |image: &[f32], vertical: bool| {
            let mut out = vec![0.0; image.len()];
            for y in 0..h {
                for x in 0..w {
                    for k in 0..c {
                        let at = |o: isize| {
                            let (yy, xx) = if vertical {
                                (mirror_index(y as isize + o, h), x)
                            } else {
                                (y, mirror_index(x as isize + o, w))
                            };
                            f64::from(image[(yy * w + xx) * c + k])
                        };
                        let mut sum = at(0) * weights[0];
                        for o in (1..weights.len() as isize).rev() {
                            sum += (at(-o) + at(o)) * weights[o as usize];
                        }
                        out[(y * w + x) * c + k] = sum as f32;
                    }
                }
            }
            out
        };
        pass(&pass(image, true), false)
    }

    #[test]
    fn the_fast_passes_give_the_bits_of_the_definition() {
        for (shape, sigma) in [([20, 33, 3], 1.3), ([3, 4, 1], 2.5), ([1, 5, 3], 0.7), ([12, 1, 3], 4.0)] {
            let n = shape.iter().product();
            let image: Vec<f32> = (0..n).map(|i| ((i * 83) % 251) as f32).collect();
            let mut blurred = image.clone();
            gaussian_blur(&mut blurred, shape, sigma, Rectangle::default());
            assert_eq!(blurred, oracle(&image, shape, sigma), "{shape:?} {sigma}");
        }
    }

    #[test]
    fn needed_pixels_do_not_depend_on_what_is_left_out() {
        let (h, w) = (30, 60);
        let image: Vec<f32> = (0..h * w * 3).map(|i| ((i * 59) % 251) as f32).collect();
        let (mut all, mut some) = (image.clone(), image);
        gaussian_blur(&mut all, [h, w, 3], 1.2, Rectangle::default());
        let hole = Rectangle { left: 4, top: 3, right: 55, bottom: 28 };
        gaussian_blur(&mut some, [h, w, 3], 1.2, hole);
        for y in 0..h {
            for x in 0..w {
                let left_out = (3..28).contains(&y) && (4..55).contains(&x);
                let at = (y * w + x) * 3;
                assert!(left_out || all[at..at + 3] == some[at..at + 3], "{y} {x}");
            }
        }
        assert_ne!(all, some, "something was left out");
    }

    #[test]
    fn the_mirror_repeats_the_edge() {
        assert_eq!([-3, -2, -1, 0, 2, 3, 4, 5, 6].map(|i| mirror_index(i, 3)), [2, 1, 0, 0, 2, 2, 1, 0, 0]);
    }
}
