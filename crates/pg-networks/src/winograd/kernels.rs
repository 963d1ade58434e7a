//! Kernels `[outputs,3,3,inputs]` to points, and the gradients of points back to kernels; one output's at
//! a time.

use multiversion::multiversion;

use super::tiles::{ZERO, for_blocks, kept, load, store};
use super::transforms::{LANES, Lanes, POINTS, kernel, kernel_gradient};

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
    if short {
        to_points::<5>(taps, inputs, scale, flipped, points);
    } else {
        to_points::<6>(taps, inputs, scale, flipped, points);
    }
}

#[inline(always)]
fn to_points<const N: usize>(taps: &[f32], inputs: usize, scale: f32, flipped: bool, points: &mut [f32]) {
    for_blocks!(inputs, |channel, count, FULL| {
        let mut rows = [[ZERO; POINTS]; TAPS];
        for (y, row) in rows.iter_mut().enumerate() {
            let taps: [Lanes; TAPS] = std::array::from_fn(|x| {
                let index = y * TAPS + x;
                let index = if flipped { TAPS * TAPS - 1 - index } else { index };
                scaled(&load::<FULL>(taps, index * inputs + channel, count), scale)
            });
            *row = kernel(&taps);
        }
        for p in 0..N {
            let column: [Lanes; TAPS] = std::array::from_fn(|r| rows[r][kept::<N>(p)]);
            let column = kernel(&column);
            for q in 0..N {
                store::<FULL>(points, (q * N + p) * inputs + channel, count, &column[kept::<N>(q)]);
            }
        }
    });
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
    if short {
        to_taps::<5>(points, (outputs, inputs), output, scale, taps);
    } else {
        to_taps::<6>(points, (outputs, inputs), output, scale, taps);
    }
}

#[inline(always)]
fn to_taps<const N: usize>(
    points: &[f32],
    (outputs, inputs): (usize, usize),
    output: usize,
    scale: f32,
    taps: &mut [f32],
) {
    for_blocks!(inputs, |channel, count, FULL| {
        let mut rows = [[ZERO; TAPS]; POINTS];
        for q in 0..N {
            let mut grid = [ZERO; POINTS];
            for p in 0..N {
                let at = ((q * N + p) * outputs + output) * inputs + channel;
                grid[kept::<N>(p)] = load::<FULL>(points, at, count);
            }
            rows[kept::<N>(q)] = kernel_gradient(&grid);
        }
        for x in 0..TAPS {
            let column: [Lanes; POINTS] = rows.map(|row| row[x]);
            for (y, tap) in kernel_gradient(&column).iter().enumerate() {
                store::<FULL>(taps, (y * TAPS + x) * inputs + channel, count, &scaled(tap, scale));
            }
        }
    });
}

#[inline(always)]
fn scaled(lanes: &Lanes, factor: f32) -> Lanes {
    let mut lanes = *lanes;
    for lane in &mut lanes {
        *lane *= factor;
    }
    lanes
}
