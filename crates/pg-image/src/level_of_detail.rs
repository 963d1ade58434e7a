//! The multi-resolution pyramid of a training image (ProGAN, arXiv:1710.10196, section 2 and appendix C).
//!
//! Level r/2 is the mean of each 2x2 block of the *unrounded* level r; every level is rounded on its
//! own, half to even, only when it is written.

use multiversion::multiversion;

use crate::Planar;
use crate::truncation::truncated;

/// Halves both sides: mean of each 2x2 block, f32, no rounding.
///
/// `image` is `[C,H,W]`, any range; the result `[C,H/2,W/2]`. An odd last row or column is left out.
/// Sums run in the order (top left + top right) + (bottom left + bottom right).
#[must_use]
pub fn halve_box(image: &Planar<f32>) -> Planar<f32> {
    halved(image, |top, bottom, row, _| halve_row(top, bottom, row)).0
}

/// Rounds half to even and clamps to 0..=255: the one quantisation step of a level.
#[must_use]
pub fn quantise(image: &Planar<f32>) -> Planar<u8> {
    let mut out = Planar::filled(image.channels(), image.height(), image.width(), 0);
    quantise_values(image.data(), out.data_mut());
    out
}

/// The pyramid of `image`, finest level first (the image itself), coarsest of side `lowest_px` last.
///
/// Each level is [`halve_box`] of the unrounded level above, then [`quantise`]d. Cost: 4/3 passes.
#[must_use]
pub fn pyramid(image: &Planar<u8>, lowest_px: usize) -> Vec<Planar<u8>> {
    let mut levels = vec![image.clone()];
    levels.extend(coarser_levels(image, lowest_px));
    levels
}

/// [`pyramid`] without the image itself.
#[must_use]
pub fn coarser_levels(image: &Planar<u8>, lowest_px: usize) -> Vec<Planar<u8>> {
    let goes_on = |height: usize, width: usize| height / 2 >= lowest_px && width / 2 >= lowest_px;
    let mut levels = Vec::new();
    if !goes_on(image.height(), image.width()) {
        return levels;
    }
    // A row is quantised while it is still in the cache.
    let (mut current, level) = halved(image, |top, bottom, row, bytes| {
        halve_row_of_bytes(top, bottom, row);
        quantise_values(row, bytes);
    });
    levels.push(level);
    while goes_on(current.height(), current.width()) {
        let (next, level) = halved(&current, |top, bottom, row, bytes| {
            halve_row(top, bottom, row);
            quantise_values(row, bytes);
        });
        levels.push(level);
        current = next;
    }
    levels
}

/// The halved image, and what `halve_row` makes of it in bytes.
fn halved<T: Copy>(
    image: &Planar<T>,
    halve_row: impl Fn(&[T], &[T], &mut [f32], &mut [u8]),
) -> (Planar<f32>, Planar<u8>) {
    let (h, w) = (image.height() / 2, image.width() / 2);
    let mut out = Planar::filled(image.channels(), h, w, 0.0_f32);
    let mut bytes = Planar::filled(image.channels(), h, w, 0_u8);
    if h == 0 || w == 0 {
        return (out, bytes);
    }
    for c in 0..image.channels() {
        let source = image.plane(c);
        let rows = out.plane_mut(c).chunks_exact_mut(w).zip(bytes.plane_mut(c).chunks_exact_mut(w));
        for (y, (row, bytes)) in rows.enumerate() {
            let top = &source[2 * y * image.width()..][..2 * w];
            let bottom = &source[(2 * y + 1) * image.width()..][..2 * w];
            halve_row(top, bottom, row, bytes);
        }
    }
    (out, bytes)
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn halve_row(top: &[f32], bottom: &[f32], out: &mut [f32]) {
    for ((v, t), b) in out.iter_mut().zip(top.as_chunks::<2>().0).zip(bottom.as_chunks::<2>().0) {
        *v = ((t[0] + t[1]) + (b[0] + b[1])) * 0.25;
    }
}

/// [`halve_row`] of bytes, whose sums are the same in whole numbers.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn halve_row_of_bytes(top: &[u8], bottom: &[u8], out: &mut [f32]) {
    for ((v, t), b) in out.iter_mut().zip(top.as_chunks::<2>().0).zip(bottom.as_chunks::<2>().0) {
        let sum = (u16::from(t[0]) + u16::from(t[1])) + (u16::from(b[0]) + u16::from(b[1]));
        *v = f32::from(sum) * 0.25;
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn quantise_values(values: &[f32], out: &mut [u8]) {
    for (out, &value) in out.iter_mut().zip(values) {
        *out = truncated(value.round_ties_even());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn levels_are_the_rounded_chain_of_means(
            w in 1_usize..70, h in 1_usize..70, lowest in 1_usize..9, seed: u32,
        ) {
            let value = |i: usize| ((i as u32 ^ seed).wrapping_mul(2_654_435_761) >> 24) as u8;
            let image = Planar::from_data(3, h, w, (0..w * h * 3).map(value).collect()).unwrap();
            let mut expected = vec![image.clone()];
            let mut current = image.to_f32();
            while current.height() / 2 >= lowest && current.width() / 2 >= lowest {
                let (h, w) = (current.height() / 2, current.width() / 2);
                let mean = |c: usize, y: usize, x: usize| {
                    let at = |dy: usize, dx: usize| current.plane(c)[(2 * y + dy) * current.width() + 2 * x + dx];
                    ((at(0, 0) + at(0, 1)) + (at(1, 0) + at(1, 1))) * 0.25
                };
                let means = (0..3 * h * w).map(|i| mean(i / (h * w), i / w % h, i % w)).collect();
                current = Planar::from_data(3, h, w, means).unwrap();
                expected.push(current.map(|v| v.round_ties_even().clamp(0.0, 255.0) as u8));
            }
            prop_assert_eq!(pyramid(&image, lowest), expected);
        }
    }
}
