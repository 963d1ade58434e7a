//! Resampling as Pillow has it for images of 32-bit floats.

use std::f64::consts::PI;

use multiversion::multiversion;

/// Rows that the horizontal pass takes together, so that the compiler can vectorise across them.
const ROWS: usize = 16;
/// Columns that the vertical pass takes together: as many as registers hold.
const COLUMNS: usize = 32;

/// A symmetric kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    Bilinear,
    Bicubic,
    Lanczos,
}

impl Filter {
    /// Beyond this distance the kernel is 0.
    fn support(self) -> f64 {
        match self {
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    /// The kernel at `x`, each operation as Pillow has it.
    fn at(self, x: f64) -> f64 {
        let distance = x.abs();
        match self {
            Self::Bilinear if distance < 1.0 => 1.0 - distance,
            Self::Bicubic if distance < 1.0 => ((A + 2.0) * distance - (A + 3.0)) * distance * distance + 1.0,
            Self::Bicubic if distance < 2.0 => (((distance - 5.0) * distance + 8.0) * distance - 4.0) * A,
            Self::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            _ => 0.0,
        }
    }
}

/// The parameter of the bicubic kernel.
const A: f64 = -0.5;

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) }
}

/// The contributions to each output position of a side.
///
/// With scale = in/out, s = max(scale, 1), r = s * support and centre = (i + 0.5) scale, the input positions j
/// are those from floor(centre - r + 0.5) to floor(centre + r + 0.5) - 1 inside the image; their weights are
/// k((j - centre + 0.5) / s), divided by their sum. All f64. Positions with fewer than others have zeros before
/// or after, which change no sum: loops of one length are quicker.
#[derive(Debug, Clone)]
struct Pass {
    /// For each output position, the first input position.
    firsts: Vec<usize>,
    /// Input positions of each output position.
    count: usize,
    /// `[out, count]`.
    weights: Vec<f64>,
}

impl Pass {
    fn new(filter: Filter, input: usize, output: usize) -> Self {
        let scale = input as f64 / output as f64;
        let widened = scale.max(1.0);
        let reach = filter.support() * widened;
        let per_input = 1.0 / widened;
        let centre = |i: usize| (i as f64 + 0.5) * scale;
        let range = |i: usize| {
            let first = (centre(i) - reach + 0.5).max(0.0) as usize;
            (first, ((centre(i) + reach + 0.5) as usize).min(input))
        };
        let count = (0..output).map(range).map(|(first, end)| end - first).max().unwrap_or(1);
        let mut weights = vec![0.0; output * count];
        let mut firsts = Vec::with_capacity(output);
        for (i, weights) in weights.chunks_exact_mut(count).enumerate() {
            let (first, end) = range(i);
            let padded_first = first.min(input - count);
            let weights = &mut weights[first - padded_first..end - padded_first];
            let mut sum = 0.0;
            for (weight, j) in weights.iter_mut().zip(first..) {
                *weight = filter.at((j as f64 - centre(i) + 0.5) * per_input);
                sum += *weight;
            }
            if sum != 0.0 {
                for weight in weights {
                    *weight /= sum;
                }
            }
            firsts.push(padded_first);
        }
        Self { firsts, count, weights }
    }

    /// For each output position, the first input position and the weights from there on.
    fn taps(&self) -> impl Iterator<Item = (usize, &[f64])> {
        self.firsts.iter().copied().zip(self.weights.chunks_exact(self.count))
    }
}

/// Both passes; one whose size does not change is left out.
#[derive(Debug, Clone)]
pub(super) struct PillowFloat {
    width: usize,
    height: usize,
    side: usize,
    across: Option<Pass>,
    down: Option<Pass>,
}

impl PillowFloat {
    pub(super) fn new(filter: Filter, width: usize, height: usize, side: usize) -> Self {
        let pass = |input| (input != side).then(|| Pass::new(filter, input, side));
        Self { width, height, side, across: pass(width), down: pass(height) }
    }

    /// Planes of u8 `[H,W]` to f32 `[side,side]`: pass after pass, f32 in between; limited to 0..=255 at the end.
    pub(super) fn resize<'a>(&self, planes: impl Iterator<Item = (&'a [u8], &'a mut [f32])>) {
        let mut columns = vec![[0.0; ROWS]; self.width];
        let down_first = goes_down_first(self.width, self.height, self.side);
        let between = match (&self.across, &self.down) {
            (Some(_), Some(_)) if down_first => self.side * self.width,
            (Some(_), Some(_)) => self.height * self.side,
            _ => 0,
        };
        let mut between = vec![0.0; between];
        for (plane, out) in planes {
            match (&self.across, &self.down) {
                (Some(across), Some(down)) if down_first => {
                    weigh_rows(plane, self.width, down, &mut between);
                    resize_rows(&between, self.width, across, &mut columns, out);
                }
                // No row is resized in vain: a filter of any size reads them all.
                (Some(across), Some(down)) => {
                    resize_rows(plane, self.width, across, &mut columns, &mut between);
                    weigh_rows(&between, self.side, down, out);
                }
                (Some(across), None) => resize_rows(plane, self.width, across, &mut columns, out),
                (None, Some(down)) => weigh_rows(plane, self.width, down, out),
                (None, None) => {
                    for (out, &value) in out.iter_mut().zip(plane) {
                        *out = f32::from(value);
                    }
                }
            }
            for value in out {
                *value = value.clamp(0.0, 255.0);
            }
        }
    }
}

/// Whether rows come before columns. Pillow 13 has them first where the image shrinks downwards and loses more
/// than twice as many rows as columns; it shows in the last bit, as values are f32 in between.
fn goes_down_first(width: usize, height: usize, side: usize) -> bool {
    height > side && height + side > 2 * width
}

/// `[H,width]` to `[H,side]`.
fn resize_rows<T: Copy + Default + Into<f64>>(
    data: &[T],
    width: usize,
    across: &Pass,
    columns: &mut [[f64; ROWS]],
    out: &mut [f32],
) {
    let side = across.firsts.len();
    for (rows, out) in data.chunks(ROWS * width).zip(out.chunks_mut(ROWS * side)) {
        to_columns(rows, width, columns);
        weigh_columns(columns, across, out);
    }
}

/// `[rows, width]` to `[width, rows]`, up to [`ROWS`] rows; missing rows become 0.
// Wider vectors make this slower: what is turned around goes through memory in parts.
#[multiversion(targets("x86_64+avx2"))]
fn to_columns<T: Copy + Default + Into<f64>>(rows: &[T], width: usize, columns: &mut [[f64; ROWS]]) {
    // By squares, which stay in registers: column by column or row by row, either would leap through memory.
    for (block, columns) in columns.chunks_mut(ROWS).enumerate() {
        let mut square = [[T::default(); ROWS]; ROWS];
        for (row, values) in rows.chunks_exact(width).zip(&mut square) {
            let row = &row[block * ROWS..];
            if let Some(row) = row.first_chunk::<ROWS>() {
                *values = *row;
            } else {
                values[..row.len()].copy_from_slice(row);
            }
        }
        let mut turned = [[T::default(); ROWS]; ROWS];
        for (x, turned) in turned.iter_mut().enumerate() {
            for (value, row) in turned.iter_mut().zip(&square) {
                *value = row[x];
            }
        }
        for (column, turned) in columns.iter_mut().zip(&turned) {
            for (value, &turned) in column.iter_mut().zip(turned) {
                *value = turned.into();
            }
        }
    }
}

/// `[width, rows]` to `[rows, side]`, up to [`ROWS`] rows; a value's sum runs in the order of its taps.
// Wider vectors make this slower: what is turned around goes through memory in parts.
#[multiversion(targets("x86_64+avx2"))]
fn weigh_columns(columns: &[[f64; ROWS]], across: &Pass, out: &mut [f32]) {
    let side = across.firsts.len();
    for (x, (first, weights)) in across.taps().enumerate() {
        let mut sums = [0.0_f64; ROWS];
        for (column, &weight) in columns[first..].iter().zip(weights) {
            for (sum, &value) in sums.iter_mut().zip(column) {
                *sum += value * weight;
            }
        }
        for (row, &sum) in out.chunks_exact_mut(side).zip(&sums) {
            row[x] = sum as f32;
        }
    }
}

/// Rows of `out` as weighted sums of rows, `[height, stride]` to `[side, stride]`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn weigh_rows<T: Copy + Into<f64>>(rows: &[T], stride: usize, down: &Pass, out: &mut [f32]) {
    for ((first, weights), out) in down.taps().zip(out.chunks_exact_mut(stride)) {
        let read = &rows[first * stride..];
        if stride < COLUMNS {
            for (x, out) in out.iter_mut().enumerate() {
                let mut sum = 0.0_f64;
                for (row, &weight) in read.chunks_exact(stride).zip(weights) {
                    sum += row[x].into() * weight;
                }
                *out = sum as f32;
            }
            continue;
        }
        for at in (0..stride).step_by(COLUMNS) {
            // The last columns overlap those before.
            let at = at.min(stride - COLUMNS);
            let mut sums = [0.0_f64; COLUMNS];
            for (row, &weight) in read.chunks_exact(stride).zip(weights) {
                for (sum, &value) in sums.iter_mut().zip(&row[at..at + COLUMNS]) {
                    *sum += value.into() * weight;
                }
            }
            for (out, &sum) in out[at..at + COLUMNS].iter_mut().zip(&sums) {
                *out = sum as f32;
            }
        }
    }
}
