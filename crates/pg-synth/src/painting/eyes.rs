//! Eyes and brows.

use crate::appearance::Appearance;
use crate::canvas::{Canvas, lit, mix};
use crate::painting::features::Features;
use crate::shapes::{almond, at, ellipse, smoothstep, stroke};

pub(crate) fn paint(canvas: &mut Canvas, looks: &Appearance, features: &Features) {
    for (index, side) in [-1.0_f32, 1.0].into_iter().enumerate() {
        let centre = features.eyes[index];
        let width = looks.eye_width * features.eye_scale[index];
        let open = looks.eye_open * (1.0 - 0.22 * looks.smile.max(0.0));

        // The socket lies in shadow.
        canvas.tint(
            (at(centre.u, centre.v - 0.03), 0.36),
            |p| {
                0.40 * smoothstep(
                    1.0,
                    0.2,
                    at((p.u - centre.u) / 0.30, (p.v - centre.v + 0.03) / 0.20).length(),
                )
            },
            |_, old| [old[0] * 0.80, old[1] * 0.70, old[2] * 0.68],
        );
        canvas.paint(
            (centre, 0.3),
            0.012,
            |p| almond(p, centre, width, open),
            |p, _| {
                // The lid's shadow on the eyeball.
                let shade = 0.72 + 0.28 * smoothstep(-open, open * 0.1, p.v - centre.v);
                lit([0.93, 0.92, 0.91], shade * (0.82 + 0.18 * looks.light[2]))
            },
        );
        let iris = at(centre.u + 0.02 * canvas.pose.yaw, centre.v - 0.004);
        let radius = 0.086;
        let lids = move |p| almond(p, centre, width, open);
        canvas.paint(
            (iris, 0.15),
            0.012,
            |p| ellipse(p, iris, at(radius, radius)).max(lids(p)),
            |p, _| {
                let r = (p - iris).length() / radius;
                let rim = mix(looks.iris, lit(looks.iris, 0.35), smoothstep(0.7, 1.0, r));
                mix(lit(rim, 1.25), rim, smoothstep(0.1, 0.7, r))
            },
        );
        canvas.paint(
            (iris, 0.1),
            0.01,
            |p| ellipse(p, iris, at(0.036, 0.036)).max(lids(p)),
            |_, _| [0.03, 0.03, 0.03],
        );
        let glint = iris + at(-0.03 + 0.03 * looks.light[0], -0.032);
        canvas.paint((glint, 0.06), 0.008, |p| ellipse(p, glint, at(0.017, 0.017)), |_, _| [0.97; 3]);

        // Upper lid with lashes, lower lid, and the crease above.
        let (left, right) = (at(centre.u - width, centre.v + 0.008), at(centre.u + width, centre.v + 0.008));
        let lash = lit(looks.brow_colour, 0.45);
        canvas.paint(
            (centre, 0.3),
            0.012,
            |p| {
                stroke(p, left, at(centre.u, centre.v - 2.0 * open), right, |t| {
                    0.010 + 0.013 * (1.0 - (2.0 * t - 1.0).powi(2))
                })
            },
            |_, _| lash,
        );
        canvas.tint(
            (centre, 0.3),
            |p| {
                let d = stroke(p, left, at(centre.u, centre.v + 1.9 * open), right, |_| 0.006);
                0.5 * smoothstep(0.015, -0.005, d)
            },
            |_, old| lit(old, 0.62),
        );
        canvas.tint(
            (at(centre.u, centre.v - 0.1), 0.3),
            |p| {
                let d = stroke(
                    p,
                    left + at(0.01, -0.05),
                    at(centre.u, centre.v - 2.2 * open - 0.09),
                    right + at(-0.01, -0.05),
                    |_| 0.006,
                );
                0.45 * smoothstep(0.02, -0.005, d)
            },
            |_, old| lit(old, 0.68),
        );

        // The brow: thick inside, thin outside.
        let v = centre.v - 0.235 - looks.brow_raise;
        let inner = at(centre.u - side * width * 1.05, v + 0.035);
        let outer = at(centre.u + side * width * 1.35, v + 0.045);
        let thickness = looks.brow_thickness;
        canvas.tint(
            (at(centre.u, v), 0.4),
            |p| {
                let d = stroke(p, inner, at(centre.u + side * 0.03, v - 0.07), outer, |t| {
                    thickness * (1.0 - 0.75 * t)
                });
                0.88 * smoothstep(0.020, -0.012, d)
            },
            |_, _| looks.brow_colour,
        );
    }
}
