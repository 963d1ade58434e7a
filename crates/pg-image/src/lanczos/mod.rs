//! Lanczos resampling, a = 3, exactly as the reference alignment program gets it from Pillow 3.1.1.

#[cfg(target_arch = "x86_64")]
mod quarter;
#[cfg(target_arch = "x86_64")]
mod whole_numbers;

use multiversion::multiversion;
use rayon::prelude::*;

use crate::Raster;
use crate::truncation::truncated;
#[cfg(target_arch = "x86_64")]
pub(crate) use quarter::QuarterLanczos;

/// Lobes of the kernel on each side.
const SUPPORT: f32 = 3.0;
/// Rows that the horizontal pass takes together, so that the compiler can vectorise across them.
pub(crate) const ROWS: usize = 16;

/// The contributions to one output position: input positions `first..first + weights.len()`.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

/// Resizes to `width` x `height` (both at least 1): u8 `[H,W,C]` in and out.
///
/// Separable, horizontal pass first, u8 between the passes. With scale = in/out, s = max(scale, 1) and
/// centre = (i + 0.5) scale, the weights are L((j - centre + 0.5)/s) over j from floor(centre - 3s) to
/// ceil(centre + 3s) - 1 inside the picture, divided by their sum. All f32; a pixel's sum starts at 0.5,
/// runs in the order of j and is truncated and clamped to 0..=255. A pass whose size does not change is
/// left out. The same bits for any number of threads.
#[must_use]
pub fn resize_lanczos(image: &Raster, width: usize, height: usize) -> Raster {
    let (width, height) = (width.max(1), height.max(1));
    let c = image.channels();
    let horizontal = if width == image.width() {
        image.data().to_vec()
    } else {
        resize_rows(image.data(), image.width(), width, c)
    };
    let data = if height == image.height() {
        horizontal
    } else {
        resize_columns(&horizontal, width * c, image.height(), height)
    };
    // The sizes fit by construction; an empty side is excluded above.
    Raster::from_data(width, height, c, data).unwrap_or_else(|_| image.clone())
}

fn sinc(x: f32) -> f32 {
    if x == 0.0 {
        return 1.0;
    }
    let x = (f64::from(x) * std::f64::consts::PI) as f32;
    (f64::from(x).sin() / f64::from(x)) as f32
}

fn lanczos(x: f32) -> f32 {
    if (-SUPPORT..SUPPORT).contains(&x) { sinc(x) * sinc(x / SUPPORT) } else { 0.0 }
}

fn taps(input: usize, output: usize) -> Vec<Taps> {
    (0..output).map(|i| taps_of(i, input, output)).collect()
}

fn taps_of(i: usize, input: usize, output: usize) -> Taps {
    let scale = input as f32 / output as f32;
    let filter_scale = scale.max(1.0);
    let support = SUPPORT * filter_scale;
    let per_input = (1.0 / f64::from(filter_scale)) as f32;
    let centre = ((i as f64 + 0.5) * f64::from(scale)) as f32;
    let first = (centre - support).floor().max(0.0) as usize;
    let end = ((centre + support).ceil() as usize).min(input);
    let mut sum = 0.0_f32;
    let mut weights: Vec<f32> = (first..end)
        .map(|j| {
            let distance = f64::from(j as f32 - centre) + 0.5;
            let weight = lanczos((distance * f64::from(per_input)) as f32) * per_input;
            sum += weight;
            weight
        })
        .collect();
    if sum != 0.0 {
        for weight in &mut weights {
            *weight /= sum;
        }
    }
    Taps { first, weights }
}

/// `[H, in, C]` to `[H, out, C]`.
fn resize_rows(data: &[u8], input: usize, output: usize, c: usize) -> Vec<u8> {
    let resampler = RowResampler::new(input, output);
    let rows = data.len() / (input * c);
    let mut out = vec![0_u8; rows * output * c];
    out.par_chunks_mut(ROWS * output * c)
        .zip(data.par_chunks(ROWS * input * c))
        .for_each(|(out, data)| resampler.resample(data, out, c));
    out
}

/// The horizontal pass between two widths, for up to [`ROWS`] rows at once.
pub(crate) struct RowResampler {
    input: usize,
    output: usize,
    taps: Vec<Taps>,
}

impl RowResampler {
    pub(crate) fn new(input: usize, output: usize) -> Self {
        Self { input, output, taps: taps(input, output) }
    }

    /// `[rows, in, c]` to `[rows, out, c]`, c 1 or 3.
    pub(crate) fn resample(&self, data: &[u8], out: &mut [u8], c: usize) {
        if c == 1 {
            let columns = to_columns::<1, ROWS>(data, self.input);
            resample_columns::<1, ROWS>(&columns, &self.taps, self.output, out);
        } else {
            let columns = to_columns::<3, { 3 * ROWS }>(data, self.input);
            resample_columns::<3, { 3 * ROWS }>(&columns, &self.taps, self.output, out);
        }
    }
}

/// `[rows, in, C]` to `[in, rows, C]`, up to [`ROWS`] rows.
fn to_columns<const C: usize, const N: usize>(data: &[u8], input: usize) -> Vec<[f32; N]> {
    let mut columns = vec![[0.0; N]; input];
    for (r, row) in data.chunks_exact(input * C).enumerate() {
        for (column, pixel) in columns.iter_mut().zip(row.as_chunks::<C>().0) {
            for (value, &byte) in column[r * C..(r + 1) * C].iter_mut().zip(pixel) {
                *value = FLOATS[usize::from(byte)];
            }
        }
    }
    columns
}

/// u8 to f32: a load is quicker than a conversion where values cannot be taken together.
const FLOATS: [f32; 256] = {
    let mut out = [0.0; 256];
    let mut i = 0;
    while i < 256 {
        out[i] = i as f32;
        i += 1;
    }
    out
};

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn resample_columns<const C: usize, const N: usize>(
    columns: &[[f32; N]],
    taps: &[Taps],
    output: usize,
    out: &mut [u8],
) {
    let rows = out.len() / (output * C);
    for (x, tap) in taps.iter().enumerate() {
        let mut sums = [0.5_f32; N];
        for (column, &weight) in columns[tap.first..].iter().zip(&tap.weights) {
            for (sum, value) in sums.iter_mut().zip(column) {
                *sum += value * weight;
            }
        }
        // Not `map`, which stays a call that cannot be compiled for the machine.
        let mut bytes = [0; N];
        for (byte, &sum) in bytes.iter_mut().zip(&sums) {
            *byte = truncated(sum);
        }
        for (r, pixel) in bytes.as_chunks::<C>().0.iter().enumerate().take(rows) {
            let at = (r * output + x) * C;
            out[at..at + C].copy_from_slice(pixel);
        }
    }
}

/// `[in, stride]` to `[out, stride]`.
pub(crate) fn resize_columns(data: &[u8], stride: usize, input: usize, output: usize) -> Vec<u8> {
    /// Output rows taken together, as they read many rows in common.
    const TOGETHER: usize = 32;
    let taps = taps(input, output);
    let mut out = vec![0_u8; output * stride];
    out.par_chunks_mut(TOGETHER * stride)
        .zip(taps.par_chunks(TOGETHER))
        .for_each_init(Vec::new, |values, (out, taps)| weighted_rows(data, stride, taps, values, out));
    out
}

/// Rows `out` as weighted sums of rows, one for each of `taps`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn weighted_rows(
    data: &[u8],
    stride: usize,
    taps: &[Taps],
    values: &mut Vec<[f32; COLUMNS]>,
    out: &mut [u8],
) {
    if stride < COLUMNS {
        for (tap, out) in taps.iter().zip(out.chunks_mut(stride)) {
            for (at, out) in out.iter_mut().enumerate() {
                let values = data[tap.first * stride + at..].iter().step_by(stride).zip(&tap.weights);
                *out = truncated(values.fold(0.5, |sum, (&value, weight)| sum + f32::from(value) * weight));
            }
        }
        return;
    }
    let first = taps.iter().map(|tap| tap.first).min().unwrap_or(0);
    let end = taps.iter().map(|tap| tap.first + tap.weights.len()).max().unwrap_or(0);
    values.resize(end - first, [0.0; COLUMNS]);
    let read = &data[first * stride..];
    for at in (0..stride).step_by(COLUMNS) {
        // The last columns overlap those before.
        let at = at.min(stride - COLUMNS);
        for (values, row) in values.iter_mut().zip(read.chunks(stride)) {
            for (value, &byte) in values.iter_mut().zip(&row[at..at + COLUMNS]) {
                *value = f32::from(byte);
            }
        }
        for (tap, out) in taps.iter().zip(out.chunks_mut(stride)) {
            let mut sums = [0.5_f32; COLUMNS];
            for (values, &weight) in values[tap.first - first..].iter().zip(&tap.weights) {
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum += value * weight;
                }
            }
            for (out, &sum) in out[at..at + COLUMNS].iter_mut().zip(&sums) {
                *out = truncated(sum);
            }
        }
    }
}

/// Columns that the vertical pass takes together: as many as registers hold.
const COLUMNS: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, pixel by pixel.
    fn oracle(image: &Raster, width: usize, height: usize) -> Vec<u8> {
        let c = image.channels();
        let pass = |data: &[u8],
                    lines: usize,
                    input: usize,
                    output: usize,
                    at: &dyn Fn(usize, usize, usize) -> usize| {
            let mut out = Vec::new();
            for line in 0..lines {
                for i in 0..output {
                    let tap = &taps(input, output)[i];
                    for k in 0..c {
                        let mut sum = 0.5_f32;
                        for (j, w) in tap.weights.iter().enumerate() {
                            sum += f32::from(data[at(line, tap.first + j, k)]) * w;
                        }
                        out.push(sum.clamp(0.0, 255.0) as u8);
                    }
                }
            }
            out
        };
        let (w, h) = (image.width(), image.height());
        let wide = if w == width {
            image.data().to_vec()
        } else {
            pass(image.data(), h, w, width, &|y, x, k| (y * w + x) * c + k)
        };
        if h == height {
            return wide;
        }
        // Columns as lines, then transposed back.
        let tall = pass(&wide, width, h, height, &|x, y, k| (y * width + x) * c + k);
        let mut out = vec![0; tall.len()];
        for x in 0..width {
            for y in 0..height {
                for k in 0..c {
                    out[(y * width + x) * c + k] = tall[(x * height + y) * c + k];
                }
            }
        }
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn blocks_of_rows_give_the_bits_of_the_definition(
            w in 1_usize..20, h in 1_usize..20, width in 1_usize..120, height in 1_usize..30,
            grey: bool, seed: u8,
        ) {
            let c = if grey { 1 } else { 3 };
            let data = (0..w * h * c).map(|i| ((i * 97 + usize::from(seed) * 31) % 256) as u8).collect();
            let image = Raster::from_data(w, h, c, data).unwrap();
            let resized = resize_lanczos(&image, width, height);
            prop_assert_eq!(resized.data().to_vec(), oracle(&image, width, height));
        }
    }

    #[test]
    fn a_constant_picture_stays_constant() {
        let image = Raster::from_data(31, 17, 3, vec![200; 31 * 17 * 3]).unwrap();
        for (w, h) in [(8, 5), (62, 34), (100, 1)] {
            assert!(resize_lanczos(&image, w, h).data().iter().all(|&v| v == 200));
        }
    }
}
