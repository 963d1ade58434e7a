//! Minibatch discrimination (arXiv:1606.03498, section 3.2): features that tell how near the others of the
//! minibatch are; configuration (e*) of the ablation of ProGAN's table 1.

use tch::{Kind, Tensor};

use crate::parameters::ParameterBuilder;

/// Components of each kernel's space, C in the paper.
const COMPONENTS: i64 = 5;
const DEVIATION: f64 = 0.05;

/// The tensor T `[A,B,C]` of the paper, as `[A,B*C]`.
#[derive(Debug)]
pub(crate) struct MinibatchDiscrimination {
    weight: Tensor,
    kernels: i64,
}

impl MinibatchDiscrimination {
    /// From `inputs` features, A, by `kernels` kernels, B.
    pub(crate) fn new(builder: &mut ParameterBuilder<'_>, name: &str, inputs: i64, kernels: i64) -> Self {
        let shape = [inputs, kernels * COMPONENTS];
        // Distances of a usual size at the start, for the sums are over thousands of inputs.
        let deviation = DEVIATION * (512.0 / inputs as f64).sqrt();
        Self { weight: builder.normal(format!("{name}.weight"), &shape, deviation), kernels }
    }

    /// A handle for one pass.
    pub(crate) fn share(&self) -> Self {
        Self { weight: self.weight.shallow_clone(), kernels: self.kernels }
    }

    /// Features `[N,A]` to `[N,A+B]`: appended are o(x_i)_b = sum over j other than i of
    /// exp(-|M_i,b - M_j,b|_1), M = f T.
    pub(crate) fn forward(&self, features: &Tensor) -> Tensor {
        let m = features.matmul(&self.weight).view([-1, self.kernels, COMPONENTS]); // [N,B,C]
        let distances = (m.unsqueeze(0) - m.unsqueeze(1)).abs().sum_dim_intlist(-1, false, None::<Kind>); // [N,N,B]
        // An image's distance to itself is 0 and adds 1.
        let near = distances.neg().exp().sum_dim_intlist(0, false, None::<Kind>) - 1.0; // [N,B]
        Tensor::cat(&[features, &near], 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn the_features_are_sums_of_exponentials_of_distances() {
        let mut draw = |n: usize| (0..n).map(|k| (k as f32 * 0.37).sin()).collect();
        let (n, a, b) = (3_usize, 4_usize, 2_usize);
        let mut builder = ParameterBuilder::new(Device::Cpu, &mut draw);
        let layer = MinibatchDiscrimination::new(&mut builder, "m", a as i64, b as i64);
        let x: Vec<f32> = (0..n * a).map(|k| (k as f32 * 0.11).cos()).collect();
        let y = layer.forward(&Tensor::from_slice(&x).view([n as i64, a as i64]));
        assert_eq!(y.size(), [n as i64, (a + b) as i64]);
        let t = Vec::<f32>::try_from(layer.weight.detach().flatten(0, -1)).unwrap();
        let c = COMPONENTS as usize;
        let m = |i: usize, b_: usize, c_: usize| -> f64 {
            (0..a).map(|k| f64::from(x[i * a + k]) * f64::from(t[(k * b + b_) * c + c_])).sum()
        };
        for i in 0..n {
            for b_ in 0..b {
                let expected: f64 = (0..n)
                    .filter(|&j| j != i)
                    .map(|j| (-(0..c).map(|c_| (m(i, b_, c_) - m(j, b_, c_)).abs()).sum::<f64>()).exp())
                    .sum();
                let found = y.double_value(&[i as i64, (a + b_) as i64]);
                assert!((found - expected).abs() < 1e-5, "{found} {expected}");
            }
        }
    }
}
