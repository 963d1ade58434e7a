//! Noise, bias, rectifier, instance norm and style in two passes over each image, and their gradients in two more.

use multiversion::multiversion;
use tch::{Device, Kind, Tensor};

use super::EPSILON;
use crate::activation::NEGATIVE_SLOPE;
use crate::number::{Bf16, Number};
use crate::torch_bridge::{StyleTensors, fill, numbers, parallel_chunks};

/// `[N,H,W,C]` and what goes with it, as slices.
struct Inputs<'a, E> {
    x: &'a [E],
    /// N or one times H W numbers, and C strengths.
    noise: Option<(&'a [f32], &'a [f32])>,
    bias: &'a [f32],
    /// N times C scales and C shifts.
    style: &'a [f32],
    images: usize,
    pixels: usize,
    channels: usize,
}

impl<'a, E: Number> Inputs<'a, E> {
    /// `None` where shapes or formats are not those said.
    fn of(tensors: &StyleTensors<'a>) -> Option<Self> {
        let [images, height, width, channels] = tensors.x.size()[..] else { return None };
        let [images, pixels, channels] = [images, height * width, channels].map(|size| size as usize);
        let noise = match tensors.noise {
            None => None,
            Some((values, strength)) => Some((numbers::<f32>(values)?, numbers::<f32>(strength)?)),
        };
        let inputs = Self {
            x: numbers::<E>(tensors.x)?,
            noise,
            bias: numbers::<f32>(tensors.bias)?,
            style: numbers::<f32>(tensors.style)?,
            images,
            pixels,
            channels,
        };
        let noise_fits = inputs.noise.is_none_or(|(values, strength)| {
            strength.len() == channels && (values.len() == pixels || values.len() == images * pixels)
        });
        let fits = inputs.bias.len() == channels && inputs.style.len() == images * 2 * channels;
        (fits && noise_fits && pixels > 0 && channels > 0).then_some(inputs)
    }

    fn image(&self, index: usize) -> Image<'a, E> {
        let len = self.pixels * self.channels;
        let noise = self.noise.map(|(values, strength)| {
            let first = if values.len() == self.pixels { 0 } else { index * self.pixels };
            (&values[first..first + self.pixels], strength)
        });
        Image {
            x: &self.x[index * len..][..len],
            noise,
            bias: self.bias,
            style: &self.style[index * 2 * self.channels..][..2 * self.channels],
        }
    }
}

#[derive(Clone, Copy)]
struct Image<'a, E> {
    x: &'a [E],
    noise: Option<(&'a [f32], &'a [f32])>,
    bias: &'a [f32],
    style: &'a [f32],
}

/// The result `[N,H,W,C]`, and mean and inverse deviation of each image and channel, `[N,2,C]`.
pub(crate) fn forward(tensors: &StyleTensors<'_>) -> Option<(Tensor, Tensor)> {
    match tensors.x.kind() {
        Kind::Float => forward_in::<f32>(tensors),
        Kind::BFloat16 => forward_in::<Bf16>(tensors),
        _ => None,
    }
}

fn forward_in<E: Number>(tensors: &StyleTensors<'_>) -> Option<(Tensor, Tensor)> {
    let inputs = Inputs::<E>::of(tensors)?;
    let channels = inputs.channels;
    let shape = [inputs.images as i64, 2, channels as i64];
    let mut statistics = Tensor::empty(shape, (Kind::Float, Device::Cpu));
    fill(&mut statistics, |statistics| {
        parallel_chunks(statistics, 2 * channels, |index, statistics| {
            measure(inputs.image(index), statistics);
        });
    })?;
    let mut result = Tensor::empty(tensors.x.size(), (E::KIND, Device::Cpu));
    let measured = numbers::<f32>(&statistics)?;
    fill(&mut result, |result| {
        parallel_chunks(result, inputs.pixels * channels, |index, result| {
            normalise(inputs.image(index), &measured[index * 2 * channels..][..2 * channels], result);
        });
    })?;
    Some((result, statistics))
}

/// Gradients of x `[N,H,W,C]`, of style `[N,2C]`, of bias and noise strength `[2,C]`, from that of the result.
pub(crate) fn gradients(
    tensors: &StyleTensors<'_>,
    statistics: &Tensor,
    gradient: &Tensor,
) -> Option<[Tensor; 3]> {
    match tensors.x.kind() {
        Kind::Float => gradients_in::<f32>(tensors, statistics, gradient),
        Kind::BFloat16 => gradients_in::<Bf16>(tensors, statistics, gradient),
        _ => None,
    }
}

fn gradients_in<E: Number>(
    tensors: &StyleTensors<'_>,
    statistics: &Tensor,
    gradient: &Tensor,
) -> Option<[Tensor; 3]> {
    let inputs = Inputs::<E>::of(tensors)?;
    let (images, channels) = (inputs.images, inputs.channels);
    let measured = numbers::<f32>(statistics).filter(|s| s.len() == images * 2 * channels)?;
    let upstream = numbers::<E>(gradient).filter(|g| g.len() == inputs.x.len())?;
    let len = inputs.pixels * channels;
    let of_image = |values: &'_ [f32], index: usize| {
        index * 2 * channels..(index * 2 * channels + 2 * channels).min(values.len())
    };

    let mut for_style = Tensor::empty([images as i64, 2 * channels as i64], (Kind::Float, Device::Cpu));
    fill(&mut for_style, |result| {
        parallel_chunks(result, 2 * channels, |index, result| {
            let measured = &measured[of_image(measured, index)];
            style_gradient(inputs.image(index), &upstream[index * len..][..len], measured, result);
        });
    })?;
    let style_sums = numbers::<f32>(&for_style)?;
    let mut for_x = Tensor::empty(tensors.x.size(), (E::KIND, Device::Cpu));
    fill(&mut for_x, |result| {
        parallel_chunks(result, len, |index, result| {
            let (measured, sums) =
                (&measured[of_image(measured, index)], &style_sums[of_image(style_sums, index)]);
            input_gradient(inputs.image(index), &upstream[index * len..][..len], (measured, sums), result);
        });
    })?;
    // Of bias and strength from what was written, image by image.
    let written = numbers::<E>(&for_x)?;
    let mut by_image = Tensor::empty([images as i64, 2, channels as i64], (Kind::Float, Device::Cpu));
    fill(&mut by_image, |result| {
        parallel_chunks(result, 2 * channels, |index, result| {
            sum_over_pixels(&written[index * len..][..len], inputs.image(index).noise, result);
        });
    })?;
    let for_numbers = by_image.sum_dim_intlist([0].as_slice(), false, None::<Kind>);
    Some([for_x, for_style, for_numbers])
}

#[inline(always)]
fn rectified(value: f32) -> f32 {
    if value > 0.0 { value } else { value * NEGATIVE_SLOPE as f32 }
}

/// Noise of a pixel and strengths; zeros without noise.
macro_rules! for_each_pixel {
    ($image:expr, $channels:expr, |$index:ident, $x:ident, $offsets:ident| $body:block) => {
        let mut $offsets = $image.bias.to_vec();
        for ($index, $x) in $image.x.chunks_exact($channels).enumerate() {
            if let Some((values, strength)) = $image.noise {
                let value = values[$index];
                for ((offset, bias), strength) in $offsets.iter_mut().zip($image.bias).zip(strength) {
                    *offset = bias + value * strength;
                }
            }
            $body
        }
    };
}

/// Pixels whose sums are made in f32 before they go to f64.
const BLOCK: usize = 64;

#[multiversion(targets("x86_64+avx512f+avx512vl+fma", "x86_64+avx2+fma"))]
fn measure<E: Number>(image: Image<'_, E>, statistics: &mut [f32]) {
    let channels = image.bias.len();
    let pixels = image.x.len() / channels;
    let mut totals = vec![0.0_f64; 2 * channels];
    let mut sums = vec![0.0_f32; channels];
    let mut squares = vec![0.0_f32; channels];
    // Of differences to the first pixel: the variance of what hardly varies would drown in the square of its mean.
    let mut first = vec![0.0_f32; channels];
    for_each_pixel!(image, channels, |index, x, offsets| {
        if index == 0 {
            for c in 0..channels {
                first[c] = rectified(x[c].widened() + offsets[c]);
            }
        }
        for c in 0..channels {
            let a = rectified(x[c].widened() + offsets[c]) - first[c];
            sums[c] += a;
            squares[c] += a * a;
        }
        if (index + 1) % BLOCK == 0 || index + 1 == pixels {
            for (total, sum) in totals.iter_mut().zip(sums.iter_mut().chain(&mut squares)) {
                *total += f64::from(*sum);
                *sum = 0.0;
            }
        }
    });
    let (means, inverse) = statistics.split_at_mut(channels);
    for channel in 0..channels {
        let mean = totals[channel] / pixels as f64;
        let variance = (totals[channels + channel] / pixels as f64 - mean * mean).max(0.0);
        means[channel] = (f64::from(first[channel]) + mean) as f32;
        inverse[channel] = (1.0 / (variance + EPSILON).sqrt()) as f32;
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+fma", "x86_64+avx2+fma"))]
fn normalise<E: Number>(image: Image<'_, E>, measured: &[f32], result: &mut [E]) {
    let channels = image.bias.len();
    let (means, inverse) = measured.split_at(channels);
    let (scales, shifts) = image.style.split_at(channels);
    let factors: Vec<f32> =
        scales.iter().zip(inverse).map(|(scale, inverse)| (scale + 1.0) * inverse).collect();
    let mut rows = result.chunks_exact_mut(channels);
    for_each_pixel!(image, channels, |index, x, offsets| {
        let _ = index;
        let Some(row) = rows.next() else { break };
        for c in 0..channels {
            let a = rectified(x[c].widened() + offsets[c]);
            row[c] = E::nearest((a - means[c]) * factors[c] + shifts[c]);
        }
    });
}

/// Sums over pixels of gradient times normalised value (for the scales), and of the gradient (for the shifts).
#[multiversion(targets("x86_64+avx512f+avx512vl+fma", "x86_64+avx2+fma"))]
fn style_gradient<E: Number>(image: Image<'_, E>, upstream: &[E], measured: &[f32], result: &mut [f32]) {
    let channels = image.bias.len();
    let pixels = image.x.len() / channels;
    let (means, inverse) = measured.split_at(channels);
    let mut totals = vec![0.0_f64; 2 * channels];
    let mut products = vec![0.0_f32; channels];
    let mut sums = vec![0.0_f32; channels];
    let mut gradients = upstream.chunks_exact(channels);
    for_each_pixel!(image, channels, |index, x, offsets| {
        let Some(g) = gradients.next() else { break };
        for c in 0..channels {
            let (a, g) = (rectified(x[c].widened() + offsets[c]), g[c].widened());
            products[c] += g * (a - means[c]);
            sums[c] += g;
        }
        if (index + 1) % BLOCK == 0 || index + 1 == pixels {
            for (total, sum) in totals.iter_mut().zip(products.iter_mut().chain(&mut sums)) {
                *total += f64::from(*sum);
                *sum = 0.0;
            }
        }
    });
    for channel in 0..channels {
        result[channel] = (totals[channel] * f64::from(inverse[channel])) as f32;
        result[channels + channel] = totals[channels + channel] as f32;
    }
}

/// With n the normalised value, f = (scale + 1) / deviation and means over pixels, f (g - mean g - n mean (g n)) times
/// the rectifier's slope.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512bw+fma", "x86_64+avx2+fma"))]
fn input_gradient<E: Number>(
    image: Image<'_, E>,
    upstream: &[E],
    (measured, sums): (&[f32], &[f32]),
    result: &mut [E],
) {
    let channels = image.bias.len();
    let pixels = (image.x.len() / channels) as f32;
    let (means, inverse) = measured.split_at(channels);
    // g f + a along + rest, the last two of the pixel's mean terms.
    let mut factors = vec![0.0_f32; channels];
    let mut along = vec![0.0_f32; channels];
    let mut rest = vec![0.0_f32; channels];
    for c in 0..channels {
        factors[c] = (image.style[c] + 1.0) * inverse[c];
        along[c] = -factors[c] * inverse[c] * sums[c] / pixels;
        rest[c] = -factors[c] * sums[channels + c] / pixels;
    }
    let mut gradients = upstream.chunks_exact(channels);
    let mut rows = result.chunks_exact_mut(channels);
    for_each_pixel!(image, channels, |index, x, offsets| {
        let _ = index;
        let (Some(g), Some(row)) = (gradients.next(), rows.next()) else { break };
        for c in 0..channels {
            let value = x[c].widened() + offsets[c];
            let slope = if value > 0.0 { 1.0 } else { NEGATIVE_SLOPE as f32 };
            let through = g[c].widened() * factors[c] + (value * slope - means[c]) * along[c] + rest[c];
            row[c] = E::nearest(through * slope);
        }
    });
}

/// Sums over pixels, plain and weighted by the noise.
#[multiversion(targets("x86_64+avx512f+avx512vl+fma", "x86_64+avx2+fma"))]
fn sum_over_pixels<E: Number>(values: &[E], noise: Option<(&[f32], &[f32])>, result: &mut [f32]) {
    let channels = result.len() / 2;
    let pixels = values.len() / channels;
    let mut totals = vec![0.0_f64; 2 * channels];
    let mut plain = vec![0.0_f32; channels];
    let mut weighted = vec![0.0_f32; channels];
    for (index, values) in values.chunks_exact(channels).enumerate() {
        let weight = noise.map_or(0.0, |(noise, _)| noise[index]);
        for ((plain, weighted), value) in plain.iter_mut().zip(weighted.iter_mut()).zip(values) {
            let value = value.widened();
            *plain += value;
            *weighted += value * weight;
        }
        if (index + 1) % BLOCK == 0 || index + 1 == pixels {
            for (total, sum) in totals.iter_mut().zip(plain.iter_mut().chain(&mut weighted)) {
                *total += f64::from(*sum);
                *sum = 0.0;
            }
        }
    }
    for (result, total) in result.iter_mut().zip(totals) {
        *result = total as f32;
    }
}
