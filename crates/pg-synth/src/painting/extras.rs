//! Beards and glasses.

use crate::appearance::Appearance;
use crate::canvas::{Canvas, lit, mix};
use crate::noise;
use crate::painting::features::Features;
use crate::painting::head;
use crate::shapes::{at, ellipse, smoothstep, stroke};

pub(crate) fn paint_beard(canvas: &mut Canvas, looks: &Appearance, features: &Features) {
    let mouth_v = 0.5 * (features.mouth[0].v + features.mouth[1].v);
    let mouth_u = 0.5 * (features.mouth[0].u + features.mouth[1].u);
    let density = 0.55 + 0.4 * (looks.texture & 0xFF) as f32 / 255.0;
    canvas.tint(
        (at(0.0, 0.65), 1.0),
        |p| {
            let inside = smoothstep(0.06, -0.06, head::outline(p, looks));
            // From the sideburns down the jaw, over the lip, free around the mouth.
            let jaw = smoothstep(0.28, 0.62, p.v + 0.38 * p.u.abs() * p.u.abs() / looks.face_width - 0.02);
            let lips =
                smoothstep(0.9, 1.15, at((p.u - mouth_u) / 0.30, (p.v - mouth_v - 0.02) / 0.11).length());
            let hairs = 0.75 + 0.5 * (noise::fractal(p.u * 24.0, p.v * 12.0, looks.texture ^ 0x44) - 0.3);
            (inside * jaw * lips * density * hairs).clamp(0.0, 1.0)
        },
        |p, old| {
            let fine = noise::smooth(p.u * 40.0, p.v * 14.0, looks.texture ^ 0x55) - 0.5;
            mix(old, lit(looks.brow_colour, 0.9 + 0.6 * fine), 0.92)
        },
    );
}

pub(crate) fn paint_glasses(canvas: &mut Canvas, looks: &Appearance, features: &Features) {
    let round = looks.texture & 1 == 0;
    let height = if round { 0.205 } else { 0.165 };
    let lens = |index: usize| {
        let eye = features.eyes[index];
        (at(eye.u, eye.v + 0.03), at(0.245 * features.eye_scale[index], height))
    };
    for index in 0..2 {
        let (centre, radii) = lens(index);
        // Faint glass, then the frame.
        canvas.tint(
            (centre, 0.4),
            |p| 0.10 * smoothstep(0.0, -0.02, ellipse(p, centre, radii)),
            |_, old| mix(old, [0.85, 0.92, 1.0], 0.7),
        );
        canvas.paint(
            (centre, 0.4),
            0.012,
            |p| ellipse(p, centre, radii).abs() - 0.021,
            |p, _| lit(looks.glasses_colour, 1.0 + 0.5 * (centre.v - p.v)),
        );
        let side = if index == 0 { -1.0 } else { 1.0 };
        let hinge = centre + at(side * radii.u, -0.03);
        let ear = at(side * looks.face_width, -0.10);
        canvas.paint(
            (hinge, 0.6),
            0.012,
            |p| stroke(p, hinge, at(0.5 * (hinge.u + ear.u), hinge.v), ear, |_| 0.016),
            |_, _| looks.glasses_colour,
        );
    }
    let ((left, left_radii), (right, right_radii)) = (lens(0), lens(1));
    let (from, to) = (left + at(left_radii.u, -0.03), right + at(-right_radii.u, -0.03));
    let arch = at(0.5 * (from.u + to.u), from.v - 0.06);
    canvas.paint((arch, 0.3), 0.012, |p| stroke(p, from, arch, to, |_| 0.018), |_, _| looks.glasses_colour);
}
