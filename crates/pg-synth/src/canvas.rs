//! The picture under the brush: linear blending of colours, layer over layer.

use crate::pose::Pose;
use crate::shapes::{Point, smoothstep};

/// Red, green, blue in 0..=1, as displayed (no gamma handling).
pub(crate) type Colour = [f32; 3];

/// `a` towards `b` by `t`.
pub(crate) fn mix(a: Colour, b: Colour, t: f32) -> Colour {
    [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t]
}

/// All channels times `by`.
pub(crate) fn lit(c: Colour, by: f32) -> Colour {
    [c[0] * by, c[1] * by, c[2] * by]
}

/// Pixels with a head's frame over them.
#[derive(Debug)]
pub(crate) struct Canvas {
    pub(crate) pose: Pose,
    pixels: Vec<Colour>,
}

impl Canvas {
    pub(crate) fn new(pose: Pose) -> Self {
        Self { pose, pixels: vec![[0.0; 3]; pose.width * pose.height] }
    }

    /// Sets every pixel from its position in the picture, in pixels.
    pub(crate) fn fill(&mut self, colour: impl Fn(f32, f32) -> Colour) {
        for (y, row) in self.pixels.chunks_exact_mut(self.pose.width).enumerate() {
            for (x, pixel) in row.iter_mut().enumerate() {
                *pixel = colour(x as f32 + 0.5, y as f32 + 0.5);
            }
        }
    }

    /// Paints a shape: `distance` is its signed distance in head units, negative inside; the edge is
    /// `softness` head units wide, at least a pixel. Only the square of half-side `reach` around
    /// `centre` is visited.
    pub(crate) fn paint(
        &mut self,
        (centre, reach): (Point, f32),
        softness: f32,
        distance: impl Fn(Point) -> f32,
        colour: impl Fn(Point, Colour) -> Colour,
    ) {
        let half_edge = softness.max(1.1 / self.pose.scale) * 0.5;
        self.tint((centre, reach), |p| smoothstep(half_edge, -half_edge, distance(p)), colour);
    }

    /// Blends `colour(point, old)` over the old colour by `strength(point)` in 0..=1.
    pub(crate) fn tint(
        &mut self,
        (centre, reach): (Point, f32),
        strength: impl Fn(Point) -> f32,
        colour: impl Fn(Point, Colour) -> Colour,
    ) {
        let [x, y] = self.pose.to_picture(centre);
        // The square may be turned by any angle.
        let radius = reach * self.pose.scale * std::f32::consts::SQRT_2 + 1.0;
        let range = |middle: f32, side: usize| {
            let (first, last) = ((middle - radius).floor(), (middle + radius).ceil());
            (first.clamp(0.0, side as f32) as usize)..(last.clamp(0.0, side as f32) as usize)
        };
        let (columns, rows) = (range(x, self.pose.width), range(y, self.pose.height));
        for y in rows {
            let row = &mut self.pixels[y * self.pose.width..(y + 1) * self.pose.width];
            for x in columns.clone() {
                let p = self.pose.to_head(x as f32 + 0.5, y as f32 + 0.5);
                if (p.u - centre.u).abs() > reach || (p.v - centre.v).abs() > reach {
                    continue;
                }
                let t = strength(p);
                if t > 0.0 {
                    row[x] = mix(row[x], colour(p, row[x]), t);
                }
            }
        }
    }

    /// The finished picture: `develop` turns position and colour into the final colour.
    pub(crate) fn develop(&self, develop: impl Fn(usize, usize, Colour) -> Colour) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.pixels.len() * 3);
        for (y, row) in self.pixels.chunks_exact(self.pose.width).enumerate() {
            for (x, &pixel) in row.iter().enumerate() {
                bytes.extend(develop(x, y, pixel).map(|v| (v * 255.0 + 0.5) as u8));
            }
        }
        bytes
    }
}
