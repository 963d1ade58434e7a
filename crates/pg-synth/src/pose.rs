//! Where the head is and how it is turned: the head's frame in the picture, and the landmarks.
//!
//! Head units: the face is about 1.6 wide and 2.2 high, origin between the eyes and the nose.

use crate::random::Choices;
use crate::shapes::{Point, at};

/// The five points, x right and y down, in pixels; left is the viewer's left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Landmarks(pub [[f32; 2]; 5]);

/// Names of the five points, in order.
pub const LANDMARK_NAMES: [&str; 5] = ["lefteye", "righteye", "nose", "leftmouth", "rightmouth"];

/// Size of the picture and placement of the head in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pose {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// The frame's origin in the picture, in pixels.
    centre: [f32; 2],
    /// Pixels per head unit.
    pub(crate) scale: f32,
    sine: f32,
    cosine: f32,
    /// Turn to the viewer's right (positive) or left, in radians.
    pub(crate) yaw: f32,
}

impl Pose {
    pub(crate) fn draw(choices: &mut Choices) -> Self {
        let width = choices.between(200.0, 901.0);
        let height = (width * choices.between(0.75, 1.35)).clamp(200.0, 900.0);
        let scale = width.min(height) * choices.between(0.14, 0.27);
        // Most heads sit well inside; some so near the border that part of the crop lies outside.
        let margin = if choices.chance(0.15) { 0.95 } else { 1.75 };
        let place = |choices: &mut Choices, side: f32, low: f32, high: f32| {
            let (first, last) = ((low * scale).min(side * 0.5), (side - high * scale).max(side * 0.5));
            choices.between(first, last)
        };
        let x = place(choices, width, margin, margin);
        let y = place(choices, height, margin * 0.95, margin);
        let roll = choices.bell() * 0.5;
        Self {
            width: width as usize,
            height: height as usize,
            centre: [x, y],
            scale,
            sine: roll.sin(),
            cosine: roll.cos(),
            yaw: choices.bell() * 0.5,
        }
    }

    /// From the middle of pixel (x, y) to the head's frame.
    pub(crate) fn to_head(self, x: f32, y: f32) -> Point {
        let (dx, dy) = ((x - self.centre[0]) / self.scale, (y - self.centre[1]) / self.scale);
        at(dx * self.cosine + dy * self.sine, dy * self.cosine - dx * self.sine)
    }

    /// From the head's frame to the picture, in pixels.
    pub(crate) fn to_picture(self, p: Point) -> [f32; 2] {
        [
            self.centre[0] + (p.u * self.cosine - p.v * self.sine) * self.scale,
            self.centre[1] + (p.u * self.sine + p.v * self.cosine) * self.scale,
        ]
    }

    /// Where a feature at `p`, standing `depth` out of the head, appears when the head is turned.
    pub(crate) fn turned(self, p: Point, depth: f32) -> Point {
        at(p.u * self.yaw.cos() + depth * self.yaw.sin(), p.v)
    }
}
