//! What is behind the person: a gradient, out-of-focus lights and shapes, or a textured wall.

use crate::canvas::{Canvas, Colour, mix};
use crate::noise;
use crate::random::Choices;
use crate::shapes::smoothstep;

pub(crate) fn paint(canvas: &mut Canvas, choices: &mut Choices) {
    let (width, height) = (canvas.pose.width as f32, canvas.pose.height as f32);
    let colour = |choices: &mut Choices| -> Colour {
        let grey = choices.between(0.15, 0.85);
        [0, 1, 2].map(|_| (grey + choices.bell() * 0.28).clamp(0.03, 0.97))
    };
    let (top, bottom) = (colour(choices), colour(choices));
    let slant = choices.bell();
    let blobs: Vec<(f32, f32, f32, f32, Colour)> = (0..2 + choices.index(7))
        .map(|_| {
            let (x, y) = (choices.unit() * width, choices.unit() * height);
            let radius = choices.between(0.06, 0.35) * width.min(height);
            (x, y, radius, choices.between(0.3, 0.9), colour(choices))
        })
        .collect();
    let (stripes, strength) = (choices.chance(0.3), choices.between(0.05, 0.16));
    let (period, seed) = (choices.between(0.04, 0.15) * width, choices.bits());
    let texture_px = choices.between(0.05, 0.3) * width;
    canvas.fill(|x, y| {
        let along = (y / height + slant * (x / width - 0.5)).clamp(0.0, 1.0);
        let mut c = mix(top, bottom, along);
        for &(bx, by, radius, opacity, blob) in &blobs {
            let (dx, dy) = (x - bx, y - by);
            let squared = dx * dx + dy * dy;
            if squared < radius * radius * 1.83 {
                let distance = squared.sqrt();
                c = mix(c, blob, opacity * smoothstep(radius * 1.35, radius * 0.75, distance));
            }
        }
        let texture = 0.7 * noise::smooth(x / texture_px, y / texture_px, seed)
            + 0.3 * noise::smooth(x * 3.1 / texture_px, y * 3.1 / texture_px, seed ^ 0x51)
            - 0.5;
        let line = if stripes { ((x + slant * y) / period).sin() * 0.5 } else { 0.0 };
        c.map(|v| v + strength * (texture + line))
    });
}
