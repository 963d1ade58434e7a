//! A wide Gaussian blur from a coarse grid of its values.
//!
//! Blurred by sigma pixels, a picture holds hardly anything shorter than sigma: its values at every D-th row
//! and column, D about sigma / 5, give all others by interpolation. The kernel itself is summed at the
//! nodes, with its cut at 4 sigma; only what lies between them is interpolated, to about 1e-4 grey levels.

use multiversion::multiversion;
use rayon::prelude::*;

use crate::Raster;
use crate::gaussian_blur::{mirror_index, weights};
use crate::mirror_pad::reflected;

/// Nodes that a value is interpolated from: Lagrange's polynomial of degree 7.
const NODES: usize = 8;
/// Nodes before the cell of a value.
const BEFORE: usize = NODES / 2 - 1;
/// Pixels of sigma per node, at least: the polynomial is then good to 2e-7 of any wave's height.
const SIGMA_PER_NODE: f64 = 5.0;
/// Grey level that sums are taken relative to, so that they stay small and rounding with them.
const MIDDLE: f32 = 128.0;
/// Nodes summed together.
const GROUP: usize = 4;
/// Values of each node summed together.
const LANES: usize = 32;

/// A picture mirrored beyond its edges and blurred, row by row.
///
/// Mirroring as [`mirror_pad`](crate::mirror_pad()), blur as [`gaussian_blur`](crate::gaussian_blur()), but
/// for about 1e-4 grey levels. Cost per value: 8 sigma / D^2 multiplications at the nodes, 8 from there.
/// Memory: 4 (h + w) / D bytes per column and channel.
#[derive(Debug)]
pub struct CoarseBlur {
    /// Distance of nodes D, in pixels.
    spacing: usize,
    /// Width of the padded picture in pixels.
    width: usize,
    channels: usize,
    /// Values of a row of nodes.
    stride: usize,
    /// `[nodes down, nodes across, C]`, minus [`MIDDLE`].
    nodes: Vec<f32>,
    /// For each place in a cell, the weights of the nodes.
    phases: Vec<[f32; NODES]>,
}

/// The weights of source rows (or columns) `first..first + weights.len()` for one node.
struct Band {
    first: usize,
    weights: Vec<f32>,
}

impl CoarseBlur {
    /// The blur of `image`, u8 `[H,W,C]`, padded by `[left, top, right, bottom]` pixels; `None` where sigma
    /// (pixels) is too small for a grid to save anything.
    #[must_use]
    pub fn new(image: &Raster, [left, top, right, bottom]: [usize; 4], sigma: f64) -> Option<Self> {
        let spacing = (sigma / SIGMA_PER_NODE).min(16.0) as usize;
        if spacing < 2 {
            return None;
        }
        let (w, h, c) = (image.width(), image.height(), image.channels());
        let down = bands(h, top, bottom, sigma, spacing);
        let across = bands(w, left, right, sigma, spacing);

        let rows = product(&down, w * c, |y, at, out| {
            for (value, &byte) in out.iter_mut().zip(&image.data()[y * w * c + at..(y + 1) * w * c]) {
                *value = f32::from(byte) - MIDDLE;
            }
        });
        // [down, w, C] to [w, down, C], so that columns are what rows were.
        let columns = transposed(&rows, down.len(), w, c);
        drop(rows);
        let stride = down.len() * c;
        let nodes = product(&across, stride, |x, at, out| {
            for (value, &source) in out.iter_mut().zip(&columns[x * stride + at..(x + 1) * stride]) {
                *value = source;
            }
        });
        Some(Self {
            spacing,
            width: left + w + right,
            channels: c,
            stride: across.len() * c,
            nodes: transposed(&nodes, across.len(), down.len(), c),
            phases: phases(spacing),
        })
    }

    /// The rows from `first` on (`count` of them), to be asked for one by one.
    #[must_use]
    pub fn rows(&self, first: usize, count: usize) -> CoarseRows<'_> {
        let cells = first / self.spacing..(first + count).div_ceil(self.spacing) + NODES - 1;
        let width = self.width * self.channels;
        let mut across = vec![0.0_f32; cells.len() * width];
        let mut phase = vec![0.0_f32; self.stride];
        for (node_row, out) in cells.clone().zip(across.chunks_exact_mut(width.max(1))) {
            if let Some(nodes) = self.nodes.get(node_row * self.stride..(node_row + 1) * self.stride) {
                self.stretch(nodes, &mut phase, out);
            }
        }
        CoarseRows { blur: self, first_cell: cells.start, across }
    }

    /// A row of nodes to a row of pixels.
    fn stretch(&self, nodes: &[f32], phase: &mut [f32], out: &mut [f32]) {
        let c = self.channels;
        for (p, weights) in self.phases.iter().enumerate() {
            filter(nodes, weights, c, phase);
            if c == 3 {
                spread::<3>(phase, &mut out[3 * p.min(self.width)..], self.spacing);
            } else {
                spread::<1>(phase, &mut out[p.min(self.width)..], self.spacing);
            }
        }
    }
}

/// Pixels to every `spacing`-th pixel.
fn spread<const C: usize>(pixels: &[f32], out: &mut [f32], spacing: usize) {
    for (out, pixel) in out.as_chunks_mut::<C>().0.iter_mut().step_by(spacing).zip(pixels.as_chunks::<C>().0)
    {
        *out = *pixel;
    }
}

/// Consecutive rows of a [`CoarseBlur`].
#[derive(Debug)]
pub struct CoarseRows<'a> {
    blur: &'a CoarseBlur,
    first_cell: usize,
    /// Rows of nodes, stretched to pixels.
    across: Vec<f32>,
}

impl CoarseRows<'_> {
    /// Values `columns` (counted in values, not pixels) of row `y` of the padded picture.
    pub fn read(&self, y: usize, columns: std::ops::Range<usize>, out: &mut [f32]) {
        let CoarseBlur { spacing, width, channels, ref phases, .. } = *self.blur;
        let stride = width * channels;
        let from = (y / spacing - self.first_cell) * stride;
        let rows: [&[f32]; NODES] =
            std::array::from_fn(|k| &self.across[from + k * stride..][columns.start..columns.end]);
        combine(rows, &phases[y % spacing], out);
    }
}

/// out(i) = sum over k of `weights`(k) values(i + k step), as far as there are values.
#[multiversion(targets("x86_64+avx512f+avx512vl+fma", "x86_64+avx2+fma"))]
fn filter(values: &[f32], weights: &[f32; NODES], step: usize, out: &mut [f32]) {
    let n = values.len().saturating_sub((NODES - 1) * step).min(out.len());
    let shifted: [&[f32]; NODES] = std::array::from_fn(|k| &values[k * step..k * step + n]);
    for (i, out) in out[..n].iter_mut().enumerate() {
        let mut sum = 0.0_f32;
        for k in 0..NODES {
            sum = weights[k].mul_add(shifted[k][i], sum);
        }
        *out = sum;
    }
}

/// [`MIDDLE`] and the weighted sum of rows.
#[multiversion(targets("x86_64+avx512f+avx512vl+fma", "x86_64+avx2+fma"))]
fn combine(rows: [&[f32]; NODES], weights: &[f32; NODES], out: &mut [f32]) {
    let n = rows.iter().fold(out.len(), |n, row| n.min(row.len()));
    let rows = rows.map(|row| &row[..n]);
    for (i, out) in out[..n].iter_mut().enumerate() {
        let mut sum = 0.0_f32;
        for k in 0..NODES {
            sum = weights[k].mul_add(rows[k][i], sum);
        }
        *out = sum + MIDDLE;
    }
}

/// Lagrange's weights at p / spacing of the way from node [`BEFORE`] to the next.
fn phases(spacing: usize) -> Vec<[f32; NODES]> {
    let of = |p: usize| {
        let at = BEFORE as f64 + p as f64 / spacing as f64;
        std::array::from_fn(|k| {
            let others = (0..NODES).filter(|&i| i != k);
            others.map(|i| (at - i as f64) / (k as f64 - i as f64)).product::<f64>() as f32
        })
    };
    (0..spacing).map(of).collect()
}

/// The kernel at each node, folded onto the `n` source rows that the padded picture mirrors.
fn bands(n: usize, before: usize, behind: usize, sigma: f64, spacing: usize) -> Vec<Band> {
    let weights = weights(sigma);
    let radius = weights.len() as isize - 1;
    let padded = before + n + behind;
    let cells = padded.div_ceil(spacing);
    let of_node = |node: usize| {
        let centre = (node as isize - BEFORE as isize) * spacing as isize;
        let mut folded = vec![0.0_f64; n];
        let (mut first, mut end) = (n, 0);
        for k in -radius..=radius {
            let row = reflected(mirror_index(centre + k, padded) as isize - before as isize, n);
            folded[row] += weights[k.unsigned_abs()];
            (first, end) = (first.min(row), end.max(row + 1));
        }
        Band { first, weights: folded[first..end].iter().map(|&v| v as f32).collect() }
    };
    (0..cells + NODES - 1).map(of_node).collect()
}

/// Each band's weighted sum of rows of `stride` values: `[bands, stride]`. `load(y, at, out)` gives values
/// of row y from `at` on.
fn product(bands: &[Band], stride: usize, load: impl Fn(usize, usize, &mut [f32]) + Sync) -> Vec<f32> {
    let rows = bands.iter().map(|band| band.first + band.weights.len()).max().unwrap_or(0);
    let groups: Vec<(usize, Vec<[f32; GROUP]>)> = bands.chunks(GROUP).map(together).collect();
    let strips: Vec<Vec<[f32; LANES]>> = (0..stride.div_ceil(LANES))
        .into_par_iter()
        .map_init(
            || vec![[0.0_f32; LANES]; rows],
            |strip, index| {
                for (y, row) in strip.iter_mut().enumerate() {
                    load(y, index * LANES, row);
                }
                groups
                    .iter()
                    .flat_map(|(first, weights)| weighted_sums(&strip[*first..], weights))
                    .take(bands.len())
                    .collect()
            },
        )
        .collect();
    let mut out = vec![0.0_f32; bands.len() * stride];
    out.par_chunks_mut(stride.max(1)).enumerate().for_each(|(band, row)| {
        for (values, strip) in row.chunks_mut(LANES).zip(&strips) {
            values.copy_from_slice(&strip[band][..values.len()]);
        }
    });
    out
}

/// The weights of up to [`GROUP`] bands, row by row.
fn together(bands: &[Band]) -> (usize, Vec<[f32; GROUP]>) {
    let first = bands.iter().map(|band| band.first).min().unwrap_or(0);
    let end = bands.iter().map(|band| band.first + band.weights.len()).max().unwrap_or(0);
    let mut weights = vec![[0.0; GROUP]; end - first];
    for (k, band) in bands.iter().enumerate() {
        for (row, &weight) in weights[band.first - first..].iter_mut().zip(&band.weights) {
            row[k] = weight;
        }
    }
    (first, weights)
}

#[multiversion(targets("x86_64+avx512f+avx512vl+fma", "x86_64+avx2+fma"))]
fn weighted_sums(rows: &[[f32; LANES]], weights: &[[f32; GROUP]]) -> [[f32; LANES]; GROUP] {
    let mut sums = [[0.0_f32; LANES]; GROUP];
    for (row, weights) in rows.iter().zip(weights) {
        for k in 0..GROUP {
            for i in 0..LANES {
                sums[k][i] = weights[k].mul_add(row[i], sums[k][i]);
            }
        }
    }
    sums
}

/// `[rows, columns, C]` to `[columns, rows, C]`, C = 1 or 3.
fn transposed(values: &[f32], rows: usize, columns: usize, c: usize) -> Vec<f32> {
    if c == 3 {
        transposed_pixels::<3>(values, rows, columns)
    } else {
        transposed_pixels::<1>(values, rows, columns)
    }
}

fn transposed_pixels<const C: usize>(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    // A block of columns at a time, so that what is read stays in the cache.
    const BLOCK: usize = 16;
    let pixels = values.as_chunks::<C>().0;
    let mut out = vec![0.0_f32; values.len()];
    out.par_chunks_mut((BLOCK * rows * C).max(1)).enumerate().for_each(|(block, out)| {
        let out = out.as_chunks_mut::<C>().0;
        for row in 0..rows {
            for (k, column) in out.chunks_exact_mut(rows).enumerate() {
                column[row] = pixels[row * columns + block * BLOCK + k];
            }
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Rectangle, gaussian_blur, mirror_pad};

    /// Blocks, edges and noise: all wavelengths.
    fn picture(w: usize, h: usize) -> Raster {
        let value = |i: usize| {
            let (x, y) = (i / 3 % w, i / 3 / w);
            let noise = (i * 2_654_435_761) >> 7 & 63;
            let block = if (x / 40 + y / 25).is_multiple_of(2) { 30 } else { 160 };
            (block + noise) as u8
        };
        Raster::from_data(w, h, 3, (0..w * h * 3).map(value).collect()).unwrap()
    }

    #[test]
    fn it_differs_from_the_blur_by_less_than_a_thousandth_of_a_grey_level() {
        for (w, h, sides, sigma) in [
            (200, 150, [70, 0, 9, 41], 20.6),
            (90, 310, [300, 55, 120, 20], 40.9),
            (120, 80, [1, 1, 1, 1], 11.0),
        ] {
            let image = picture(w, h);
            let (width, height) = (w + sides[0] + sides[2], h + sides[1] + sides[3]);
            let mut exact = mirror_pad(&image, sides);
            gaussian_blur(&mut exact, [height, width, 3], sigma, Rectangle::default());
            let coarse = CoarseBlur::new(&image, sides, sigma).unwrap();
            let (mut worst, mut sum) = (0.0_f32, 0.0_f64);
            for first in (0..height).step_by(50) {
                let count = 50.min(height - first);
                let rows = coarse.rows(first, count);
                for y in first..first + count {
                    let mut row = vec![0.0; 3 * width];
                    rows.read(y, 0..3 * width, &mut row);
                    for (value, expected) in row.iter().zip(&exact[y * 3 * width..]) {
                        worst = worst.max((value - expected).abs());
                        sum += f64::from((value - expected).abs());
                    }
                }
            }
            let mean = sum / exact.len() as f64;
            assert!(worst < 1e-3 && mean < 1e-4, "{sigma}: worst {worst}, mean {mean}");
        }
    }

    #[test]
    fn narrow_blurs_are_left_to_the_definition() {
        assert!(CoarseBlur::new(&picture(30, 30), [5; 4], 9.9).is_none());
        assert!(CoarseBlur::new(&picture(30, 30), [5; 4], 10.1).is_some());
    }
}
