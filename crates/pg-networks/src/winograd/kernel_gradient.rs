//! The kernel's gradient: products of windows and gradients, summed over all tiles.

use std::ops::Range;

use super::kernels::{TAPS, points_to_taps};
use super::products::{Matrix, multiply};
use super::scratch::Scratch;
use super::tiles::{Picture, gradients_to_points, point_count, windows_to_points};
use super::transforms::LANES;
use super::{GAP, GROUP, LEAST_TILES};
use crate::number::Number;
use crate::torch_bridge::parallel_chunks;

/// From as many tiles for each output on, threads share the tiles and add their sums up in the end.
const TILES_PER_OUTPUT: usize = 4;

/// From the input's images and the output's gradients, with tiles that face each other.
pub(super) struct KernelGradient<'a, E> {
    pub(super) images: usize,
    pub(super) source: Picture,
    pub(super) target: Picture,
    pub(super) short: bool,
    pub(super) scale: f32,
    pub(super) x: &'a [E],
    pub(super) g: &'a [E],
}

impl<E: Number> KernelGradient<'_, E> {
    /// The taps `[outputs,3,3,inputs]`.
    pub(super) fn run(&self, taps: &mut [f32]) {
        let threads = tch::get_num_threads().max(1) as usize;
        let tiles = self.rows() * self.source.tiles_across();
        if tiles >= TILES_PER_OUTPUT * self.target.channels {
            self.by_tiles(threads, taps);
        } else {
            self.by_outputs(threads, taps);
        }
    }

    /// Rows of tiles.
    fn rows(&self) -> usize {
        self.images * self.source.tiles_down()
    }

    /// Each thread sums over some tiles for all outputs.
    fn by_tiles(&self, threads: usize, taps: &mut [f32]) {
        let (rows, inputs, outputs) = (self.rows(), self.source.channels, self.target.channels);
        let some = rows.div_ceil(threads);
        let len = point_count(self.short) * outputs * inputs;
        Scratch::with_kernel(|memory| {
            let parts = memory.numbers(rows.div_ceil(some) * len);
            parallel_chunks(parts, len, |part, sums| {
                self.add_up(part * some..rows.min((part + 1) * some), &(0..outputs), sums);
            });
            let parts = &*parts;
            parallel_chunks(taps, TAPS * TAPS * inputs, |output, taps| {
                for (part, sums) in parts.chunks_exact(len).enumerate() {
                    points_to_taps(sums, (outputs, inputs), output, self.scale, self.short, part > 0, taps);
                }
            });
        });
    }

    /// Each thread sums over all tiles for some outputs: windows are transformed by each, but where sums are
    /// many, adding them up would take longer.
    fn by_outputs(&self, threads: usize, taps: &mut [f32]) {
        let (inputs, outputs) = (self.source.channels, self.target.channels);
        let some = outputs.div_ceil(threads).next_multiple_of(LANES);
        let row_len = TAPS * TAPS * inputs;
        parallel_chunks(taps, some * row_len, |index, taps| {
            let outputs = index * some..index * some + taps.len() / row_len;
            Scratch::with_sums(|memory| {
                let sums = memory.numbers(point_count(self.short) * outputs.len() * inputs);
                self.add_up(0..self.rows(), &outputs, sums);
                for (output, taps) in taps.chunks_exact_mut(row_len).enumerate() {
                    let shape = (outputs.len(), inputs);
                    points_to_taps(sums, shape, output, self.scale, self.short, false, taps);
                }
            });
        });
    }

    /// The points `[points,outputs,inputs]` of some outputs, summed over some rows of tiles.
    fn add_up(&self, rows: Range<usize>, outputs: &Range<usize>, sums: &mut [f32]) {
        let &Self { source, target, short, .. } = self;
        let points = point_count(short);
        let (across, down) = (source.tiles_across(), source.tiles_down());
        let (inputs, count) = (source.channels, outputs.len());
        let (x_stride, g_stride) = (points * inputs + GAP, points * count + GAP);
        // As many tiles as the cache holds, or as make their points as many numbers as the sums.
        let tiles =
            (GROUP / (points * (inputs + count))).max(2 * inputs * count / (inputs + count)).max(LEAST_TILES);
        let at_once = tiles.div_ceil(across);
        Scratch::with(|scratch| {
            for first in rows.clone().step_by(at_once) {
                let group = first..rows.end.min(first + at_once);
                let tiles = group.len() * across;
                let v = scratch.first.numbers(tiles * x_stride);
                for (row, v) in group.clone().zip(v.chunks_exact_mut(across * x_stride)) {
                    let image = &self.x[row / down * source.len()..][..source.len()];
                    windows_to_points(image, source, row % down, short, v, x_stride);
                }
                let m = scratch.second.numbers(tiles * g_stride);
                for (row, m) in group.clone().zip(m.chunks_exact_mut(across * g_stride)) {
                    let image = &self.g[row / down * target.len()..][..target.len()];
                    gradients_to_points(image, target, outputs, row % down, short, m, g_stride);
                }
                for (point, sums) in sums.chunks_exact_mut(count * inputs).enumerate() {
                    let part = |numbers, columns, stride, transposed| Matrix {
                        numbers,
                        rows: tiles,
                        columns,
                        stride,
                        transposed,
                    };
                    let gradients = part(&m[point * count..], count, g_stride, true);
                    let windows = part(&v[point * inputs..], inputs, x_stride, false);
                    multiply(&gradients, &windows, sums, first > rows.start);
                }
            }
        });
    }
}
