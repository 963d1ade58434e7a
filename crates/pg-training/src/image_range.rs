//! Between stored bytes and network values.

use tch::{Kind, Tensor};

/// Bytes 0..=255 to f32 in [-1, 1]: x / 127.5 - 1. Shape unchanged. What is f32 already stays as it is.
pub fn reals_to_f32(bytes: &Tensor) -> Tensor {
    if bytes.kind() == Kind::Float {
        return bytes.shallow_clone();
    }
    bytes.to_kind(Kind::Float) * (1.0 / 127.5) - 1.0
}

/// Network output to bytes: x * 127.5 + 127.5, rounded half to even, saturated to 0..=255, as the
/// authors' program writes its images. Shape unchanged, on the CPU.
pub fn images_to_u8(images: &Tensor) -> Tensor {
    (images * 127.5 + 127.5).round().clamp(0.0, 255.0).to_kind(Kind::Uint8).to_device(tch::Device::Cpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_the_round_trip() {
        let bytes: Vec<u8> = (0..=255).collect();
        let back = images_to_u8(&reals_to_f32(&Tensor::from_slice(&bytes)));
        assert_eq!(Vec::<u8>::try_from(&back).unwrap(), bytes);
    }

    #[test]
    fn output_is_rounded_half_to_even_and_saturated() {
        // 0.5 and 1.5 grey levels above black, and far outside.
        let values = [0.5 / 127.5 - 1.0, 1.5 / 127.5 - 1.0, -3.0, 3.0].map(|v: f64| v as f32);
        let bytes = images_to_u8(&Tensor::from_slice(&values));
        assert_eq!(Vec::<u8>::try_from(&bytes).unwrap()[2..], [0, 255]);
        let exact = Tensor::from_slice(&[0.5_f64, 1.5, 2.5]).round();
        assert_eq!(Vec::<f64>::try_from(&exact).unwrap(), [0.0, 2.0, 2.0]);
    }
}
