//! How the weights of a layer that are trained become those that it computes with.

use tch::{TchError, Tensor};

use crate::parameters::ParameterBuilder;
use crate::spectral_norm::{SpectralNorm, spectral_norm_of};

/// sqrt(2): He's gain before a rectifier.
pub(crate) const GAIN_RELU: f64 = std::f64::consts::SQRT_2;
/// Gain of linear outputs.
pub(crate) const GAIN_LINEAR: f64 = 1.0;

/// How a network's weights are drawn and scaled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct WeightStyle {
    /// Equalised learning rate (arXiv:1710.10196, section 4.1): drawn from N(0, 1) and scaled at run time by
    /// gain / sqrt(fan_in), the constant of He's initialiser, so that every weight sees the same effective
    /// learning rate under Adam. Else drawn with that constant as standard deviation, and used as they are.
    pub(crate) equalized: bool,
    /// Divided by their largest singular value (arXiv:1802.05957), whatever their scale.
    pub(crate) spectral: bool,
    /// Factor of weights and biases at run time; weights are drawn larger by its inverse, so that only the
    /// learning rate differs (arXiv:1812.04948, appendix C).
    pub(crate) lr_multiplier: f64,
}

/// The weights of one layer, `[outputs,…]`.
#[derive(Debug)]
pub(crate) struct Weight {
    trained: Tensor,
    scale: f64,
    spectral: Option<SpectralNorm>,
}

impl Weight {
    /// Fan in is the number of weights of one output.
    pub(crate) fn new(
        builder: &mut ParameterBuilder<'_>,
        name: &str,
        shape: &[i64],
        gain: f64,
        style: WeightStyle,
    ) -> Self {
        let fan_in: i64 = shape.iter().skip(1).product();
        let constant = gain / (fan_in as f64).sqrt();
        let (deviation, scale) = if style.equalized { (1.0, constant) } else { (constant, 1.0) };
        let (deviation, scale) = (deviation / style.lr_multiplier, scale * style.lr_multiplier);
        let trained = builder.normal(format!("{name}.weight"), shape, deviation);
        let spectral = style.spectral.then(|| SpectralNorm::new(builder, name, shape[0]));
        Self { trained, scale, spectral }
    }

    /// The weights and the factor that goes with them.
    pub(crate) fn effective(&self) -> (Tensor, f64) {
        match &self.spectral {
            None => (self.trained.shallow_clone(), self.scale),
            Some(norm) => (&self.trained / spectral_norm_of(&self.trained, norm), 1.0),
        }
    }

    /// Takes the estimate of the largest singular value one iteration further.
    pub(crate) fn refresh(&self) -> Result<(), TchError> {
        self.spectral.as_ref().map_or(Ok(()), |norm| norm.iterate(&self.trained))
    }

    /// Clips the weights as they act, in place, to [-bound, bound] (arXiv:1701.07875, algorithm 1).
    pub(crate) fn clip(&self, bound: f64) -> Result<(), TchError> {
        tch::no_grad(|| {
            let bound = bound / self.scale;
            self.trained.shallow_clone().f_clamp_(-bound, bound).map(drop)
        })
    }
}

/// Clips biases as [`Weight::clip`] does weights.
pub(crate) fn clip_bias(bias: &Tensor, bound: f64) -> Result<(), TchError> {
    tch::no_grad(|| bias.shallow_clone().f_clamp_(-bound, bound).map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    fn weight(style: WeightStyle) -> Weight {
        tch::manual_seed(3);
        let mut draw =
            |n: usize| Vec::<f32>::try_from(Tensor::randn([n as i64], tch::kind::FLOAT_CPU)).unwrap();
        let mut builder = ParameterBuilder::new(Device::Cpu, &mut draw);
        Weight::new(&mut builder, "w", &[40, 25, 3, 3], GAIN_RELU, style)
    }

    #[test]
    fn weights_act_with_the_constant_of_he_whether_scaled_or_drawn_so() {
        let he = (2.0_f64 / 225.0).sqrt();
        for equalized in [true, false] {
            let weight = weight(WeightStyle { equalized, spectral: false, lr_multiplier: 1.0 });
            let (trained, scale) = weight.effective();
            assert!((scale - if equalized { he } else { 1.0 }).abs() < 1e-12, "{scale}");
            let deviation = (trained * scale).std(true).double_value(&[]);
            // Five standard errors of 9000 numbers.
            assert!((deviation / he - 1.0).abs() < 5.0 / 18000.0_f64.sqrt(), "{deviation} {he}");
        }
    }

    #[test]
    fn weights_with_spectral_norm_have_a_largest_singular_value_of_one() {
        let weight = weight(WeightStyle { equalized: true, spectral: true, lr_multiplier: 1.0 });
        for _ in 0..100 {
            weight.refresh().unwrap();
        }
        let (effective, scale) = weight.effective();
        let matrix = (effective * scale).flatten(1, -1).to_kind(Kind::Double);
        let (_, values, _) = matrix.svd(true, false);
        let largest = values.double_value(&[0]);
        assert!((largest - 1.0).abs() < 1e-4, "{largest}");
    }
}
