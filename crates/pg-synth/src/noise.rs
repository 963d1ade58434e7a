//! Smooth value noise for texture: hair, skin, cloth, backgrounds.

/// A hash of a lattice point to [0, 1).
fn lattice(x: i32, y: i32, seed: u32) -> f32 {
    let mut h = (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77) ^ seed;
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    ((h ^ (h >> 15)) >> 8) as f32 / (1_u32 << 24) as f32
}

/// The integer at or below `x`; `f32::floor` is a library call on baseline x86-64.
fn floor(x: f32) -> i32 {
    let truncated = x as i32;
    truncated - i32::from(x < truncated as f32)
}

/// Value noise in [0, 1), smooth, one feature per unit.
pub(crate) fn smooth(x: f32, y: f32, seed: u32) -> f32 {
    let (ix, iy) = (floor(x), floor(y));
    let (fx, fy) = (ix as f32, iy as f32);
    let ease = |t: f32| t * t * (3.0 - 2.0 * t);
    let (tx, ty) = (ease(x - fx), ease(y - fy));
    let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
    let top = mix(lattice(ix, iy, seed), lattice(ix + 1, iy, seed), tx);
    let bottom = mix(lattice(ix, iy + 1, seed), lattice(ix + 1, iy + 1, seed), tx);
    mix(top, bottom, ty)
}

/// Three octaves of [`smooth`], in [0, 1).
pub(crate) fn fractal(x: f32, y: f32, seed: u32) -> f32 {
    (smooth(x, y, seed) * 4.0
        + smooth(x * 2.1, y * 2.1, seed ^ 0x51) * 2.0
        + smooth(x * 4.3, y * 4.3, seed ^ 0xA7))
        / 7.0
}

/// White noise in [-1, 1) per pixel.
pub(crate) fn grain(x: usize, y: usize, seed: u32) -> f32 {
    lattice(x as i32, y as i32, seed) + lattice(x as i32, y as i32, seed ^ 0x5BD1_E995) - 1.0
}
