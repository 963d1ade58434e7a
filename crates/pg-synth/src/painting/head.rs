//! Ears and face, shaded like a rounded body under one lamp.

use crate::appearance::Appearance;
use crate::canvas::{Canvas, Colour, lit, mix};
use crate::noise;
use crate::shapes::{Point, at, egg, ellipse, smoothstep};

/// The outline of the face.
pub(crate) fn outline(p: Point, looks: &Appearance) -> f32 {
    egg(p, at(0.0, -0.15), looks.face_width, (0.92, looks.chin + 0.15), 0.80)
}

/// Skin at `p` under the light: an ellipsoid's normal, ambient and diffuse parts.
pub(crate) fn shaded_skin(p: Point, looks: &Appearance, yaw: f32) -> Colour {
    let (nu, nv) = ((p.u - 0.2 * yaw) / (looks.face_width * 1.06), (p.v - 0.05) / 1.25);
    let squared = (nu * nu + nv * nv).min(1.0);
    let nz = (1.0 - squared).sqrt();
    let diffuse = (nu * looks.light[0] + nv * looks.light[1] + nz * looks.light[2]).max(0.0);
    let pores = noise::fractal(p.u * 9.0, p.v * 9.0, looks.texture) - 0.5;
    let base = lit(looks.skin, 0.50 + 0.58 * diffuse + 0.03 * pores);
    // Blood shows where the light grazes.
    mix(base, [base[0], base[1] * 0.86, base[2] * 0.82], squared * 0.5)
}

pub(crate) fn paint(canvas: &mut Canvas, looks: &Appearance) {
    let yaw = canvas.pose.yaw;
    for side in [-1.0_f32, 1.0] {
        let visible = 1.0 - 0.9 * (side * yaw).max(0.0);
        let centre = at(side * (looks.face_width + 0.015) * (1.0 - 0.12 * (side * yaw).max(0.0)), 0.05);
        let radii = at(0.12 * visible, 0.20);
        canvas.paint(
            (centre, 0.3),
            0.02,
            |p| ellipse(p, centre, radii),
            |p, _| {
                let hollow = smoothstep(0.02, -0.08, ellipse(p, centre, radii.scaled(0.75)));
                lit(looks.skin, 0.80 - 0.22 * hollow + 0.12 * side * looks.light[0])
            },
        );
    }
    canvas.paint((at(0.0, 0.0), 1.3), 0.015, |p| outline(p, looks), |p, _| shaded_skin(p, looks, yaw));

    // Cheeks.
    for side in [-1.0_f32, 1.0] {
        let centre = canvas.pose.turned(at(side * 0.46, 0.30), 0.45);
        canvas.tint(
            (centre, 0.32),
            |p| 0.20 * smoothstep(0.30, 0.0, (p - centre).length()),
            |_, old| [old[0] * 1.03, old[1] * 0.82, old[2] * 0.80],
        );
    }
    // The shadow that the chin's rim and the jaw take.
    canvas.tint(
        (at(0.0, 0.7), 0.9),
        |p| {
            let edge = outline(p, looks);
            0.35 * smoothstep(-0.16, -0.01, edge) * smoothstep(0.01, -0.01, edge) * smoothstep(0.3, 0.9, p.v)
        },
        |_, old| lit(old, 0.72),
    );
}
