//! Where eyes, nose and mouth are, in the head's frame.

use crate::appearance::Appearance;
use crate::pose::{Landmarks, Pose};
use crate::shapes::{Point, at};

/// The features of a turned head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Features {
    /// Centres of the eyes: viewer's left, right.
    pub(crate) eyes: [Point; 2],
    /// How wide each eye appears: the far one is foreshortened.
    pub(crate) eye_scale: [f32; 2],
    pub(crate) nose: Point,
    /// Corners of the mouth: viewer's left, right.
    pub(crate) mouth: [Point; 2],
}

impl Features {
    pub(crate) fn place(pose: &Pose, looks: &Appearance) -> Self {
        let eye_apart = 0.39 + 0.25 * (looks.face_width - 0.8);
        // A smile pulls the corners out and up.
        let corner = looks.mouth_width * (1.0 + 0.12 * looks.smile.max(0.0));
        let mouth_v = 0.60 - 0.05 * looks.smile;
        let foreshortened = |side: f32| (pose.yaw * side).cos() * (1.0 + 0.25 * side * pose.yaw.sin());
        Self {
            eyes: [-1.0, 1.0].map(|side| pose.turned(at(side * eye_apart, -0.12), 0.42)),
            eye_scale: [-1.0, 1.0].map(foreshortened),
            nose: pose.turned(at(0.0, 0.27), 0.75),
            mouth: [-1.0, 1.0].map(|side| pose.turned(at(side * corner, mouth_v), 0.50)),
        }
    }

    pub(crate) fn landmarks(&self, pose: &Pose) -> Landmarks {
        // A landmark names a pixel; pixel k spans k to k + 1 in the picture's coordinates.
        let pixel = |p: Point| pose.to_picture(p).map(|v| v - 0.5);
        Landmarks([
            pixel(self.eyes[0]),
            pixel(self.eyes[1]),
            pixel(self.nose),
            pixel(self.mouth[0]),
            pixel(self.mouth[1]),
        ])
    }
}
