//! The oriented crop rectangle of a face.

use serde::Serialize;

use crate::{AlignError, Landmarks};

/// Which published dataset the crop follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// CelebA-HQ (arXiv:1710.10196, appendix C): half a pixel added to the middles of eyes and mouth, small
    /// faces enlarged first.
    Celeba,
    /// FFHQ (arXiv:1812.04948, appendix A): neither of the two.
    Ffhq,
}

/// The square of a face in a picture, as it is carried from step to step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OrientedSquare {
    /// Corners `[x, y]` in pixels of the current picture: upper left, lower left, lower right, upper
    /// right of the aligned face.
    pub quad: [[f32; 2]; 4],
    /// Output pixels per pixel of the current picture: size / side of the square.
    pub zoom: f64,
    /// Side of the aligned image in pixels.
    pub size_px: usize,
}

impl OrientedSquare {
    /// The smallest box of whole pixels around the corners: left, top, right, bottom.
    pub(crate) fn bounding_box(&self) -> [i64; 4] {
        let of = |axis: usize, fold: fn(f32, f32) -> f32| {
            self.quad.iter().map(|p| p[axis]).reduce(fold).unwrap_or(0.0)
        };
        [
            of(0, f32::min).floor() as i64,
            of(1, f32::min).floor() as i64,
            of(0, f32::max).ceil() as i64,
            of(1, f32::max).ceil() as i64,
        ]
    }

    /// Pixels around the crop that filters may reach: max(round(0.1 size / zoom), 3).
    pub(crate) fn border_px(&self) -> i64 {
        ((self.size_px as f64 * 0.1 / self.zoom).round_ties_even() as i64).max(3)
    }

    /// Moved by `shift` along x and y, in sides of the square.
    #[must_use]
    pub fn shifted(mut self, shift: [f64; 2]) -> Self {
        let side_px = self.size_px as f64 / self.zoom;
        self.map(|v, axis| (f64::from(v) + side_px * shift[axis]) as f32);
        self
    }

    pub(crate) fn map(&mut self, f: impl Fn(f32, usize) -> f32) {
        for corner in &mut self.quad {
            *corner = [f(corner[0], 0), f(corner[1], 1)];
        }
    }
}

type Vector = [f32; 2];

fn add(a: Vector, b: Vector) -> Vector {
    [a[0] + b[0], a[1] + b[1]]
}

fn sub(a: Vector, b: Vector) -> Vector {
    [a[0] - b[0], a[1] - b[1]]
}

fn scale(a: Vector, s: f32) -> Vector {
    [a[0] * s, a[1] * s]
}

/// A quarter turn: (-y, x).
fn rot90(v: Vector) -> Vector {
    [-v[1], v[0]]
}

/// The f32 nearest to the length.
fn length(v: Vector) -> f32 {
    let (x, y) = (f64::from(v[0]), f64::from(v[1]));
    (x * x + y * y).sqrt() as f32
}

/// The oriented square of a face (arXiv:1710.10196, appendix C).
///
/// With e the mean of the eyes and m the mean of the mouth corners (both + 0.5, as the reference has
/// and the paper and [`Preset::Ffhq`] have not): x = normalise(eye_to_eye - rot90(eye_to_mouth)) * max(2 |eye_to_eye|,
/// 1.8 |eye_to_mouth|), y = rot90(x), c = e + 0.1 eye_to_mouth, corners c-x-y, c-x+y, c+x+y, c+x-y.
/// Vectors in f32; the two lengths times their factors and the zoom in f64.
///
/// # Errors
/// [`AlignError::Degenerate`] when no direction or no finite size follows from the points;
/// [`AlignError::Size`] unless `size_px` is a power of two from 4 to 4096.
pub fn oriented_square(
    landmarks: &Landmarks,
    size_px: usize,
    preset: Preset,
) -> Result<OrientedSquare, AlignError> {
    square(landmarks, size_px, preset, true)
}

/// [`oriented_square`] without the turn: of the same size about the same centre, its sides along the rows and
/// columns of the picture (x has the direction `[1, 0]`), as FFHQ's program crops with `--no-rotation`.
///
/// # Errors
/// As [`oriented_square`], but for points that give a size and no direction.
pub fn upright_square(
    landmarks: &Landmarks,
    size_px: usize,
    preset: Preset,
) -> Result<OrientedSquare, AlignError> {
    square(landmarks, size_px, preset, false)
}

fn square(
    landmarks: &Landmarks,
    size_px: usize,
    preset: Preset,
    rotation: bool,
) -> Result<OrientedSquare, AlignError> {
    if !size_px.is_power_of_two() || !(4..=4096).contains(&size_px) {
        return Err(AlignError::Size { found: size_px });
    }
    let offset = match preset {
        Preset::Celeba => [0.5, 0.5],
        Preset::Ffhq => [0.0, 0.0],
    };
    let middle = |a: Vector, b: Vector| add(scale(add(a, b), 0.5), offset);
    let eye = middle(landmarks.left_eye, landmarks.right_eye);
    let mouth = middle(landmarks.left_mouth, landmarks.right_mouth);
    let eye_to_eye = sub(landmarks.right_eye, landmarks.left_eye);
    let eye_to_mouth = sub(mouth, eye);

    let x = sub(eye_to_eye, rot90(eye_to_mouth));
    let norm = length(x);
    let x = if rotation { [x[0] / norm, x[1] / norm] } else { [1.0, 0.0] };
    let half_side = (f64::from(length(eye_to_eye)) * 2.0).max(f64::from(length(eye_to_mouth)) * 1.8);
    let x = scale(x, half_side as f32);
    let y = rot90(x);
    let c = add(eye, scale(eye_to_mouth, 0.1));

    let quad = [sub(sub(c, x), y), add(sub(c, x), y), add(add(c, x), y), sub(add(c, x), y)];
    let zoom = size_px as f64 / (f64::from(length(x)) * 2.0);
    let finite = quad.iter().flatten().all(|v| v.abs() < 1e7);
    if !finite || !zoom.is_normal() || half_side < 1e-3 {
        return Err(AlignError::Degenerate);
    }
    Ok(OrientedSquare { quad, zoom, size_px })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn upright() -> Landmarks {
        Landmarks::from_columns([40., 50., 60., 50., 50., 60., 42., 70., 58., 70.])
    }

    #[test]
    fn an_upright_face_gives_an_upright_square() {
        let square = oriented_square(&upright(), 1024, Preset::Celeba).unwrap();
        // eye_to_eye 20, eye_to_mouth 20: half side max(40, 36) = 40 about (50.5, 52.5).
        assert_eq!(square.quad, [[10.5, 12.5], [10.5, 92.5], [90.5, 92.5], [90.5, 12.5]]);
        assert_eq!(square.zoom, 12.8);
        let ffhq = oriented_square(&upright(), 1024, Preset::Ffhq).unwrap();
        assert_eq!(ffhq.quad, square.quad.map(|p| p.map(|v| v - 0.5)));
    }

    #[test]
    fn points_in_one_place_are_refused() {
        let point = Landmarks::from_columns([5.0; 10]);
        assert_eq!(oriented_square(&point, 64, Preset::Celeba), Err(AlignError::Degenerate));
        let far = Landmarks::from_columns([1e30, 0., -1e30, 1., 0., 0., 2., 1e30, 9., 4.]);
        assert_eq!(oriented_square(&far, 64, Preset::Celeba), Err(AlignError::Degenerate));
    }

    #[test]
    fn sizes_that_are_no_power_of_two_are_refused() {
        let refused = oriented_square(&upright(), 1000, Preset::Celeba);
        assert_eq!(refused, Err(AlignError::Size { found: 1000 }));
    }

    fn on_a_slope(angle: f32) -> Landmarks {
        let (sin, cos) = angle.sin_cos();
        let turned = upright().points().map(|[x, y]| [x * cos - y * sin, x * sin + y * cos]);
        Landmarks::from_columns(turned.as_flattened().try_into().unwrap())
    }

    proptest! {
        #[test]
        fn without_rotation_the_square_keeps_size_and_centre_and_lies_along_the_axes(angle in 0.0_f32..6.3) {
            let face = on_a_slope(angle);
            let turned = oriented_square(&face, 256, Preset::Ffhq).unwrap();
            let level = upright_square(&face, 256, Preset::Ffhq).unwrap();
            let [a, b, c, d] = level.quad;
            prop_assert_eq!((a[0], c[0], a[1], b[1]), (b[0], d[0], d[1], c[1]));
            prop_assert!(a[0] < d[0] && a[1] < b[1]);
            prop_assert!((level.zoom / turned.zoom - 1.0).abs() < 1e-6);
            let centre = |s: &OrientedSquare, axis: usize| s.quad.iter().map(|p| p[axis]).sum::<f32>() / 4.0;
            for axis in [0, 1] {
                prop_assert!((centre(&level, axis) - centre(&turned, axis)).abs() < 1e-3);
            }
        }

        #[test]
        fn a_shift_moves_all_corners_by_parts_of_the_side(x in -2.0_f64..2.0, y in -2.0_f64..2.0) {
            let square = oriented_square(&upright(), 256, Preset::Ffhq).unwrap();
            prop_assert_eq!(square.shifted([0.0; 2]), square);
            let moved = square.shifted([x, y]);
            for (from, to) in square.quad.iter().zip(moved.quad) {
                // The side is 80 px.
                for axis in [0, 1] {
                    prop_assert!((f64::from(to[axis] - from[axis]) - 80.0 * [x, y][axis]).abs() < 1e-3);
                }
            }
        }
    }
}
