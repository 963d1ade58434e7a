//! The low pass beside the doubling and halving of style-based networks (arXiv:1812.04948, section 2, table 1).

#![allow(
    clippy::inline_always,
    reason = "what the loops call must become part of the functions that are compiled for each instruction set"
)]

use multiversion::multiversion;
use tch::{Device, Kind, Tensor};

use crate::compute_path::is_ours;
use crate::kernels::KERNELS;
use crate::number::{Bf16, Number};
use crate::resampling::dims4;
use crate::torch_bridge::{self, fill, numbers, parallel_chunks};

/// Each pixel with its neighbours, weighted 1 2 1 in both axes, over 16; zeros beyond the edges: `[N,C,H,W]` to the
/// same shape. Its own adjoint, so differentiable any number of times.
pub fn blur(x: &Tensor) -> Tensor {
    if is_ours(x) {
        let by_pixel = x.permute([0, 2, 3, 1]).contiguous(); // [N,H,W,C]
        if let Ok(y) = torch_bridge::blur(KERNELS, &by_pixel) {
            return y.permute([0, 3, 1, 2]);
        }
    }
    by_library(x)
}

fn by_library(x: &Tensor) -> Tensor {
    let (_, channels, _, _) = dims4(x);
    let kernel = kernel_of(channels).to_device(x.device()).to_kind(x.kind());
    x.conv2d::<Tensor>(&kernel, None, 1, 1, 1, channels)
}

/// [`blur`] as the kernel of a convolution in as many groups as there are channels, `[C,1,3,3]`.
pub(crate) fn kernel_of(channels: i64) -> Tensor {
    let row = Tensor::from_slice(&[0.25_f32, 0.5, 0.25]);
    row.outer(&row).view([1, 1, 3, 3]).repeat([channels, 1, 1, 1])
}

/// [`blur`] of `[N,H,W,C]`, contiguous; `None` for what it does not take.
pub(crate) fn kernel(x: &Tensor) -> Option<Tensor> {
    match x.kind() {
        Kind::Float => in_format::<f32>(x),
        Kind::BFloat16 => in_format::<Bf16>(x),
        _ => None,
    }
}

fn in_format<E: Number>(x: &Tensor) -> Option<Tensor> {
    let [_, height, width, channels] = x.size()[..] else { return None };
    let [height, width, channels] = [height, width, channels].map(|side| side as usize);
    let values = numbers::<E>(x)?;
    let mut result = Tensor::empty(x.size(), (E::KIND, Device::Cpu));
    let row_len = width * channels;
    fill(&mut result, |result| {
        parallel_chunks(result, row_len, |row, result| {
            let (image, y) = (&values[row / height * height * row_len..][..height * row_len], row % height);
            let at = |y: usize| image.get(y * row_len..(y + 1) * row_len);
            let (above, below) = (y.checked_sub(1).and_then(at), at(y + 1));
            let this = &image[y * row_len..(y + 1) * row_len];
            blur_row(above, this, below, channels, result);
        });
    })?;
    Some(result)
}

/// One row of pixels from three.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+fma", "x86_64+avx2+fma"))]
fn blur_row<E: Number>(
    above: Option<&[E]>,
    this: &[E],
    below: Option<&[E]>,
    channels: usize,
    result: &mut [E],
) {
    // Down first, into a row with a pixel of zeros at either end.
    let len = this.len();
    let mut sums = vec![0.0_f32; len + 2 * channels];
    let inner = &mut sums[channels..channels + len];
    for (sum, value) in inner.iter_mut().zip(this) {
        *sum = value.widened() * 2.0;
    }
    for neighbour in [above, below].into_iter().flatten() {
        for (sum, value) in inner.iter_mut().zip(neighbour) {
            *sum += value.widened();
        }
    }
    let (left, right) = (&sums[..len], &sums[2 * channels..]);
    let middle = &sums[channels..channels + len];
    for (((result, left), middle), right) in result.iter_mut().zip(left).zip(middle).zip(right) {
        *result = E::nearest((left + 2.0 * middle + right) * (1.0 / 16.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(shape: &[i64]) -> Tensor {
        let count: i64 = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|k| (k as f32 * 0.7).sin()).collect();
        Tensor::from_slice(&values).view(shape)
    }

    #[test]
    fn it_is_the_convolution_with_1_2_1() {
        for shape in [[2, 3, 4, 8], [1, 1, 1, 1], [1, 17, 2, 1], [3, 33, 8, 8]] {
            let x = picture(&shape);
            let far = (blur(&x) - by_library(&x)).abs().max().double_value(&[]);
            assert!(far < 1e-6, "{shape:?}: {far}");
            let half = blur(&x.to_kind(Kind::BFloat16)).to_kind(Kind::Float);
            let expected = by_library(&x.to_kind(Kind::BFloat16).to_kind(Kind::Float));
            let far = (half - expected).abs().max().double_value(&[]);
            assert!(far < 1.0 / 256.0, "{shape:?}: {far}");
        }
    }

    #[test]
    fn its_first_and_second_derivatives_are_those_of_the_convolution() {
        let gradients = |blur: fn(&Tensor) -> Tensor| {
            let x = picture(&[2, 5, 4, 4]).set_requires_grad(true);
            let cubes = blur(&x).pow_tensor_scalar(3.0).sum(Kind::Float);
            let first = Tensor::run_backward(&[cubes], &[&x], true, true).remove(0);
            let second =
                Tensor::run_backward(&[first.square().sum(Kind::Float)], &[&x], false, false).remove(0);
            [first, second]
        };
        for (ours, theirs) in gradients(blur).iter().zip(&gradients(by_library)) {
            let far = (ours - theirs).abs().max().double_value(&[]);
            assert!(far < 1e-5, "{far}");
        }
    }
}
