//! Hair behind and before the face.

use crate::appearance::{Appearance, HairStyle};
use crate::canvas::{Canvas, Colour, lit, mix};
use crate::noise;
use crate::shapes::{Point, at, ellipse, smoothstep};

/// The part that hangs behind head and shoulders.
pub(crate) fn paint_behind(canvas: &mut Canvas, looks: &Appearance) {
    let width = looks.face_width;
    let crown = |p| ellipse(p, at(0.0, -0.26), at(width + 0.20, 0.96));
    match looks.hair {
        HairStyle::Bald | HairStyle::Short | HairStyle::Fringe => {}
        HairStyle::Bob => {
            let fall = move |p: Point| {
                let wave = 0.04 * (p.v * 7.0).sin();
                (p.u.abs() - width - 0.22 - wave).max(p.v - 0.95).max(-0.3 - p.v)
            };
            canvas.paint(
                (at(0.0, 0.0), 1.5),
                0.03,
                |p| crown(p).min(fall(p)),
                |p, _| strands(p, looks, 0.72),
            );
        }
        HairStyle::Long => {
            let fall = move |p: Point| {
                let wave = 0.06 * (p.v * 4.0 + looks.parting * 6.0).sin();
                (p.u.abs() - width - 0.16 - 0.10 * p.v.max(0.0) - wave).max(p.v - 2.3).max(-0.3 - p.v)
            };
            canvas.paint(
                (at(0.0, 0.7), 2.2),
                0.03,
                |p| crown(p).min(fall(p)),
                |p, _| strands(p, looks, 0.72),
            );
        }
        HairStyle::Curly => {
            canvas.paint(
                (at(0.0, -0.2), 1.6),
                0.05,
                |p| ellipse(p, at(0.0, -0.26), at(width + 0.40, 1.10)) + curls(p, looks),
                |p, _| strands(p, looks, 0.75),
            );
        }
    }
}

/// The part over the forehead and the temples.
pub(crate) fn paint_before(canvas: &mut Canvas, looks: &Appearance) {
    let width = looks.face_width;
    let cap = move |p: Point| ellipse(p, at(0.0, -0.30), at(width + 0.085, 0.89));
    let covered = |p: Point| match looks.hair {
        HairStyle::Bald => f32::INFINITY,
        HairStyle::Short => {
            // The hairline: high in the middle, down before the ears.
            let line =
                -0.66 + 0.75 * (p.u / width).powi(4) + 0.06 * (p.u - looks.parting).abs() + ragged(p, looks);
            cap(p).max(p.v - line)
        }
        HairStyle::Fringe => {
            let line = -0.42
                + 0.10 * ((p.u - looks.parting) * 2.0).sin()
                + 0.5 * (p.u / width).powi(6)
                + 1.6 * ragged(p, looks);
            ellipse(p, at(0.0, -0.32), at(width + 0.12, 0.92)).max(p.v - line)
        }
        HairStyle::Bob | HairStyle::Long => {
            // Parted: two curtains that leave a wedge of forehead.
            let part = looks.parting * 0.6;
            let across = (p.u - part).abs() / (width - part * (p.u - part).signum());
            let line = -0.98 + 1.15 * across.powf(2.2) + ragged(p, looks);
            let limit = if p.u.abs() > width * 0.90 { 2.0 } else { 0.25 };
            ellipse(p, at(0.0, -0.26), at(width + 0.20, 0.96)).max((p.v - line).max(p.v - limit))
        }
        HairStyle::Curly => {
            let line = -0.60 + 0.95 * (p.u / width).powi(4) + 2.0 * curls(p, looks);
            (ellipse(p, at(0.0, -0.28), at(width + 0.30, 1.00)) + curls(p, looks)).max(p.v - line)
        }
    };
    if looks.hair == HairStyle::Bald {
        return;
    }
    // Its shadow on the skin first.
    canvas.tint(
        (at(0.0, -0.3), 1.35),
        |p| 0.5 * smoothstep(0.10, 0.0, covered(p + at(0.0, -0.05))),
        |_, old| lit(old, 0.62),
    );
    canvas.paint((at(0.0, -0.3), 1.5), 0.03, covered, |p, _| strands(p, looks, 1.0));
}

/// Hair at `p`: strands that run down from the crown, with a band of shine.
fn strands(p: Point, looks: &Appearance, brightness: f32) -> Colour {
    let from_crown = p - at(looks.parting * 0.6, -1.15);
    let angle = from_crown.u.atan2(from_crown.v + 0.25);
    let distance = from_crown.length();
    let fine = noise::smooth(angle * 26.0, distance * 1.6, looks.texture) - 0.5;
    let coarse = noise::fractal(angle * 7.0, distance * 1.3, looks.texture ^ 0x33) - 0.5;
    let band = smoothstep(0.35, 0.0, (distance - 0.55 - 0.25 * coarse).abs());
    let side = 0.16 * (p.u * looks.light[0] - p.v * 0.25);
    let base = lit(looks.hair_colour, brightness * (0.86 + 0.50 * fine + 0.40 * coarse + side));
    mix(base, [0.95, 0.90, 0.85], 0.13 * band * brightness)
}

fn ragged(p: Point, looks: &Appearance) -> f32 {
    0.10 * (noise::smooth(p.u * 14.0, 0.5, looks.texture ^ 0x77) - 0.5)
}

fn curls(p: Point, looks: &Appearance) -> f32 {
    0.17 * (noise::fractal(p.u * 5.0, p.v * 5.0, looks.texture ^ 0x99) - 0.5)
}
