//! Lanczos resampling, a = 3, exactly as the reference alignment program gets it from Pillow 3.1.1.

use rayon::prelude::*;

use crate::Raster;

/// Lobes of the kernel on each side.
const SUPPORT: f32 = 3.0;
/// Rows that the horizontal pass takes together, so that the compiler can vectorise across them.
const ROWS: usize = 8;

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
    let scale = input as f32 / output as f32;
    let filter_scale = scale.max(1.0);
    let support = SUPPORT * filter_scale;
    let per_input = (1.0 / f64::from(filter_scale)) as f32;
    (0..output)
        .map(|i| {
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
        })
        .collect()
}

fn to_u8(sum: f32) -> u8 {
    // A float cast truncates and saturates.
    sum as u8
}

/// `[H, in, C]` to `[H, out, C]`.
fn resize_rows(data: &[u8], input: usize, output: usize, c: usize) -> Vec<u8> {
    let taps = taps(input, output);
    let rows = data.len() / (input * c);
    let mut out = vec![0_u8; rows * output * c];
    out.par_chunks_mut(ROWS * output * c).zip(data.par_chunks(ROWS * input * c)).for_each(|(out, data)| {
        match c {
            1 => resize_row_block::<ROWS>(data, out, input, output, &taps),
            _ => resize_row_block::<{ 3 * ROWS }>(data, out, input, output, &taps),
        }
    });
    out
}

/// Up to [`ROWS`] rows at once; N = C * ROWS values stand side by side for each column.
fn resize_row_block<const N: usize>(data: &[u8], out: &mut [u8], input: usize, output: usize, taps: &[Taps]) {
    let c = N / ROWS;
    let mut columns = vec![[0.0_f32; N]; input];
    for (r, row) in data.chunks_exact(input * c).enumerate() {
        for (column, pixel) in columns.iter_mut().zip(row.chunks_exact(c)) {
            for (k, &value) in pixel.iter().enumerate() {
                column[r * c + k] = f32::from(value);
            }
        }
    }
    for (x, tap) in taps.iter().enumerate() {
        let mut sums = [0.5_f32; N];
        for (column, &weight) in columns[tap.first..].iter().zip(&tap.weights) {
            for (sum, value) in sums.iter_mut().zip(column) {
                *sum += value * weight;
            }
        }
        for (r, row) in out.chunks_exact_mut(output * c).enumerate() {
            for (k, value) in row[x * c..(x + 1) * c].iter_mut().enumerate() {
                *value = to_u8(sums[r * c + k]);
            }
        }
    }
}

/// `[in, stride]` to `[out, stride]`.
fn resize_columns(data: &[u8], stride: usize, input: usize, output: usize) -> Vec<u8> {
    let taps = taps(input, output);
    let mut out = vec![0_u8; output * stride];
    out.par_chunks_mut(stride).zip(&taps).for_each_init(
        || vec![0.0_f32; stride],
        |sums, (row, tap)| {
            sums.fill(0.5);
            for (source, &weight) in data[tap.first * stride..].chunks_exact(stride).zip(&tap.weights) {
                for (sum, &value) in sums.iter_mut().zip(source) {
                    *sum += f32::from(value) * weight;
                }
            }
            for (value, &sum) in row.iter_mut().zip(sums.iter()) {
                *value = to_u8(sum);
            }
        },
    );
    out
}

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
            w in 1_usize..20, h in 1_usize..20, width in 1_usize..30, height in 1_usize..30,
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
