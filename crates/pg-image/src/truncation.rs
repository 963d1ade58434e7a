//! Truncating floats to bytes many at a time.
#![allow(
    unsafe_code,
    reason = "the checked cast looks at every value for NaN, which keeps loops from being vectorised"
)]

/// The whole part of `v`, clamped to 0..=255; 0 for NaN: `v as u8`, but loops of it are vectorised.
#[inline]
#[must_use]
pub fn truncated(v: f32) -> u8 {
    #[allow(clippy::manual_clamp, reason = "`clamp` leaves NaN as it is")]
    let v = v.max(0.0).min(255.0);
    // SAFETY: `max` returns the number where the other is NaN, so v lies in 0..=255.
    unsafe { v.to_int_unchecked::<i32>() as u8 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_cast() {
        for v in
            [f32::NEG_INFINITY, -1.0, -0.0, 0.0, 0.99, 1.0, 254.999_98, 255.0, 256.0, f32::INFINITY, f32::NAN]
        {
            assert_eq!(truncated(v), v as u8, "{v}");
        }
    }
}
