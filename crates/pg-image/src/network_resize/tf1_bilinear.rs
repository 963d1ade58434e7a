//! Bilinear resizing as TensorFlow 1 has it for `align_corners = false`, to the bit.

use super::two_taps::{Interpolation, Place};

/// With s = in/out and p = i s, all in f32: between pixels floor(p) and the next, at p - floor(p).
///
/// The position lacks the shift by half a pixel: pixel 0 of the output is pixel 0 of the image, and samples are
/// taken (in/out - 1) / 2 pixels of the image too far up and to the left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tf1Bilinear;

impl Interpolation for Tf1Bilinear {
    fn place(i: usize, input: usize, output: usize) -> Place {
        let scale = input as f32 / output as f32;
        let position = i as f32 * scale;
        let low = (position as usize).min(input - 1);
        Place { low, high: (low + 1).min(input - 1), part: position - low as f32 }
    }

    fn mix(low: f32, high: f32, part: f32) -> f32 {
        low + (high - low) * part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corner_pixel_stays_in_the_corner() {
        let place = |i| Tf1Bilinear::place(i, 2, 4);
        let places = [place(0), place(1), place(2), place(3)];
        assert_eq!(places.map(|at| (at.low, at.high)), [(0, 1), (0, 1), (1, 1), (1, 1)]);
        assert_eq!(places.map(|at| at.part), [0.0, 0.5, 0.0, 0.5]);
    }
}
