//! Formats that activations are kept in.

use tch::Kind;

/// A number of a tensor that is worked on as f32.
pub(crate) trait Number: Copy + Send + Sync + 'static {
    /// libtorch's name; its numbers have this type's size and alignment, and every pattern of bits is one.
    const KIND: Kind;

    fn widened(self) -> f32;

    /// The nearest number of this format; of two, the even one.
    fn nearest(value: f32) -> Self;
}

impl Number for f32 {
    const KIND: Kind = Kind::Float;

    #[allow(clippy::inline_always, reason = "part of the functions compiled for each instruction set")]
    #[inline(always)]
    fn widened(self) -> f32 {
        self
    }

    #[allow(clippy::inline_always, reason = "part of the functions compiled for each instruction set")]
    #[inline(always)]
    fn nearest(value: f32) -> Self {
        value
    }
}

/// The upper half of an f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Bf16(u16);

impl Number for Bf16 {
    const KIND: Kind = Kind::BFloat16;

    #[allow(clippy::inline_always, reason = "part of the functions compiled for each instruction set")]
    #[inline(always)]
    fn widened(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }

    #[allow(clippy::inline_always, reason = "part of the functions compiled for each instruction set")]
    #[inline(always)]
    fn nearest(value: f32) -> Self {
        let bits = value.to_bits();
        let rounded = bits.wrapping_add(0x7FFF + ((bits >> 16) & 1)) >> 16;
        // Rounding could make an infinity of a NaN, or a zero.
        Self(if value.is_nan() { 0x7FC0 } else { rounded as u16 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Tensor;

    #[test]
    fn rounding_to_bf16_is_libtorchs() {
        let mut values: Vec<f32> = (0..200_000_u32).map(|i| f32::from_bits(i.wrapping_mul(21_473))).collect();
        values.extend([
            0.0,
            -0.0,
            f32::MAX,
            f32::MIN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::MIN_POSITIVE,
            1.003_906_3,
        ]);
        values.retain(|value| !value.is_nan());
        let theirs = Tensor::from_slice(&values).to_kind(Kind::BFloat16).to_kind(Kind::Float);
        let theirs = Vec::<f32>::try_from(theirs).unwrap();
        for (value, expected) in values.into_iter().zip(theirs) {
            assert_eq!(Bf16::nearest(value).widened().to_bits(), expected.to_bits(), "{value:e}");
        }
        assert!(Bf16::nearest(f32::NAN).widened().is_nan());
        assert!(Bf16::nearest(f32::from_bits(0x7F80_0001)).widened().is_nan());
    }
}
