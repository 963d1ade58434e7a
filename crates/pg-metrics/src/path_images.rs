//! What of a generator's images the perceptual path length looks at (Karras, Laine, Aila 2018, appendix of section 4.1).

use ndarray::{Array4, ArrayView4, Axis, s};

/// Larger images are averaged down to this side: about what the distance's network was trained on.
pub const PERCEPTUAL_SIDE_PX: usize = 256;

/// The middle of an aligned face in images `[N,C,R,R]`: rows 3/8 to 7/8, columns 2/8 to 6/8.
#[must_use]
pub fn face_region<'a>(images: &ArrayView4<'a, f32>) -> ArrayView4<'a, f32> {
    let eighth = images.len_of(Axis(2)) / 8;
    images.slice_move(s![.., .., 3 * eighth..7 * eighth, 2 * eighth..6 * eighth])
}

/// Images `[N,C,S,S]` as means of squares of a whole number of pixels, the smallest such that at most
/// [`PERCEPTUAL_SIDE_PX`] remain; a rest at the right and below is left out.
#[must_use]
pub fn averaged_down(images: &ArrayView4<'_, f32>) -> Array4<f32> {
    let (count, channels, side, _) = images.dim();
    let factor = side.div_ceil(PERCEPTUAL_SIDE_PX);
    if factor <= 1 {
        return images.to_owned();
    }
    let small = side / factor;
    let weight = 1.0 / (factor * factor) as f32;
    Array4::from_shape_fn((count, channels, small, small), |(n, c, y, x)| {
        let (top, left) = (y * factor, x * factor);
        images.slice(s![n, c, top..top + factor, left..left + factor]).iter().sum::<f32>() * weight
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_face_is_half_as_wide_and_sits_low() {
        let images =
            Array4::from_shape_fn((2, 3, 16, 16), |(n, c, y, x)| (n * 1000 + c * 500 + y * 16 + x) as f32);
        let face = face_region(&images.view());
        assert_eq!(face.dim(), (2, 3, 8, 8));
        assert_eq!(face[(1, 2, 0, 0)], images[(1, 2, 6, 4)]);
        assert_eq!(face[(1, 2, 7, 7)], images[(1, 2, 13, 11)]);
    }

    #[test]
    fn large_images_become_means_of_squares() {
        let images = Array4::from_shape_fn((1, 1, 512, 512), |(_, _, y, x)| (y % 2 * 2 + x % 2) as f32);
        let small = averaged_down(&images.view());
        assert_eq!(small.dim(), (1, 1, 256, 256));
        assert!(small.iter().all(|value| *value == 1.5));
        let kept = images.slice(s![.., .., ..256, ..256]);
        assert_eq!(averaged_down(&kept), kept);
        // 300 by 2.
        assert_eq!(averaged_down(&images.slice(s![.., .., ..300, ..300])).dim(), (1, 1, 150, 150));
    }
}
