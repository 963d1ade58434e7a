//! 3x3 convolutions on the CPU with a quarter of the products (Winograd 1980; Lavin and Gray,
//! arXiv:1509.09308), alone or with the doubling before or the halving after it that growing networks have.
//!
//! A tile of 4x4 outputs needs 6x6 products for each pair of channels instead of 4x4x9. Behind a nearest
//! doubling, or before a 2x2 mean, 11 of the 36 are zero: then it is 25 instead of 144. The products are
//! 36 (25) matrix products over all tiles. Against a plain convolution in f64 the result
//! is off by up to 1e-5 of its largest value, as the tests bound.

#![allow(
    clippy::inline_always,
    reason = "the transforms must become part of the functions that are compiled for each instruction set"
)]

mod kernel_gradient;
mod kernels;
mod products;
mod scratch;
mod tiles;
mod transforms;

use std::ops::Range;

use tch::{Device, Kind, Tensor};

use self::kernel_gradient::KernelGradient;
use self::kernels::{TAPS, taps_to_points};
use self::products::{Matrix, multiply};
use self::scratch::{Buffer, Scratch};
use self::tiles::{After, Picture, point_count, points_to_row, windows_to_points};
use crate::kernels::KERNELS;
use crate::number::{Bf16, Number};
use crate::torch_bridge::{Form, Layer, bilinear, fill, numbers, parallel_chunks};

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

/// A convolution of a network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Convolution {
    /// What is done beside it.
    pub(crate) sampling: Sampling,
    /// Factor of the kernel.
    pub(crate) scale: f64,
    /// The result goes through the leaky rectifier.
    pub(crate) rectified: bool,
}

impl Convolution {
    /// The convolution of `x` `[N,H,W,inputs]`, f32 or bf16, with `kernel` `[outputs,3,3,inputs]`, plus `bias`
    /// `[outputs]`, both f32, all contiguous on the CPU: `[N,H',W',outputs]` in the format of `x`, zero padding.
    /// Differentiable any number of times. Sums are f32.
    ///
    /// # Errors
    /// libtorch's, where the shapes do not fit or the higher resolution is no multiple of four pixels.
    pub(crate) fn run(
        self,
        x: &Tensor,
        kernel: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<Tensor, tch::TchError> {
        let layer =
            Layer { sampling: self.sampling as i64, scale: self.scale, rectified: i64::from(self.rectified) };
        bilinear(KERNELS, Form::Output, &layer, (x, kernel, bias))
    }
}

/// True where the tiles fill an image whose higher resolution is `height` x `width`.
pub(crate) fn fits(height: i64, width: i64) -> bool {
    let tile = tiles::TILE as i64;
    height > 0 && width > 0 && height % tile == 0 && width % tile == 0
}

/// The three forms of <g, C(x, w)>: output from (x, w), input's gradient from (g, w), kernel's from (x, g).
pub(crate) fn form_of(
    form: Form,
    layer: &Layer,
    first: &Tensor,
    second: &Tensor,
    bias: Option<&Tensor>,
) -> Option<Tensor> {
    let sampling = match layer.sampling {
        0 => Sampling::Keep,
        1 => Sampling::Double,
        _ => Sampling::Halve,
    };
    // The mean is a quarter of the sum, in every form.
    let scale = if sampling == Sampling::Halve { layer.scale / 4.0 } else { layer.scale } as f32;
    let (first, second) = (first.contiguous(), second.contiguous());
    let tensors = (&first, &second);
    match first.kind() {
        Kind::Float => in_format::<f32>(form, tensors, bias, layer, sampling, scale),
        Kind::BFloat16 => in_format::<Bf16>(form, tensors, bias, layer, sampling, scale),
        _ => None,
    }
}

/// A form whose images are kept as `E`; kernels are f32.
fn in_format<E: Number>(
    form: Form,
    (first, second): (&Tensor, &Tensor),
    bias: Option<&Tensor>,
    layer: &Layer,
    sampling: Sampling,
    scale: f32,
) -> Option<Tensor> {
    match form {
        Form::Output => {
            let (doubled, paired) = (sampling == Sampling::Double, sampling == Sampling::Halve);
            let pass = Pass { doubled, paired, flipped: false };
            let bias = bias.map(Tensor::contiguous);
            let after = After {
                bias: bias.as_ref().map_or(Some(None), |bias| numbers(bias).map(Some))?,
                rectified: layer.rectified != 0,
            };
            pass.run::<E>(first, second, scale, after)
        }
        // The adjoint of doubling is the sum of 2x2 blocks, and the other way round.
        Form::Input => {
            let (doubled, paired) = (sampling == Sampling::Halve, sampling == Sampling::Double);
            let pass = Pass { doubled, paired, flipped: true };
            pass.run::<E>(first, second, scale, After::default())
        }
        Form::Kernel => kernel_gradient::<E>(first, second, sampling, scale),
    }
}

/// Numbers between the end of a row of points and the next one's start, so that rows do not all fall on the
/// same sets of the cache.
const GAP: usize = 16;

/// Points that a thread holds at a time, inputs' and outputs' together, in numbers: as its second-level cache
/// holds, and never fewer than [`LEAST_TILES`], below which the products of matrices are slow.
const GROUP: usize = 256 << 10;
const LEAST_TILES: usize = 64;

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

/// The work of a [`Pass`] on some rows of tiles.
struct Rows<'a, E> {
    source: Picture,
    source_numbers: &'a [E],
    target: Picture,
    short: bool,
    kernel: KernelPoints<'a>,
    after: After<'a>,
}

impl Pass {
    fn run<E: Number>(self, x: &Tensor, kernel: &Tensor, scale: f32, after: After<'_>) -> Option<Tensor> {
        let (images, source) = picture(x, self.doubled)?;
        let (outputs, inputs) = kernel_shape(kernel)?;
        let (from, to) = if self.flipped { (outputs, inputs) } else { (inputs, outputs) };
        if source.channels != from || !source.is_tiled() || after.bias.is_some_and(|b| b.len() != to) {
            return None;
        }
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
        let shape = [images as i64, target.height as i64, target.width as i64, to as i64];
        let mut result = Tensor::empty(shape, (E::KIND, Device::Cpu));
        let short = self.doubled || self.paired;
        let x = numbers::<E>(x)?;
        Scratch::with_kernel(|memory| {
            let kernel = KernelPoints::of(kernel, scale, self.flipped, short, memory)?;
            let rows = Rows { source, source_numbers: x, target, short, kernel, after };
            fill(&mut result, |result| rows.all(images * source.tiles_down(), result))
        })?;
        Some(result)
    }
}

impl<E: Number> Rows<'_, E> {
    fn all(&self, all: usize, result: &mut [E]) {
        // With so few tiles that each thread's part would be small against the kernel's points, which
        // every part reads whole, the threads share the products instead.
        let threads = tch::get_num_threads().max(1) as usize;
        if all * self.source.tiles_across() < threads * LEAST_TILES {
            return self.together(threads, result);
        }
        let group = self.at_once(all, threads);
        parallel_chunks(result, group * self.target.row_len(), |index, result| {
            self.alone(index * group, result);
        });
    }

    /// Rows of a group, when `all` of them are shared by `threads`.
    fn at_once(&self, all: usize, threads: usize) -> usize {
        let across = self.source.tiles_across();
        let per_tile = point_count(self.short) * (self.source.channels + self.target.channels);
        let rows = (GROUP / per_tile).max(LEAST_TILES).div_ceil(across);
        // As many groups for each thread.
        let groups = all.div_ceil(rows).next_multiple_of(threads);
        all.div_ceil(groups)
    }

    /// All by this thread: the rows of `result`, of which the first is row `first` of all.
    fn alone(&self, first: usize, result: &mut [E]) {
        let &Self { source, target, short, .. } = self;
        let points = point_count(short);
        let (across, stride) = (source.tiles_across(), points * source.channels + GAP);
        let tiles = result.len() / target.row_len() * across;
        Scratch::with(|scratch| {
            let v = scratch.first.numbers(tiles * stride);
            for (index, v) in v.chunks_exact_mut(across * stride).enumerate() {
                let (image, row) = self.image_and_row(first + index);
                windows_to_points(image, source, row, short, v, stride);
            }
            let m = scratch.second.numbers(points * tiles * target.channels);
            for (point, m) in m.chunks_exact_mut(tiles * target.channels).enumerate() {
                multiply(&self.tiles_of(v, stride, point, 0..tiles), &self.kernel.point(point), m, false);
            }
            for (index, row) in result.chunks_exact_mut(target.row_len()).enumerate() {
                points_to_row(m, tiles, index * across, short, target, self.after, row);
            }
        });
    }

    /// [`Self::alone`] of everything, each stage shared by all threads.
    fn together(&self, threads: usize, result: &mut [E]) {
        let &Self { source, target, short, .. } = self;
        let points = point_count(short);
        let (across, stride) = (source.tiles_across(), points * source.channels + GAP);
        let tiles = result.len() / target.row_len() * across;
        Scratch::with(|scratch| {
            let v = scratch.first.numbers(tiles * stride);
            parallel_chunks(v, across * stride, |index, v| {
                let (image, row) = self.image_and_row(index);
                windows_to_points(image, source, row, short, v, stride);
            });
            let v = &*v;
            let m = scratch.second.numbers(points * tiles * target.channels);
            // Where there are many threads, a point's product in so many parts that each has two.
            let mut parts = (2 * threads).div_ceil(points).min(tiles);
            while !tiles.is_multiple_of(parts) {
                parts += 1;
            }
            let some = tiles / parts;
            parallel_chunks(m, some * target.channels, |index, m| {
                let (point, first) = (index / parts, index % parts * some);
                let tiles = self.tiles_of(v, stride, point, first..first + some);
                multiply(&tiles, &self.kernel.point(point), m, false);
            });
            let m = &*m;
            parallel_chunks(result, target.row_len(), |index, row| {
                points_to_row(m, tiles, index * across, short, target, self.after, row);
            });
        });
    }

    /// One point of some tiles, `[tiles,from]`, of all points `[tiles,points,from]`.
    fn tiles_of<'a>(&self, v: &'a [f32], stride: usize, point: usize, tiles: Range<usize>) -> Matrix<'a> {
        let columns = self.source.channels;
        let numbers = &v[tiles.start * stride + point * columns..];
        Matrix { numbers, rows: tiles.len(), columns, stride, transposed: false }
    }

    fn image_and_row(&self, row: usize) -> (&[E], usize) {
        let down = self.source.tiles_down();
        let len = self.source.len();
        (&self.source_numbers[row / down * len..][..len], row % down)
    }
}

/// A kernel's points `[outputs,points,inputs]`, in memory that was lent.
#[derive(Debug, Clone, Copy)]
struct KernelPoints<'a> {
    numbers: &'a [f32],
    outputs: usize,
    inputs: usize,
    stride: usize,
    flipped: bool,
}

impl<'a> KernelPoints<'a> {
    fn of(kernel: &Tensor, scale: f32, flipped: bool, short: bool, memory: &'a mut Buffer) -> Option<Self> {
        let (outputs, inputs) = kernel_shape(kernel)?;
        let stride = point_count(short) * inputs + GAP;
        let taps = numbers(kernel)?;
        let numbers = memory.numbers(outputs * stride);
        parallel_chunks(numbers, stride, |output, points| {
            let taps = &taps[output * TAPS * TAPS * inputs..][..TAPS * TAPS * inputs];
            taps_to_points(taps, inputs, scale, flipped, short, points);
        });
        Some(Self { numbers, outputs, inputs, stride, flipped })
    }

    /// One point, `[from,to]`.
    fn point(&self, point: usize) -> Matrix<'a> {
        Matrix {
            numbers: &self.numbers[point * self.inputs..],
            rows: self.outputs,
            columns: self.inputs,
            stride: self.stride,
            transposed: !self.flipped,
        }
    }
}

/// The kernel's gradient `[outputs,3,3,inputs]` from the input and the output's gradient.
fn kernel_gradient<E: Number>(x: &Tensor, g: &Tensor, sampling: Sampling, scale: f32) -> Option<Tensor> {
    let (images, source) = picture(x, sampling == Sampling::Double)?;
    let (gradients, target) = picture(g, sampling == Sampling::Halve)?;
    let same_tiles = source.tiles_across() == target.tiles_across()
        && source.tiles_down() == target.tiles_down()
        && images == gradients;
    if !same_tiles || !source.is_tiled() || !target.is_tiled() {
        return None;
    }
    let (inputs, outputs) = (source.channels, target.channels);
    let shape = [outputs as i64, TAPS as i64, TAPS as i64, inputs as i64];
    let mut result = Tensor::empty(shape, (Kind::Float, Device::Cpu));
    let short = sampling != Sampling::Keep;
    let gradient =
        KernelGradient { images, source, target, short, scale, x: numbers::<E>(x)?, g: numbers(g)? };
    fill(&mut result, |taps| gradient.run(taps))?;
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

#[cfg(test)]
mod tests;
