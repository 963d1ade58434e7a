//! 3x3 convolutions on the CPU with a quarter of the products (Winograd 1980; Lavin and Gray,
//! arXiv:1509.09308), alone or with the doubling before or the halving after it that growing networks have.
//!
//! A tile of 4x4 outputs needs 6x6 products for each pair of channels instead of 4x4x9. Behind a nearest
//! doubling, or before a 2x2 mean, 11 of the 36 are zero: then it is 25 instead of 144. The products are
//! 36 (25) matrix products over all tiles, done by libtorch. Against a plain convolution in f64 the result
//! is off by up to 1e-5 of its largest value, as the tests bound.

mod kernels;
mod scratch;
mod tiles;
mod transforms;

use tch::{Kind, Tensor};

use self::kernels::{TAPS, points_to_taps, taps_to_points};
use self::scratch::Scratch;
use self::tiles::{Picture, gradients_to_points, point_count, points_to_row, windows_to_points};
use crate::torch_bridge::{Form, bilinear, fill, numbers, parallel_chunks};

/// What a layer does beside the convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sampling {
    /// Nothing: same size.
    Keep,
    /// Nearest doubling, then the convolution.
    Double,
    /// The convolution, then the mean of each 2x2 block.
    Halve,
}

/// `scale` times the convolution of `x` `[N,H,W,inputs]` with `kernel` `[outputs,3,3,inputs]`, both
/// contiguous f32 on the CPU: `[N,H',W',outputs]`, zero padding, no bias. Differentiable any number of times.
///
/// # Errors
/// libtorch's, where the shapes do not fit or the higher resolution is no multiple of four pixels.
pub(crate) fn convolution(
    x: &Tensor,
    kernel: &Tensor,
    sampling: Sampling,
    scale: f64,
) -> Result<Tensor, tch::TchError> {
    bilinear(form_of, Form::Output, sampling as i64, scale, x, kernel)
}

/// True where the tiles fill an image whose higher resolution is `height` x `width`.
pub(crate) fn fits(height: i64, width: i64) -> bool {
    let tile = tiles::TILE as i64;
    height > 0 && width > 0 && height % tile == 0 && width % tile == 0
}

/// The three forms of <g, C(x, w)>: output from (x, w), input's gradient from (g, w), kernel's from (x, g).
fn form_of(form: Form, layer: i64, scale: f64, first: &Tensor, second: &Tensor) -> Option<Tensor> {
    let sampling = match layer {
        0 => Sampling::Keep,
        1 => Sampling::Double,
        _ => Sampling::Halve,
    };
    // The mean is a quarter of the sum, in every form.
    let scale = if sampling == Sampling::Halve { scale / 4.0 } else { scale } as f32;
    let (first, second) = (first.contiguous(), second.contiguous());
    match form {
        Form::Output => {
            let pass =
                Pass { doubled: sampling == Sampling::Double, paired: sampling == Sampling::Halve, flipped: false };
            pass.run(&first, &second, scale)
        }
        // The adjoint of doubling is the sum of 2x2 blocks, and the other way round.
        Form::Input => {
            let pass =
                Pass { doubled: sampling == Sampling::Halve, paired: sampling == Sampling::Double, flipped: true };
            pass.run(&first, &second, scale)
        }
        Form::Kernel => kernel_gradient(&first, &second, sampling, scale),
    }
}

/// Points held at a time, inputs' and outputs' together, in numbers: they stay in the last-level cache.
const CHUNK: usize = 6 << 20;

/// Numbers between the end of a row of points and the next one's start, so that rows do not all fall on the
/// same sets of the cache.
const GAP: usize = 16;

/// A convolution from one picture to another.
#[derive(Debug, Clone, Copy)]
struct Pass {
    /// The input's samples stand for 2x2 pixels.
    doubled: bool,
    /// The output is the sum of each 2x2 block.
    paired: bool,
    /// With the kernel turned by 180 degrees, outputs and inputs exchanged.
    flipped: bool,
}

impl Pass {
    fn run(self, x: &Tensor, kernel: &Tensor, scale: f32) -> Option<Tensor> {
        let (images, source) = picture(x, self.doubled)?;
        let (outputs, inputs) = kernel_shape(kernel)?;
        let (from, to) = if self.flipped { (outputs, inputs) } else { (inputs, outputs) };
        let side = |samples: usize| match (self.doubled, self.paired) {
            (true, _) => samples * 2,
            (_, true) => samples / 2,
            _ => samples,
        };
        let target = Picture {
            height: side(source.height),
            width: side(source.width),
            channels: to,
            doubled: self.paired,
        };
        if source.channels != from || !source.is_tiled() {
            return None;
        }
        let short = self.doubled || self.paired;
        let points = point_count(short);
        let (across, down) = (source.tiles_across(), source.tiles_down());

        let mut result = Tensor::empty(
            [images as i64, target.height as i64, target.width as i64, to as i64],
            (Kind::Float, tch::Device::Cpu),
        );
        Scratch::with(|scratch| {
            let u = kernel_points(&mut scratch.kernel, kernel, scale, self.flipped, short)?;
            let stride = points * from + GAP;
            let rows_at_once = (CHUNK / (across * points * (from + to))).max(1);
            let rows = images * down;
            let source_numbers = numbers(x)?;
            fill(&mut result, |result| {
                for first in (0..rows).step_by(rows_at_once) {
                    let count = rows_at_once.min(rows - first);
                    let tiles = count * across;
                    let v = scratch.first.view(tiles * stride);
                    fill(v, |v| {
                        parallel_chunks(v, across * stride, |index, v| {
                            let (image, row) = ((first + index) / down, (first + index) % down);
                            let image = &source_numbers[image * source.len()..][..source.len()];
                            windows_to_points(image, source, row, short, v, stride);
                        });
                    })?;
                    let v = strided(v, [points, tiles, from], [from, stride, 1]);
                    let m = scratch.second.view(points * tiles * to);
                    let product = m.view([points as i64, tiles as i64, to as i64]);
                    v.f_bmm_out(&product, &u).ok()?;
                    let m = numbers(m)?;
                    let rows = &mut result[first * target.row_len()..][..count * target.row_len()];
                    parallel_chunks(rows, target.row_len(), |index, row| {
                        points_to_row(m, tiles, index * across, short, target, row);
                    });
                }
                Some(())
            })?
        })?;
        Some(result)
    }
}

/// The kernel's points as `[points,from,to]` for the product with the input's.
fn kernel_points(
    scratch: &mut scratch::Buffer,
    kernel: &Tensor,
    scale: f32,
    flipped: bool,
    short: bool,
) -> Option<Tensor> {
    let (outputs, inputs) = kernel_shape(kernel)?;
    let points = point_count(short);
    let stride = points * inputs + GAP;
    let taps = numbers(kernel)?;
    let u = scratch.view(outputs * stride);
    fill(u, |u| {
        parallel_chunks(u, stride, |output, u| {
            let taps = &taps[output * TAPS * TAPS * inputs..][..TAPS * TAPS * inputs];
            taps_to_points(taps, inputs, scale, flipped, short, u);
        });
    })?;
    let u = strided(u, [points, outputs, inputs], [inputs, stride, 1]);
    Some(if flipped { u } else { u.transpose(1, 2) })
}

/// The kernel's gradient `[outputs,3,3,inputs]` from the input and the output's gradient.
fn kernel_gradient(x: &Tensor, g: &Tensor, sampling: Sampling, scale: f32) -> Option<Tensor> {
    let (images, source) = picture(x, sampling == Sampling::Double)?;
    let (gradients, target) = picture(g, sampling == Sampling::Halve)?;
    let same_tiles = source.tiles_across() == target.tiles_across()
        && source.tiles_down() == target.tiles_down()
        && images == gradients;
    if !same_tiles || !source.is_tiled() || !target.is_tiled() {
        return None;
    }
    let short = sampling != Sampling::Keep;
    let points = point_count(short);
    let (across, down) = (source.tiles_across(), source.tiles_down());
    let (inputs, outputs) = (source.channels, target.channels);
    let shape = [outputs as i64, TAPS as i64, TAPS as i64, inputs as i64];
    let mut result = Tensor::empty(shape, (Kind::Float, tch::Device::Cpu));
    Scratch::with(|scratch| {
        let (x_stride, g_stride) = (points * inputs + GAP, points * outputs + GAP);
        let rows = images * down;
        let rows_at_once = (CHUNK / (across * points * (inputs + outputs))).max(1);
        let (x_numbers, g_numbers) = (numbers(x)?, numbers(g)?);
        let sums = scratch.kernel.view(points * outputs * inputs);
        let mut product = sums.view([points as i64, outputs as i64, inputs as i64]);
        for first in (0..rows).step_by(rows_at_once) {
            let count = rows_at_once.min(rows - first);
            let tiles = count * across;
            let place = |index: usize| ((first + index) / down, (first + index) % down);
            let v = scratch.first.view(tiles * x_stride);
            fill(v, |v| {
                parallel_chunks(v, across * x_stride, |index, v| {
                    let (image, row) = place(index);
                    let image = &x_numbers[image * source.len()..][..source.len()];
                    windows_to_points(image, source, row, short, v, x_stride);
                });
            })?;
            let v = strided(v, [points, tiles, inputs], [inputs, x_stride, 1]);
            let m = scratch.second.view(tiles * g_stride);
            fill(m, |m| {
                parallel_chunks(m, across * g_stride, |index, m| {
                    let (image, row) = place(index);
                    let image = &g_numbers[image * target.len()..][..target.len()];
                    gradients_to_points(image, target, row, short, m, g_stride);
                });
            })?;
            let m = strided(m, [points, outputs, tiles], [outputs, 1, g_stride]);
            if first == 0 {
                m.f_bmm_out(&product, &v).ok()?;
            } else {
                let _ = product.f_baddbmm_(&m, &v).ok()?;
            }
        }
        let sums = numbers(sums)?;
        fill(&mut result, |result| {
            parallel_chunks(result, TAPS * TAPS * inputs, |output, taps| {
                points_to_taps(sums, (outputs, inputs), output, scale, short, taps);
            });
        })
    })?;
    Some(result)
}

/// Number of images of `[N,H,W,C]`, and their shape.
fn picture(x: &Tensor, doubled: bool) -> Option<(usize, Picture)> {
    match x.size()[..] {
        [n, height, width, channels] => {
            let [height, width, channels] = [height, width, channels].map(|side| side as usize);
            Some((n as usize, Picture { height, width, channels, doubled }))
        }
        _ => None,
    }
}

/// Outputs and inputs of `[outputs,3,3,inputs]`.
fn kernel_shape(kernel: &Tensor) -> Option<(usize, usize)> {
    match kernel.size()[..] {
        [outputs, 3, 3, inputs] => Some((outputs as usize, inputs as usize)),
        _ => None,
    }
}

fn strided(tensor: &Tensor, shape: [usize; 3], strides: [usize; 3]) -> Tensor {
    tensor.as_strided(shape.map(|s| s as i64), strides.map(|s| s as i64), 0)
}

#[cfg(test)]
mod tests;
