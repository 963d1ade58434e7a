//! Luminance and differences of colour to grey or RGB (ITU-T H.273, 8.3).

use image::{DynamicImage, GrayImage, RgbImage};

use super::Fault;
use super::planes::Planes;

/// How luminance and colour make red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Matrix {
    /// Green, blue and red themselves.
    Identity,
    /// Luminance, green difference, orange difference.
    YCgCo,
    /// Luminance with these weights of red and blue, and both differences to it.
    Weights { red: f32, blue: f32 },
}

impl Matrix {
    /// Of a number of H.273, table 4; what says nothing is BT.601, as libavif has it.
    pub(super) fn of(code: u16) -> Result<Self, Fault> {
        let (red, blue) = match code {
            0 => return Ok(Self::Identity),
            8 => return Ok(Self::YCgCo),
            1 => (0.2126, 0.0722),
            2 | 5 | 6 => (0.299, 0.114),
            4 => (0.30, 0.11),
            7 => (0.212, 0.087),
            9 => (0.2627, 0.0593),
            _ => return Err(Fault::Unsupported(format!("matrix coefficients {code}"))),
        };
        Ok(Self::Weights { red, blue })
    }
}

/// What samples stand for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ColourSpace {
    pub(super) matrix: Matrix,
    /// Whether samples use all values, or 16 .. 235 and 16 .. 240 of 256.
    pub(super) full_range: bool,
}

/// Samples to numbers: `(v - least) * scale`.
#[derive(Debug, Clone, Copy)]
struct Range {
    least: f32,
    scale: f32,
}

impl Range {
    /// 0 .. 1.
    fn luminance(depth: u32, full: bool) -> Self {
        Self::new(depth, full, 0.0, 16.0, 219.0)
    }

    /// -0.5 .. 0.5.
    fn difference(depth: u32, full: bool) -> Self {
        Self::new(depth, full, (1_u32 << (depth - 1)) as f32, 128.0, 224.0)
    }

    fn new(depth: u32, full: bool, full_least: f32, least: f32, span: f32) -> Self {
        let of_256 = (1_u32 << (depth - 8)) as f32;
        if full {
            Self { least: full_least, scale: 1.0 / ((1_u32 << depth) - 1) as f32 }
        } else {
            Self { least: least * of_256, scale: 1.0 / (span * of_256) }
        }
    }

    fn of(self, sample: f32) -> f32 {
        (sample - self.least) * self.scale
    }
}

/// The picture over white: each sample to 0 .. 1, colour, alpha, then rounded to 8 bits.
///
/// Where colour is coarser, a sample is 3/4 of the nearest and 1/4 of the next nearest in each
/// direction, as in libavif. The last field of `alpha` says whether colours are multiplied by it
/// already.
pub(super) fn picture(
    colour: &Planes,
    space: ColourSpace,
    alpha: Option<(&Planes, bool)>,
) -> Result<DynamicImage, Fault> {
    let (width, height) = (colour.width, colour.height);
    let grey = colour.samples.len() == 1;
    if space.matrix == Matrix::Identity && (colour.across, colour.down) != (1, 1) {
        return Err(Fault::Damaged("green, blue and red are not of one resolution".to_owned()));
    }
    let luminance = Range::luminance(colour.depth, space.full_range);
    let difference = if space.matrix == Matrix::Identity {
        luminance
    } else {
        Range::difference(colour.depth, space.full_range)
    };
    let mut out = Vec::with_capacity(width * height * if grey { 1 } else { 3 });
    let mut differences = [vec![0.0; width], vec![0.0; width]];
    for y in 0..height {
        if !grey {
            for (i, line) in differences.iter_mut().enumerate() {
                fill_line(colour, i + 1, y, line);
            }
        }
        let alpha = alpha.map(|(planes, multiplied)| {
            let range = Range::luminance(planes.depth, planes.full_range);
            (&planes.samples[0][y * width..][..width], range, multiplied)
        });
        for (x, &sample) in colour.samples[0][y * width..][..width].iter().enumerate() {
            let value = luminance.of(f32::from(sample));
            let over_white = |value: f32| {
                let value = value.clamp(0.0, 1.0);
                let blended = alpha.as_ref().map_or(value, |(line, range, multiplied)| {
                    let alpha = range.of(f32::from(line[x])).clamp(0.0, 1.0);
                    let part = if *multiplied { value } else { value * alpha };
                    (part + 1.0 - alpha).min(1.0)
                });
                (blended * 255.0 + 0.5) as u8
            };
            if grey {
                out.push(over_white(value));
            } else {
                let [u, v] = [0, 1].map(|i| difference.of(differences[i][x]));
                out.extend(rgb(space.matrix, value, u, v).map(over_white));
            }
        }
    }
    let (width, height) = (width as u32, height as u32);
    let picture = if grey {
        GrayImage::from_raw(width, height, out).map(DynamicImage::ImageLuma8)
    } else {
        RgbImage::from_raw(width, height, out).map(DynamicImage::ImageRgb8)
    };
    picture.ok_or_else(|| Fault::Damaged("it has no pixels".to_owned()))
}

fn rgb(matrix: Matrix, y: f32, u: f32, v: f32) -> [f32; 3] {
    match matrix {
        Matrix::Identity => [v, y, u],
        Matrix::YCgCo => {
            let without_green = y - u;
            [without_green + v, y + u, without_green - v]
        }
        Matrix::Weights { red, blue } => {
            let (r, b) = (y + 2.0 * (1.0 - red) * v, y + 2.0 * (1.0 - blue) * u);
            [r, (y - red * r - blue * b) / (1.0 - red - blue), b]
        }
    }
}

/// The samples of plane `index` at row `y` of the picture.
fn fill_line(planes: &Planes, index: usize, y: usize, line: &mut [f32]) {
    let (columns, rows) = planes.size_of(index);
    let row = |y: usize| &planes.samples[index][y * columns..][..columns];
    let (near, next) = (y / planes.down, neighbour(y, planes.down, rows));
    let mixed = |a: u16, b: u16| 0.75 * f32::from(a) + 0.25 * f32::from(b);
    let (near, next) = (row(near), row(next));
    for (x, out) in line.iter_mut().enumerate() {
        let (here, beside) = (x / planes.across, neighbour(x, planes.across, columns));
        *out = 0.75 * mixed(near[here], next[here]) + 0.25 * mixed(near[beside], next[beside]);
    }
}

/// The next nearest sample to place `x` of a line `by` times as long.
fn neighbour(x: usize, by: usize, length: usize) -> usize {
    match (by, x % 2) {
        (1, _) => x,
        (_, 0) => (x / 2).saturating_sub(1),
        _ => (x / 2 + 1).min(length - 1),
    }
}
