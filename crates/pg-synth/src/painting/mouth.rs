//! Lips, teeth where the mouth is open, and the folds beside it.

use crate::appearance::Appearance;
use crate::canvas::{Canvas, lit, mix};
use crate::painting::features::Features;
use crate::shapes::{Point, at, smoothstep, stroke};

pub(crate) fn paint(canvas: &mut Canvas, looks: &Appearance, features: &Features) {
    let [left, right] = features.mouth;
    let half = 0.5 * (right.u - left.u);
    let middle = at(0.5 * (left.u + right.u), 0.5 * (left.v + right.v));
    // The line between the lips sags below the corners in a smile.
    let sag = 0.085 * looks.smile + 0.01;
    let gap = if looks.smiles { 0.055 + 0.03 * looks.smile } else { 0.0 };
    // 1 in the middle, 0 at the corners.
    let arch = |u: f32| (1.0 - ((u - middle.u) / half).powi(2)).max(0.0);
    let line = |u: f32| middle.v + sag * arch(u);
    let inside = |u: f32| (u - middle.u).abs() - half;

    let upper_edge = |u: f32| {
        let dip = 0.022 * smoothstep(0.10, 0.0, (u - middle.u).abs());
        line(u) - gap * 0.4 * arch(u) - (0.075 - 0.015 * looks.smile.max(0.0)) * arch(u).sqrt() + dip
    };
    let lower_edge = |u: f32| line(u) + gap * 0.6 * arch(u) + 0.095 * arch(u).powf(0.8);
    canvas.paint(
        (middle, 0.6),
        0.02,
        |p| (upper_edge(p.u) - p.v).max(p.v - lower_edge(p.u)).max(inside(p.u)),
        |p, old| {
            let below = p.v > line(p.u);
            let shine =
                smoothstep(0.05, 0.0, (p - at(middle.u, line(middle.u) + gap * 0.6 + 0.045)).length());
            let colour = lit(looks.lips, if below { 1.0 } else { 0.80 });
            mix(mix(old, colour, 0.88), [1.0, 0.92, 0.90], 0.30 * shine)
        },
    );
    if gap > 0.0 {
        let top = |u: f32| line(u) - gap * 0.4 * arch(u);
        let bottom = |u: f32| line(u) + gap * 0.6 * arch(u);
        let opening = |p: Point| (top(p.u) - p.v).max(p.v - bottom(p.u)).max(inside(p.u) + 0.03);
        canvas.paint((middle, 0.5), 0.015, opening, |p, _| {
            let teeth = smoothstep(0.95, 0.55, (p.v - top(p.u)) / (bottom(p.u) - top(p.u)).max(1e-3));
            let dark_ends = 1.0 - 0.45 * ((p.u - middle.u) / half).powi(2);
            mix([0.22, 0.07, 0.07], lit([0.95, 0.94, 0.90], dark_ends), teeth)
        });
    } else {
        canvas.tint(
            (middle, 0.5),
            |p| 0.85 * smoothstep(0.018, 0.0, (p.v - line(p.u)).abs()) * smoothstep(0.01, -0.02, inside(p.u)),
            |_, old| lit(old, 0.38),
        );
    }
    // Corners, the shadow under the lower lip, and smile lines.
    for corner in [left, right] {
        canvas.tint(
            (corner, 0.1),
            |p| 0.55 * smoothstep(0.045, 0.0, (p - corner).length()),
            |_, old| lit(old, 0.55),
        );
    }
    let under = at(middle.u, lower_edge(middle.u) + 0.055);
    canvas.tint(
        (under, 0.3),
        |p| 0.35 * smoothstep(1.0, 0.1, at((p.u - under.u) / (half * 0.65), (p.v - under.v) / 0.05).length()),
        |_, old| lit(old, 0.70),
    );
    if looks.smile > 0.1 {
        for (side, corner) in [(-1.0_f32, left), (1.0, right)] {
            let from = at(features.nose.u + side * (looks.nose_width + 0.06), features.nose.v + 0.0);
            let to = corner + at(side * 0.07, 0.03);
            let bend = at(0.5 * (from.u + to.u) + side * 0.09, 0.5 * (from.v + to.v));
            canvas.tint(
                (bend, 0.4),
                |p| 0.34 * looks.smile * smoothstep(0.03, -0.004, stroke(p, from, bend, to, |_| 0.006)),
                |_, old| lit(old, 0.62),
            );
        }
    }
}
