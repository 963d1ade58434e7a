//! Kernels `[outputs,3,3,inputs]` to points, and the gradients of points back to kernels; one output's at
//! a time.

use multiversion::multiversion;

use super::tiles::{EMPTY, column, for_blocks, kept, load, set_row, store};
use super::transforms::{Lanes, POINTS, kernel, kernel_gradient};

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
    let mut square = EMPTY;
    for_blocks!(inputs, |channel, count, W, FULL| {
        for (y, row) in square[..TAPS].iter_mut().enumerate() {
            let mut triple = [[0.0; W]; TAPS];
            for (x, tap) in triple.iter_mut().enumerate() {
                let index = y * TAPS + x;
                let index = if flipped { TAPS * TAPS - 1 - index } else { index };
                *tap = scaled(&load::<_, W, FULL>(taps, index * inputs + channel, count), scale);
            }
            set_row(row, &kernel(&triple));
        }
        for p in 0..N {
            let column = column(&square, kept::<N>(p));
            let column = kernel(&column);
            for q in 0..N {
                store::<_, W, FULL>(points, (q * N + p) * inputs + channel, count, &column[kept::<N>(q)]);
            }
        }
    });
}

/// The adjoint of [`taps_to_points`], not turned: of `points`, `[points,outputs,inputs]`, the part of
/// `output` to the taps `[3,3,inputs]`, or `added` to them.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+fma", "x86_64+avx2+fma"))]
pub(super) fn points_to_taps(
    points: &[f32],
    (outputs, inputs): (usize, usize),
    output: usize,
    scale: f32,
    short: bool,
    added: bool,
    taps: &mut [f32],
) {
    if short {
        to_taps::<5>(points, (outputs, inputs), output, scale, added, taps);
    } else {
        to_taps::<6>(points, (outputs, inputs), output, scale, added, taps);
    }
}

#[inline(always)]
fn to_taps<const N: usize>(
    points: &[f32],
    (outputs, inputs): (usize, usize),
    output: usize,
    scale: f32,
    added: bool,
    taps: &mut [f32],
) {
    let mut square = EMPTY;
    for_blocks!(inputs, |channel, count, W, FULL| {
        for q in 0..N {
            let mut grid = [[0.0; W]; POINTS];
            for p in 0..N {
                let at = ((q * N + p) * outputs + output) * inputs + channel;
                grid[kept::<N>(p)] = load::<_, W, FULL>(points, at, count);
            }
            set_row(&mut square[kept::<N>(q)], &kernel_gradient(&grid));
        }
        for x in 0..TAPS {
            let column = column(&square, x);
            for (y, tap) in kernel_gradient(&column).iter().enumerate() {
                let at = (y * TAPS + x) * inputs + channel;
                let mut tap = scaled(tap, scale);
                if added {
                    let before = load::<_, W, FULL>(taps, at, count);
                    for (tap, before) in tap.iter_mut().zip(before) {
                        *tap += before;
                    }
                }
                store::<_, W, FULL>(taps, at, count, &tap);
            }
        }
    });
}

#[inline(always)]
fn scaled<const W: usize>(lanes: &Lanes<W>, factor: f32) -> Lanes<W> {
    let mut lanes = *lanes;
    for lane in &mut lanes {
        *lane *= factor;
    }
    lanes
}
