//! Pixels of a JPEG file from its coefficients, by the definitions, one sample at a time.

use std::f64::consts::PI;

use crate::writer::{Component, File};

/// Places of the zigzag order (figure A.6), walked along the diagonals.
pub(crate) fn zigzag() -> Vec<(usize, usize)> {
    let mut places = Vec::new();
    for sum in 0..15_usize {
        let mut diagonal: Vec<_> =
            (0..8).filter_map(|row| sum.checked_sub(row).filter(|&c| c < 8).map(|c| (row, c))).collect();
        if sum.is_multiple_of(2) {
            diagonal.reverse();
        }
        places.extend(diagonal);
    }
    places
}

/// What stands next to the last sample of a row or column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edge {
    /// The last sample again.
    Repeated,
    /// What the encoder filled the last blocks with.
    Filling,
}

/// The samples of a component, `[rows][columns]`, those beyond the picture left out, or not.
fn samples(file: &File, c: &Component, edge: Edge) -> Vec<Vec<f64>> {
    let places = zigzag();
    let table = &file.quantisation[usize::from(c.quantisation)];
    let (most_h, most_v) = file.most();
    let width = (file.width * c.horizontal).div_ceil(most_h);
    let height = (file.height * c.vertical).div_ceil(most_v);
    let (width, height) = match edge {
        Edge::Repeated => (width, height),
        Edge::Filling => (c.stored_wide * 8, c.blocks.len() / c.stored_wide * 8),
    };
    let scale = |u: usize| if u == 0 { 0.5_f64.sqrt() } else { 1.0 };
    let wave = |x: usize, u: usize| ((2 * (x % 8) + 1) as f64 * u as f64 * PI / 16.0).cos() * scale(u) / 2.0;
    let sample = |y: usize, x: usize| {
        let block = &c.blocks[y / 8 * c.stored_wide + x / 8];
        let mut sum = 128.0;
        for ((&coefficient, &step), &(v, u)) in block.iter().zip(table).zip(&places) {
            if coefficient != 0 {
                sum += f64::from(coefficient) * f64::from(step) * wave(y, v) * wave(x, u);
            }
        }
        sum.round().clamp(0.0, 255.0)
    };
    (0..height).map(|y| (0..width).map(|x| sample(y, x)).collect()).collect()
}

/// The weights of the nearest and the next nearest sample for the place `x` of a line `by` times as
/// long, whose samples lie in the middle of what they stand for.
fn neighbours(x: usize, by: usize, length: usize, smooth: bool) -> [(usize, f64); 2] {
    let near = x / by;
    let next = if by == 1 || !smooth {
        near
    } else if x.is_multiple_of(2) {
        near.saturating_sub(1)
    } else {
        (near + 1).min(length - 1)
    };
    [(near, 0.75), (next, 0.25)]
}

/// The picture: channels and values `[H,W,C]`, whole numbers. `rgb` says that three components are
/// red, green and blue.
pub(crate) fn picture(file: &File, rgb: bool, edge: Edge) -> (usize, Vec<f64>) {
    let (most_h, most_v) = file.most();
    let planes: Vec<Vec<f64>> = file
        .components
        .iter()
        .map(|c| {
            let samples = samples(file, c, edge);
            let (across, down) = (most_h / c.horizontal, most_v / c.vertical);
            let wide = samples[0].len();
            let columns = (file.width * c.horizontal).div_ceil(most_h);
            let smooth = match (across, down) {
                (1, 2) => true,
                (2, 1 | 2) => columns > 2,
                _ => false,
            };
            let mut plane = Vec::new();
            for y in 0..file.height {
                for x in 0..file.width {
                    let mut sum = 0.0;
                    for (row, a) in neighbours(y, down, samples.len(), smooth) {
                        for (column, b) in neighbours(x, across, wide, smooth) {
                            sum += a * b * samples[row][column];
                        }
                    }
                    plane.push(sum);
                }
            }
            plane
        })
        .collect();
    if planes.len() == 1 {
        return (1, planes[0].iter().map(|v| v.round()).collect());
    }
    let mut values = Vec::new();
    for ((&a, &b), &c) in planes[0].iter().zip(&planes[1]).zip(&planes[2]) {
        let (cb, cr) = (b - 128.0, c - 128.0);
        let colours = if rgb {
            [a, b, c]
        } else {
            [a + 1.402 * cr, a - 0.344_136 * cb - 0.714_136 * cr, a + 1.772 * cb]
        };
        values.extend(colours.map(|v| v.round().clamp(0.0, 255.0)));
    }
    (3, values)
}
