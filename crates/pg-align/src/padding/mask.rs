//! How far outside the photo a pixel lies, and what is blended in there.

use std::ops::Range;

use multiversion::multiversion;
use pg_image::{Rectangle, truncated};

/// Values taken together: whole RGB pixels and whole registers.
const LANES: usize = 48;

/// m = 1 - min(x/l, y/t, (w-1-x)/r, (h-1-y)/b): 1 at the padded edge, 0 where the padding ends, negative
/// inside.
pub(super) struct Mask {
    sides: [usize; 4],
    /// min(x/l, (w-1-x)/r) of each value of a row.
    across: Vec<f32>,
    /// min(y/t, (h-1-y)/b) of each row.
    down: Vec<f32>,
    channels: usize,
    untouched: Rectangle,
}

/// How much of the blur a pixel of mask value `m` takes.
fn blur_weight(m: f32) -> f32 {
    (m * 3.0 + 1.0).clamp(0.0, 1.0)
}

/// min(i/before, (n-1-i)/behind) for i in 0..n.
fn nearness(n: usize, before: usize, behind: usize) -> Vec<f32> {
    let (before, behind) = (before as f32, behind as f32);
    (0..n).map(|i| (i as f32 / before).min((n - 1 - i) as f32 / behind)).collect()
}

/// The first run of values that take nothing of the blur.
fn clear(nearness: &[f32]) -> Range<usize> {
    let is_clear = |&near: &f32| blur_weight(1.0 - near) <= 0.0;
    let first = nearness.iter().position(is_clear).unwrap_or(nearness.len());
    let length = nearness[first..].iter().take_while(|near| is_clear(near)).count();
    first..first + length
}

impl Mask {
    /// Of a padded picture of `[width, height]` with the padding `[left, top, right, bottom]`.
    pub(super) fn new(sides: [usize; 4], [width, height]: [usize; 2], channels: usize) -> Self {
        let [left, top, right, bottom] = sides;
        let (across, down) = (nearness(width, left, right), nearness(height, top, bottom));
        // The mask is a minimum over columns and rows, so the pixels without blur fill a rectangle.
        let (columns, rows) = (clear(&across), clear(&down));
        let untouched =
            Rectangle { left: columns.start, top: rows.start, right: columns.end, bottom: rows.end };
        let across = across.into_iter().flat_map(|v| std::iter::repeat_n(v, channels)).collect();
        Self { sides, across, down, channels, untouched }
    }

    /// Left, top, right, bottom.
    pub(super) fn sides(&self) -> [usize; 4] {
        self.sides
    }

    /// Values in a row of the padded picture.
    pub(super) fn values_across(&self) -> usize {
        self.across.len()
    }

    /// The pixels that take nothing of the blur.
    pub(super) fn untouched(&self) -> Rectangle {
        self.untouched
    }

    /// The values of row `y` outside of [`untouched`](Self::untouched).
    pub(super) fn touched(&self, y: usize) -> [Range<usize>; 2] {
        let Rectangle { left, top, right, bottom } = self.untouched;
        let end = self.across.len();
        if left < right && (top..bottom).contains(&y) {
            [0..left * self.channels, right * self.channels..end]
        } else {
            [0..end, end..end]
        }
    }

    /// Blends the blur into values `part` of row `y`.
    pub(super) fn blend(&self, y: usize, part: Range<usize>, blurred: &[f32], row: &mut [f32]) {
        blend_row(&self.across[part], self.down[y], blurred, row);
    }

    /// Fades row `y` to the median of each channel and rounds it.
    pub(super) fn fade(&self, y: usize, row: &[f32], medians: &[f32], out: &mut [u8]) {
        let medians: [f32; LANES] = std::array::from_fn(|i| medians[i % self.channels]);
        fade_row(&self.across, self.down[y], row, &medians, out);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn blend_row(across: &[f32], down: f32, blurred: &[f32], row: &mut [f32]) {
    for ((value, &blurred), &across) in row.iter_mut().zip(blurred).zip(across) {
        *value += (blurred - *value) * blur_weight(1.0 - across.min(down));
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn fade_row(across: &[f32], down: f32, row: &[f32], medians: &[f32; LANES], out: &mut [u8]) {
    let faded = |value: f32, median: f32, across: f32| {
        let weight = (1.0 - across.min(down)).clamp(0.0, 1.0);
        truncated((value + (median - value) * weight).round_ties_even())
    };
    let whole = row.len() / LANES * LANES;
    let blocks = row.as_chunks::<LANES>().0.iter().zip(across.as_chunks::<LANES>().0);
    for (out, (row, across)) in out.as_chunks_mut::<LANES>().0.iter_mut().zip(blocks) {
        for i in 0..LANES {
            out[i] = faded(row[i], medians[i], across[i]);
        }
    }
    for i in whole..row.len() {
        out[i] = faded(row[i], medians[i - whole], across[i]);
    }
}
