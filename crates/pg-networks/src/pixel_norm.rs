//! Pixelwise feature vector normalisation (arXiv:1710.10196, section 4.2).

#![allow(
    clippy::inline_always,
    reason = "what the loops call must become part of the functions that are compiled for each instruction set"
)]

use multiversion::multiversion;
use tch::{Device, Kind, Tensor};

use crate::compute_path::is_ours;
use crate::kernels::KERNELS;
use crate::number::{Bf16, Number};
use crate::torch_bridge::{self, fill, numbers, parallel_chunks};

pub(crate) const EPSILON: f64 = 1e-8;

/// x / sqrt(mean over channels of x^2 + 1e-8): `[N,C,...]` to the same shape.
pub fn pixel_norm(x: &Tensor) -> Tensor {
    if is_ours(x) && x.dim() == 4 {
        let by_pixel = x.permute([0, 2, 3, 1]).contiguous(); // [N,H,W,C]
        if let Ok(y) = torch_bridge::pixel_norm(KERNELS, &by_pixel) {
            return y.permute([0, 3, 1, 2]);
        }
    }
    if x.kind() == Kind::BFloat16 {
        // The sum over channels in f32.
        let factor = ((x * x).mean_dim(1, true, Kind::Float) + EPSILON).rsqrt();
        return x * factor.to_kind(x.kind());
    }
    x * ((x * x).mean_dim(1, true, None::<Kind>) + EPSILON).rsqrt()
}

/// Pixels worked on by a thread at a time.
const PIXELS: usize = 64;

/// Pixel norm of `[…,C]`, f32 or bf16 with sums in f32, in one pass, or with `gradient` of its result the gradient of its input:
/// r (g - y mean(g y)) with r = 1 / sqrt(mean x^2 + 1e-8), y = r x.
pub(crate) fn kernel(x: &Tensor, gradient: Option<&Tensor>) -> Option<Tensor> {
    match x.kind() {
        Kind::Float => in_format::<f32>(x, gradient),
        Kind::BFloat16 => in_format::<Bf16>(x, gradient),
        _ => None,
    }
}

fn in_format<E: Number>(x: &Tensor, gradient: Option<&Tensor>) -> Option<Tensor> {
    let channels = usize::try_from(*x.size().last()?).ok().filter(|&c| c > 0)?;
    let values = numbers::<E>(x)?;
    let gradient = match gradient {
        Some(gradient) if gradient.size() != x.size() => return None,
        Some(gradient) => Some(numbers::<E>(gradient)?),
        None => None,
    };
    let mut result = Tensor::empty(x.size(), (E::KIND, Device::Cpu));
    fill(&mut result, |result| {
        parallel_chunks(result, PIXELS * channels, |index, result| {
            let part = index * PIXELS * channels..index * PIXELS * channels + result.len();
            match gradient {
                None => normalise(&values[part], channels, result),
                Some(gradient) => differentiate(&values[part.clone()], &gradient[part], channels, result),
            }
        });
    })?;
    Some(result)
}

/// Sums kept apart, so that they are added in vector instructions.
const LANES: usize = 16;

#[multiversion(targets("x86_64+avx512f+avx512vl+fma", "x86_64+avx2+fma"))]
fn normalise<E: Number>(x: &[E], channels: usize, y: &mut [E]) {
    for (x, y) in x.chunks_exact(channels).zip(y.chunks_exact_mut(channels)) {
        let factor = factor_of(x);
        for (y, x) in y.iter_mut().zip(x) {
            *y = E::nearest(x.widened() * factor);
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+fma", "x86_64+avx2+fma"))]
fn differentiate<E: Number>(x: &[E], g: &[E], channels: usize, result: &mut [E]) {
    let pixels = x.chunks_exact(channels).zip(g.chunks_exact(channels));
    for ((x, g), result) in pixels.zip(result.chunks_exact_mut(channels)) {
        let factor = factor_of(x);
        let along = product(x, g) / channels as f32 * factor * factor * factor;
        for (result, (x, g)) in result.iter_mut().zip(x.iter().zip(g)) {
            *result = E::nearest(factor * g.widened() - along * x.widened());
        }
    }
}

#[inline(always)]
fn factor_of<E: Number>(x: &[E]) -> f32 {
    1.0 / (product(x, x) / x.len() as f32 + EPSILON as f32).sqrt()
}

#[inline(always)]
fn product<E: Number>(a: &[E], b: &[E]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a.widened() * b.widened();
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a.widened() * b.widened()).sum();
    sums.iter().sum::<f32>() + rest
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

    #[test]
    fn the_kernel_and_both_its_derivatives_are_those_of_the_formula() {
        for channels in [1, 7, 16, 45] {
            let random = |seed: f64| {
                let numbers: Vec<f32> =
                    (0..2 * channels * 15).map(|k| ((k as f64 + seed) * 0.73).sin() as f32).collect();
                Tensor::from_slice(&numbers).view([2, channels, 5, 3])
            };
            let (x, g, u) =
                (random(0.0).set_requires_grad(true), random(0.4).set_requires_grad(true), random(0.9));
            let derivatives = |x: &Tensor, g: &Tensor| {
                let y = pixel_norm(x);
                let first = Tensor::run_backward(&[(&y * g).sum(None::<Kind>)], &[x], true, true).remove(0);
                let plain =
                    Tensor::run_backward(&[(pixel_norm(x) * g).sum(None::<Kind>)], &[x], false, false);
                let along = (&first * u.to_kind(x.kind())).sum(None::<Kind>);
                let second = Tensor::run_backward(&[along], &[x, g], false, false);
                [y, first].into_iter().chain(plain).chain(second).collect::<Vec<_>>()
            };
            let wide = |t: &Tensor| t.detach().to_kind(Kind::Double).set_requires_grad(true);
            for (index, (a, b)) in
                derivatives(&x, &g).iter().zip(derivatives(&wide(&x), &wide(&g))).enumerate()
            {
                let far = (a.to_kind(Kind::Double) - &b).abs().max().double_value(&[]);
                let size = b.abs().max().double_value(&[]).max(1.0);
                assert!(far < 1e-4 * size, "{channels} channels, {index}: {far} of {size}");
            }
        }
    }
}
