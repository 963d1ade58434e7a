//! The five points of a face.

/// Five facial landmarks in pixels of the photo, `[x, y]`, y downwards; left and right as seen in the
/// picture. f32, as the reference computes with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Landmarks {
    /// Centre of the eye on the left of the picture.
    pub left_eye: [f32; 2],
    /// Centre of the eye on the right of the picture.
    pub right_eye: [f32; 2],
    /// Tip of the nose.
    pub nose: [f32; 2],
    /// Corner of the mouth on the left of the picture.
    pub left_mouth: [f32; 2],
    /// Corner of the mouth on the right of the picture.
    pub right_mouth: [f32; 2],
}

impl Landmarks {
    /// From x and y of left eye, right eye, nose, left mouth corner, right mouth corner: the order of
    /// CelebA's columns.
    #[must_use]
    pub fn from_columns(v: [f32; 10]) -> Self {
        Self {
            left_eye: [v[0], v[1]],
            right_eye: [v[2], v[3]],
            nose: [v[4], v[5]],
            left_mouth: [v[6], v[7]],
            right_mouth: [v[8], v[9]],
        }
    }

    /// The points in the order of CelebA's columns.
    #[must_use]
    pub fn points(&self) -> [[f32; 2]; 5] {
        [self.left_eye, self.right_eye, self.nose, self.left_mouth, self.right_mouth]
    }
}
