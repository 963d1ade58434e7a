//! The nose: shadow on the far side of the ridge, light on the tip, nostrils.

use crate::appearance::Appearance;
use crate::canvas::{Canvas, lit, mix};
use crate::painting::features::Features;
use crate::shapes::{at, ellipse, smoothstep, stroke};

pub(crate) fn paint(canvas: &mut Canvas, looks: &Appearance, features: &Features) {
    let tip = features.nose;
    let bridge = at((features.eyes[0].u + features.eyes[1].u) * 0.5, features.eyes[0].v - 0.02);
    let half = looks.nose_width;
    let away = if looks.light[0] > 0.0 { -1.0 } else { 1.0 };

    // The ridge's shaded flank.
    let (from, to) = (bridge + at(away * 0.06, 0.0), tip + at(away * half * 0.75, -0.02));
    canvas.tint(
        (at(tip.u, 0.08), 0.5),
        |p| {
            let d = stroke(p, from, at(from.u, 0.5 * (from.v + to.v)), to, |t| 0.02 + 0.05 * t);
            (0.20 + 0.22 * looks.light[0].abs()) * smoothstep(0.07, -0.05, d)
        },
        |_, old| [old[0] * 0.70, old[1] * 0.62, old[2] * 0.60],
    );
    // Its lit back.
    canvas.tint(
        (at(tip.u, 0.08), 0.5),
        |p| {
            let d = stroke(p, bridge, at(0.5 * (bridge.u + tip.u), 0.1), tip + at(0.0, -0.05), |t| {
                0.01 + 0.03 * t
            });
            0.30 * smoothstep(0.05, -0.03, d)
        },
        |_, old| mix(old, [1.0, 0.97, 0.93], 0.35),
    );
    // The wings and the shadow below.
    for side in [-1.0_f32, 1.0] {
        let wing = tip + at(side * half * 0.82, 0.0);
        canvas.tint(
            (wing, 0.15),
            |p| {
                0.55 * smoothstep(
                    0.022,
                    0.0,
                    (ellipse(p, wing, at(0.062, 0.075)).abs()) + 0.4 * (side * (wing.u - p.u)).max(0.0),
                )
            },
            |_, old| lit(old, 0.60),
        );
        let nostril = tip + at(side * half * 0.46, 0.062);
        canvas.paint(
            (nostril, 0.1),
            0.02,
            |p| ellipse(p, nostril, at(0.040, 0.019)),
            |_, old| lit(old, 0.28),
        );
    }
    canvas.tint(
        (tip + at(0.0, 0.1), 0.3),
        |p| {
            0.40 * smoothstep(
                1.0,
                0.1,
                at((p.u - tip.u) / (half * 1.1), (p.v - tip.v - 0.095) / 0.055).length(),
            )
        },
        |_, old| lit(old, 0.66),
    );
    let shine = tip + at(0.05 * looks.light[0], -0.045);
    canvas.tint(
        (shine, 0.1),
        |p| 0.45 * smoothstep(0.065, 0.0, (p - shine).length()),
        |_, old| mix(old, [1.0, 0.98, 0.95], 0.55),
    );
}
