//! The multi-resolution pyramid of a training image (ProGAN, arXiv:1710.10196, section 2 and appendix C).
//!
//! Level r/2 is the mean of each 2x2 block of the *unrounded* level r; every level is rounded on its
//! own, half to even, only when it is written.

use crate::Planar;

/// Halves both sides: mean of each 2x2 block, f32, no rounding.
///
/// `image` is `[C,H,W]`, any range; the result `[C,H/2,W/2]`. An odd last row or column is left out.
/// Sums run in the order (top left + top right) + (bottom left + bottom right).
#[must_use]
pub fn halve_box(image: &Planar<f32>) -> Planar<f32> {
    let (h, w) = (image.height() / 2, image.width() / 2);
    let mut out = Planar::filled(image.channels(), h, w, 0.0_f32);
    if h == 0 || w == 0 {
        return out;
    }
    for c in 0..image.channels() {
        let source = image.plane(c);
        for (y, row) in out.plane_mut(c).chunks_exact_mut(w).enumerate() {
            let top = &source[2 * y * image.width()..][..2 * w];
            let bottom = &source[(2 * y + 1) * image.width()..][..2 * w];
            for ((v, t), b) in row.iter_mut().zip(top.chunks_exact(2)).zip(bottom.chunks_exact(2)) {
                *v = ((t[0] + t[1]) + (b[0] + b[1])) * 0.25;
            }
        }
    }
    out
}

/// Rounds half to even and clamps to 0..=255: the one quantisation step of a level.
#[must_use]
pub fn quantise(image: &Planar<f32>) -> Planar<u8> {
    image.map(|v| v.round_ties_even().clamp(0.0, 255.0) as u8)
}

/// The pyramid of `image`, finest level first (the image itself), coarsest of side `lowest_px` last.
///
/// Each level is [`halve_box`] of the unrounded level above, then [`quantise`]d. Cost: 4/3 passes.
#[must_use]
pub fn pyramid(image: &Planar<u8>, lowest_px: usize) -> Vec<Planar<u8>> {
    let mut levels = vec![image.clone()];
    let mut current = image.to_f32();
    while current.height() / 2 >= lowest_px && current.width() / 2 >= lowest_px {
        current = halve_box(&current);
        levels.push(quantise(&current));
    }
    levels
}
