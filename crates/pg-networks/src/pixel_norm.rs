//! Pixelwise feature vector normalisation (arXiv:1710.10196, section 4.2).

use tch::{Kind, Tensor};

pub(crate) const EPSILON: f64 = 1e-8;

/// x / sqrt(mean over channels of x^2 + 1e-8): `[N,C,...]` to the same shape.
pub fn pixel_norm(x: &Tensor) -> Tensor {
    if x.kind() == Kind::BFloat16 {
        // The sum over channels in f32.
        let factor = ((x * x).mean_dim(1, true, Kind::Float) + EPSILON).rsqrt();
        return x * factor.to_kind(x.kind());
    }
    x * ((x * x).mean_dim(1, true, None::<Kind>) + EPSILON).rsqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_has_unit_mean_square_afterwards() {
        tch::manual_seed(2);
        let x = Tensor::randn([3, 16, 4, 4], tch::kind::FLOAT_CPU) * 7.0;
        let y = pixel_norm(&x);
        let deviation = ((&y * &y).mean_dim(1, false, Kind::Float) - 1.0).abs().max().double_value(&[]);
        assert!(deviation < 1e-6, "{deviation}");
    }
}
