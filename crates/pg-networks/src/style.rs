//! What follows a convolution of the style-based generator (arXiv:1812.04948, section 2 and figure 1): noise, bias,
//! leaky rectifier, instance norm and style.

#![allow(
    clippy::inline_always,
    reason = "what the loops call must become part of the functions that are compiled for each instruction set"
)]

mod kernel;

use tch::{Kind, Tensor};

pub(crate) use self::kernel::{forward, gradients};
use crate::compute_path::is_ours;
use crate::kernels::KERNELS;
use crate::leaky_relu;
use crate::precision::widened;
use crate::torch_bridge;

/// Keeps the root of instance norm from zero.
pub(crate) const EPSILON: f64 = 1e-8;

/// One number for each pixel, added to every channel with a strength of its own.
#[derive(Debug)]
pub(crate) struct Noise<'a> {
    /// `[N,1,H,W]`, or `[1,1,H,W]` for all images.
    pub(crate) values: &'a Tensor,
    /// `[C]`.
    pub(crate) strength: &'a Tensor,
}

/// Features `[N,C,H,W]` to the same shape: with a = leaky rectifier of (x + noise strength + bias) and `style`
/// `[N,2C]`, scales before shifts, (a - mean a) / sqrt(variance a + 1e-8) (scale + 1) + shift; mean and variance of
/// each image and channel.
pub(crate) fn styled(x: &Tensor, noise: Option<&Noise<'_>>, bias: &Tensor, style: &Tensor) -> Tensor {
    if is_ours(x) && style.kind() == Kind::Float {
        let by_pixel = x.permute([0, 2, 3, 1]).contiguous(); // [N,H,W,C]
        let noise = noise.map(|noise| (noise.values, noise.strength));
        if let Ok(y) = torch_bridge::styled(KERNELS, &by_pixel, noise, bias, style) {
            return y.permute([0, 3, 1, 2]);
        }
    }
    by_library(x, noise, bias, style)
}

fn by_library(x: &Tensor, noise: Option<&Noise<'_>>, bias: &Tensor, style: &Tensor) -> Tensor {
    let by_channel = |values: &Tensor| values.view([1, -1, 1, 1]);
    let mut a = widened(x);
    if let Some(noise) = noise {
        a = &a + noise.values.to_kind(bias.kind()) * by_channel(noise.strength);
    }
    a = leaky_relu(&(a + by_channel(bias)));
    a = &a - a.mean_dim([2, 3].as_slice(), true, None::<Kind>);
    a = &a * (a.square().mean_dim([2, 3].as_slice(), true, None::<Kind>) + EPSILON).rsqrt();
    let parts = style.unsqueeze(-1).unsqueeze(-1).chunk(2, 1); // [N,C,1,1]
    (a * (&parts[0] + 1.0) + &parts[1]).to_kind(x.kind())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(shape: &[i64], seed: f64) -> Tensor {
        let count: i64 = shape.iter().product();
        let values: Vec<f32> =
            (0..count).map(|k| (((k as f64 + seed) * 78.233).sin() * 43758.5).fract() as f32).collect();
        Tensor::from_slice(&values).view(shape)
    }

    struct Inputs {
        x: Tensor,
        noise: Tensor,
        strength: Tensor,
        bias: Tensor,
        style: Tensor,
    }

    impl Inputs {
        fn new([n, c, h, w]: [i64; 4], noises: i64) -> Self {
            let leaf = |shape: &[i64], seed| numbers(shape, seed).set_requires_grad(true);
            Self {
                x: leaf(&[n, c, h, w], 1.0),
                noise: numbers(&[noises, 1, h, w], 2.0),
                strength: leaf(&[c], 3.0),
                bias: leaf(&[c], 4.0),
                style: leaf(&[n, 2 * c], 5.0),
            }
        }

        fn wide(&self) -> Self {
            let leaf = |t: &Tensor| t.detach().to_kind(Kind::Double).set_requires_grad(true);
            Self {
                x: leaf(&self.x),
                noise: self.noise.to_kind(Kind::Double),
                strength: leaf(&self.strength),
                bias: leaf(&self.bias),
                style: leaf(&self.style),
            }
        }

        fn result(&self, with_noise: bool) -> Tensor {
            let noise = Noise { values: &self.noise, strength: &self.strength };
            styled(&self.x, with_noise.then_some(&noise), &self.bias, &self.style)
        }

        /// The result, its gradients against fixed weights, and the gradients of the sum of their squares.
        fn derivatives(&self, with_noise: bool) -> Vec<Tensor> {
            let mut leaves = vec![&self.x, &self.bias, &self.style];
            if with_noise {
                leaves.push(&self.strength);
            }
            let y = self.result(with_noise);
            let g = numbers(&y.size(), 9.0).to_kind(y.kind());
            let along = (&y * &g).sum(None::<Kind>);
            let plain = Tensor::run_backward(&[&along], &leaves, true, false);
            let first = Tensor::run_backward(&[&along], &leaves, true, true);
            let squares = first.iter().map(|t| t.square().sum(None::<Kind>)).reduce(|a, b| a + b).unwrap();
            let second = Tensor::run_backward(&[squares], &leaves, false, false);
            [y].into_iter().chain(plain).chain(first).chain(second).collect()
        }
    }

    #[test]
    fn the_kernel_and_its_derivatives_are_those_of_the_formula() {
        for (shape, noises) in [([2, 3, 4, 4], 2), ([3, 17, 8, 8], 1), ([1, 16, 4, 2], 1), ([2, 45, 3, 5], 2)]
        {
            let inputs = Inputs::new(shape, noises);
            for with_noise in [true, false] {
                let ours = inputs.derivatives(with_noise);
                let exact = inputs.wide().derivatives(with_noise);
                assert_eq!(ours.len(), exact.len());
                for (index, (a, b)) in ours.iter().zip(&exact).enumerate() {
                    let far = (a.to_kind(Kind::Double) - b).abs().max().double_value(&[]);
                    let size = b.abs().max().double_value(&[]).max(1.0);
                    assert!(far < 1e-4 * size, "{shape:?}, {index}: {far} of {size}");
                }
            }
        }
    }

    #[test]
    fn images_of_bf16_are_worked_on_in_f32() {
        let inputs = Inputs::new([2, 32, 8, 8], 2);
        let half = inputs.x.detach().to_kind(Kind::BFloat16);
        let noise = Noise { values: &inputs.noise, strength: &inputs.strength };
        let of = |x: &Tensor| tch::no_grad(|| styled(x, Some(&noise), &inputs.bias, &inputs.style));
        let (found, expected) = (of(&half), of(&half.to_kind(Kind::Float)));
        assert_eq!(found.kind(), Kind::BFloat16);
        let far = (found.to_kind(Kind::Float) - &expected).abs().max().double_value(&[]);
        assert!(far < expected.abs().max().double_value(&[]) / 128.0, "{far}");
    }

    #[test]
    fn every_map_has_the_mean_and_deviation_that_the_style_asks_for() {
        let inputs = Inputs::new([2, 5, 16, 16], 2);
        let y = inputs.result(true).detach();
        let parts = inputs.style.detach().chunk(2, 1);
        let mean = y.mean_dim([2, 3].as_slice(), false, None::<Kind>);
        let deviation = y.flatten(2, -1).std_dim(2, false, false);
        assert!((mean - &parts[1]).abs().max().double_value(&[]) < 1e-5);
        assert!((deviation - (&parts[0] + 1.0).abs()).abs().max().double_value(&[]) < 1e-4);
    }
}
