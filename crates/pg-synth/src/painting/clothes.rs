//! Neck, shoulders and collar.

use crate::appearance::Appearance;
use crate::canvas::{Canvas, lit, mix};
use crate::noise;
use crate::shapes::{at, ellipse, smoothstep};

pub(crate) fn paint(canvas: &mut Canvas, looks: &Appearance) {
    let skin = lit(looks.skin, 0.74);
    let neck_width = looks.face_width * 0.56;
    canvas.paint(
        (at(0.0, 1.3), 0.9),
        0.02,
        |p| ((p.u.abs() - neck_width - 0.25 * smoothstep(1.05, 1.6, p.v)).max(p.v - 2.0)).max(0.4 - p.v),
        |p, _| lit(skin, 0.78 + 0.22 * smoothstep(0.95, 1.35, p.v) + 0.15 * looks.light[0] * p.u),
    );
    let shoulders = |p: crate::shapes::Point| {
        let slope = 1.34 + 0.33 * (p.u / 1.2).powi(2) - 0.16 * smoothstep(0.9, 0.35, p.u.abs());
        let opening = ellipse(p, at(0.0, 1.20), at(neck_width * 1.02, 0.36));
        (slope - p.v).max(p.u.abs() - 2.1).max(-opening)
    };
    canvas.paint((at(0.0, 3.2), 2.2), 0.02, shoulders, |p, _| {
        let folds = noise::fractal(p.u * 2.3 + 3.0 * p.v, p.v * 1.1, looks.texture) - 0.5;
        lit(looks.cloth, 0.92 + 0.22 * folds + 0.12 * looks.light[0] * p.u)
    });
    if looks.collar {
        let ring = |p: crate::shapes::Point| {
            let d = ellipse(p, at(0.0, 1.20), at(neck_width * 1.08, 0.42));
            (d.abs() - 0.055).max(1.24 - p.v)
        };
        canvas.paint((at(0.0, 1.42), 0.8), 0.02, ring, |_, _| mix(looks.cloth, [0.95, 0.95, 0.93], 0.75));
    }
}
