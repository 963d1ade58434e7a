//! Kernels `[outputs,3,3,inputs]` to points, and the gradients of points back to kernels; one output's at
//! a time.

use multiversion::multiversion;

use super::tiles::{blocks, kept, load, store};
use super::transforms::{Lanes, POINTS, kernel, kernel_gradient};

const ZERO: Lanes = [0.0; super::transforms::LANES];
/// Side of the kernel.
pub(super) const TAPS: usize = 3;

/// `scale` times the taps `[3,3,inputs]` to `[points,inputs]`. `flipped` turns the kernel by 180 degrees, as
/// the adjoint in the input wants it.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+fma", "x86_64+avx2+fma"))]
pub(super) fn taps_to_points(
    taps: &[f32],
    inputs: usize,
    scale: f32,
    flipped: bool,
    short: bool,
    points: &mut [f32],
) {
    for (channel, count) in blocks(inputs) {
        let mut rows = [[ZERO; POINTS]; TAPS];
        for (y, row) in rows.iter_mut().enumerate() {
            let tap = |x: usize| {
                let index = y * TAPS + x;
                let index = if flipped { TAPS * TAPS - 1 - index } else { index };
                scaled(&load(taps, index * inputs + channel, count), scale)
            };
            *row = kernel(&[tap(0), tap(1), tap(2)]);
        }
        let mut columns = [[ZERO; POINTS]; POINTS];
        for p in kept(short) {
            columns[p] = kernel(&[rows[0][p], rows[1][p], rows[2][p]]);
        }
        for (index, (q, p)) in kept(short).flat_map(|q| kept(short).map(move |p| (q, p))).enumerate() {
            store(points, index * inputs + channel, count, &columns[p][q]);
        }
    }
}

/// The adjoint of [`taps_to_points`], not turned: of `points`, `[points,outputs,inputs]`, the part of
/// `output` to the taps `[3,3,inputs]`.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+fma", "x86_64+avx2+fma"))]
pub(super) fn points_to_taps(
    points: &[f32],
    (outputs, inputs): (usize, usize),
    output: usize,
    scale: f32,
    short: bool,
    taps: &mut [f32],
) {
    for (channel, count) in blocks(inputs) {
        let mut grid = [[ZERO; POINTS]; POINTS];
        for (index, (q, p)) in kept(short).flat_map(|q| kept(short).map(move |p| (q, p))).enumerate() {
            grid[q][p] = load(points, (index * outputs + output) * inputs + channel, count);
        }
        let mut half = [[ZERO; TAPS]; POINTS];
        for q in kept(short) {
            half[q] = kernel_gradient(&grid[q]);
        }
        for x in 0..TAPS {
            let column: [Lanes; POINTS] = std::array::from_fn(|q| half[q][x]);
            for (y, tap) in kernel_gradient(&column).iter().enumerate() {
                store(taps, (y * TAPS + x) * inputs + channel, count, &scaled(tap, scale));
            }
        }
    }
}

#[inline(always)]
fn scaled(lanes: &Lanes, factor: f32) -> Lanes {
    let mut lanes = *lanes;
    for lane in &mut lanes {
        *lane *= factor;
    }
    lanes
}
