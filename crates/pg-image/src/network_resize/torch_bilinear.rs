//! Bilinear resizing as PyTorch has it for `align_corners = False` and `antialias = False`.

use super::two_taps::{Interpolation, Place};

/// With s = in/out and p = max(s (i + 0.5) - 0.5, 0), all in f32: between pixels floor(p) and the next, at
/// p - floor(p). A side that does not change keeps its values.
///
/// PyTorch's own bits depend on the processor and on the number of threads, by up to 5e-5 on 0..=255. These
/// are the ones of several threads on a processor that fuses product and sum. In the position that matters
/// most: without it, values of large images would be off by 3e-3.
#[derive(Debug, Clone, Copy)]
pub(super) struct TorchBilinear;

impl Interpolation for TorchBilinear {
    fn place(i: usize, input: usize, output: usize) -> Place {
        if input == output {
            return Place { low: i, high: i, part: 0.0 };
        }
        let scale = input as f32 / output as f32;
        let position = scale.mul_add(i as f32 + 0.5, -0.5).max(0.0);
        let low = (position as usize).min(input - 1);
        Place { low, high: (low + 1).min(input - 1), part: (position - low as f32).clamp(0.0, 1.0) }
    }

    fn mix(low: f32, high: f32, part: f32) -> f32 {
        low.mul_add(1.0 - part, high * part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_stays_in_the_middle() {
        let place = |i| TorchBilinear::place(i, 2, 4);
        let places = [place(0), place(1), place(2), place(3)];
        assert_eq!(places.map(|at| (at.low, at.high)), [(0, 1), (0, 1), (0, 1), (1, 1)]);
        assert_eq!(places.map(|at| at.part), [0.0, 0.25, 0.75, 0.25]);
    }
}
