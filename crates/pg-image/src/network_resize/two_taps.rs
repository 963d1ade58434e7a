//! Bilinear resizing without antialiasing: each output value lies between two rows and two columns.

use std::marker::PhantomData;

use multiversion::multiversion;

/// Where an output position lies in the input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    /// The pixel before.
    pub(super) low: usize,
    /// The pixel after: the next one, or the same at the last.
    pub(super) high: usize,
    /// How far from `low` to `high`, 0..=1.
    pub(super) part: f32,
}

/// What distinguishes one program's bilinear resizing from another's.
pub(super) trait Interpolation {
    /// Output position `i` (below `output`) in an input of `input` pixels; neither is 0.
    fn place(i: usize, input: usize, output: usize) -> Place;

    /// The value at `part` between two values, in f32.
    fn mix(low: f32, high: f32, part: f32) -> f32;
}

/// Places of all columns and rows of the output.
#[derive(Debug, Clone)]
pub(super) struct TwoTaps<I> {
    width: usize,
    /// The pixel before each column of the output.
    lows: Vec<u32>,
    /// How far from that pixel to the next each column is.
    parts: Vec<f32>,
    /// Columns of the output before the first one at the last pixel: that has no next one and is taken twice.
    inner: usize,
    rows: Vec<Place>,
    interpolation: PhantomData<I>,
}

/// A row of the image, resized to the width of the output.
struct Row {
    /// Which row it is.
    at: Option<usize>,
    values: Vec<f32>,
}

impl<I: Interpolation> TwoTaps<I> {
    pub(super) fn new(width: usize, height: usize, side: usize) -> Self {
        let columns = (0..side).map(|i| I::place(i, width, side));
        let (lows, parts): (Vec<u32>, _) = columns.map(|place| (place.low as u32, place.part)).unzip();
        let inner = lows.partition_point(|&low| low as usize + 1 < width);
        let rows = (0..side).map(|i| I::place(i, height, side)).collect();
        Self { width, lows, parts, inner, rows, interpolation: PhantomData }
    }

    /// Planes of u8 `[H,W]` to f32 `[side,side]`: rows first, then between two of them.
    pub(super) fn resize<'a>(&self, planes: impl Iterator<Item = (&'a [u8], &'a mut [f32])>) {
        let side = self.rows.len();
        let row = || Row { at: None, values: vec![0.0; side] };
        let (mut top, mut bottom) = (row(), row());
        let mut pairs = vec![[0; 2]; side];
        for (plane, out) in planes {
            (top.at, bottom.at) = (None, None);
            let mut fill = |row: &mut Row, at: usize| {
                if row.at != Some(at) {
                    let source = &plane[at * self.width..(at + 1) * self.width];
                    let (inner, last) = pairs.split_at_mut(self.inner);
                    for (pair, &low) in inner.iter_mut().zip(&self.lows) {
                        pair.copy_from_slice(&source[low as usize..low as usize + 2]);
                    }
                    last.fill([source[self.width - 1]; 2]);
                    mix_pairs::<I>(&pairs, &self.parts, &mut row.values);
                    row.at = Some(at);
                }
            };
            for (place, out) in self.rows.iter().zip(out.chunks_exact_mut(side)) {
                // Going down, the row below becomes the row above.
                if bottom.at == Some(place.low) {
                    std::mem::swap(&mut top, &mut bottom);
                }
                fill(&mut top, place.low);
                if place.high == place.low {
                    mix_rows::<I>(&top.values, &top.values, place.part, out);
                } else {
                    fill(&mut bottom, place.high);
                    mix_rows::<I>(&top.values, &bottom.values, place.part, out);
                }
            }
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2+fma"))]
fn mix_pairs<I: Interpolation>(pairs: &[[u8; 2]], parts: &[f32], out: &mut [f32]) {
    for ((out, pair), &part) in out.iter_mut().zip(pairs).zip(parts) {
        *out = I::mix(f32::from(pair[0]), f32::from(pair[1]), part);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2+fma"))]
fn mix_rows<I: Interpolation>(top: &[f32], bottom: &[f32], part: f32, out: &mut [f32]) {
    for ((out, &top), &bottom) in out.iter_mut().zip(top).zip(bottom) {
        // Two weights may add up to one and a rounding error.
        *out = I::mix(top, bottom, part).min(255.0);
    }
}
