//! Signed distances of simple shapes in the head's frame: negative inside, in head units.
//!
//! Ellipses are only nearly distances; near their edge, where coverage is taken, the error is small.

/// A point or vector in the head's frame: u to the right, v down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    pub(crate) u: f32,
    pub(crate) v: f32,
}

pub(crate) const fn at(u: f32, v: f32) -> Point {
    Point { u, v }
}

impl std::ops::Sub for Point {
    type Output = Point;
    fn sub(self, other: Point) -> Point {
        at(self.u - other.u, self.v - other.v)
    }
}

impl std::ops::Add for Point {
    type Output = Point;
    fn add(self, other: Point) -> Point {
        at(self.u + other.u, self.v + other.v)
    }
}

impl Point {
    pub(crate) fn scaled(self, by: f32) -> Point {
        at(self.u * by, self.v * by)
    }

    pub(crate) fn length(self) -> f32 {
        // Not hypot: its care for huge and tiny values costs more than all the rest here.
        (self.u * self.u + self.v * self.v).sqrt()
    }
}

/// An upright ellipse with half-axes `radii`.
pub(crate) fn ellipse(p: Point, centre: Point, radii: Point) -> f32 {
    let d = p - centre;
    let scaled = at(d.u / radii.u, d.v / radii.v);
    let gradient = at(scaled.u / radii.u, scaled.v / radii.v);
    let k = scaled.length();
    if k < 1e-6 { -radii.u.min(radii.v) } else { k * (k - 1.0) / gradient.length() }
}

/// An egg: two half ellipses, `up` high above the centre and `down` below it, where it gets narrower
/// by `taper` towards its end.
pub(crate) fn egg(p: Point, centre: Point, half_width: f32, (up, down): (f32, f32), taper: f32) -> f32 {
    let below = ((p.v - centre.v) / down).clamp(0.0, 1.0);
    let width = half_width * (1.0 - (1.0 - taper) * below * below);
    ellipse(p, centre, at(width, if p.v < centre.v { up } else { down }))
}

/// A quadratic curve from `a` through the direction of `b` to `c`, as a stroke of half-width
/// `width(t)` with t from 0 to 1 along it.
pub(crate) fn stroke(p: Point, a: Point, b: Point, c: Point, width: impl Fn(f32) -> f32) -> f32 {
    const PIECES: usize = 8;
    let on_curve = |t: f32| {
        let s = 1.0 - t;
        a.scaled(s * s) + b.scaled(2.0 * s * t) + c.scaled(t * t)
    };
    let mut best = f32::INFINITY;
    let mut from = a;
    for piece in 1..=PIECES {
        let to = on_curve(piece as f32 / PIECES as f32);
        let along = to - from;
        let rel = p - from;
        let h = ((rel.u * along.u + rel.v * along.v) / (along.u * along.u + along.v * along.v).max(1e-9))
            .clamp(0.0, 1.0);
        let t = (piece as f32 - 1.0 + h) / PIECES as f32;
        best = best.min((rel - along.scaled(h)).length() - width(t));
        from = to;
    }
    best
}

/// The overlap of two circles: an almond of the given half-width and half-height.
pub(crate) fn almond(p: Point, centre: Point, half_width: f32, half_height: f32) -> f32 {
    let d = p - centre;
    let radius = (half_width * half_width + half_height * half_height) / (2.0 * half_height);
    let offset = radius - half_height;
    let upper = at(d.u, d.v - offset).length() - radius;
    let lower = at(d.u, d.v + offset).length() - radius;
    upper.max(lower)
}

/// 0 below `low`, 1 above `high`, smooth between.
pub(crate) fn smoothstep(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}
