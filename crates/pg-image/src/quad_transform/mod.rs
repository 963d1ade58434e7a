//! Sampling a quadrilateral of a picture into a square, exactly as Pillow 3.1.1 does it.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(not(target_arch = "x86_64"))]
mod portable;

use rayon::prelude::*;

use crate::Raster;
use crate::lanczos::{ROWS, RowResampler, resize_columns};
#[cfg(not(target_arch = "x86_64"))]
use portable::{Blocks, Rgb};
#[cfg(target_arch = "x86_64")]
use {crate::lanczos::QuarterLanczos, avx2::Rgb, avx512::Blocks};

/// Where samples lie: the first at `origin`, one further along a row by `step_x`, down a column by
/// `step_y`; `[x, y]` in pixels of the image, whose centres lie on whole numbers.
#[derive(Debug, Clone, Copy)]
struct Lattice {
    origin: [f64; 2],
    step_x: [f32; 2],
    step_y: [f32; 2],
}

/// Samples the quadrilateral of an image into a square of `side` x `side` pixels, bilinear.
///
/// With corners nw, sw, se, ne and A = 1/side, output pixel (X, Y), both integers, shows the point
/// nw + (ne-nw) A X + (sw-nw) A Y + (se-sw-ne+nw) A^2 X Y: differences of corners in f32, the rest in
/// f64. Points outside `[0,w) x [0,h)` are black; inside, the point minus 0.5 is interpolated between
/// its four neighbours (clamped to the edge), x first, in f64, and truncated.
#[derive(Debug)]
pub struct QuadSampler<'a> {
    image: &'a Raster,
    side: usize,
    x: [f64; 4],
    y: [f64; 4],
    /// The image for the quick paths, where they can be taken; the first is the quicker one.
    blocks: Option<Blocks<'a>>,
    rgb: Option<Rgb<'a>>,
}

impl<'a> QuadSampler<'a> {
    /// A sampler for corners `[nw, sw, se, ne]`, each `[x, y]` in pixels with pixel centres at .5.
    #[must_use]
    pub fn new(image: &'a Raster, [nw, sw, se, ne]: [[f32; 2]; 4], side: usize) -> Self {
        let a = 1.0 / side as f64;
        let coefficients = |axis: usize| {
            let (nw, sw, se, ne) = (nw[axis], sw[axis], se[axis], ne[axis]);
            [
                f64::from(nw),
                f64::from(ne - nw) * a,
                f64::from(sw - nw) * a,
                f64::from(se - sw - ne + nw) * a * a,
            ]
        };
        let (x, y) = (coefficients(0), coefficients(1));
        // The quick path takes eight samples as a lattice: steps of at most a pixel, hardly changing.
        let even = [x, y].iter().all(|c| c[3].abs() < 1e-9 && c[1].abs().max(c[2].abs()) <= 1.0);
        let (data, w, h) = (image.data(), image.width(), image.height());
        let rgb = even.then(|| Rgb::new(data, w, h)).flatten().filter(|_| image.channels() == 3);
        let blocks = (image.channels() == 3).then(|| Blocks::new(data, [w, h], [x, y])).flatten();
        Self { image, side, x, y, blocks, rgb }
    }

    /// [`Self::new`] without the quickest path.
    #[cfg(test)]
    fn without_blocks(image: &'a Raster, quad: [[f32; 2]; 4], side: usize) -> Self {
        Self { blocks: None, ..Self::new(image, quad, side) }
    }

    /// [`Self::new`] without the quick paths.
    #[cfg(test)]
    fn exact(image: &'a Raster, quad: [[f32; 2]; 4], side: usize) -> Self {
        Self { blocks: None, rgb: None, ..Self::new(image, quad, side) }
    }

    /// Samples from (x, y) on.
    fn lattice(&self, x: usize, y: usize) -> Lattice {
        let (x, y) = (x as f64, y as f64);
        let of = |c: [f64; 4]| {
            (
                c[0] + c[1] * x + c[2] * y + c[3] * x * y - 0.5,
                (c[1] + c[3] * y) as f32,
                (c[2] + c[3] * x) as f32,
            )
        };
        let ((u, u_by_x, u_by_y), (v, v_by_x, v_by_y)) = (of(self.x), of(self.y));
        Lattice { origin: [u, v], step_x: [u_by_x, v_by_x], step_y: [u_by_y, v_by_y] }
    }

    /// Output row `y`, u8 `[side, C]`.
    pub fn row(&self, y: usize, out: &mut [u8]) {
        let (Some(rgb), c) = (self.rgb, self.image.channels()) else {
            return self.exact_samples(0, y, out);
        };
        for (index, eight) in out.chunks_mut(8 * c).enumerate() {
            match rgb.row_of_eight(self.lattice(8 * index, y)) {
                Some(samples) if eight.len() == samples.len() => eight.copy_from_slice(&samples),
                _ => self.exact_samples(8 * index, y, eight),
            }
        }
    }

    /// As many samples of row `y` as `out` holds, from column `x` on, by the definition.
    fn exact_samples(&self, x: usize, y: usize, out: &mut [u8]) {
        match self.image.channels() {
            1 => self.exact_samples_of::<1>(x, y, out),
            _ => self.exact_samples_of::<3>(x, y, out),
        }
    }

    fn exact_samples_of<const C: usize>(&self, first: usize, y: usize, out: &mut [u8]) {
        let (w, h) = (self.image.width(), self.image.height());
        let (right, bottom) = (w as f64, h as f64);
        let data = self.image.data();
        let y = y as f64;
        for (x, pixel) in out.chunks_exact_mut(C).enumerate() {
            let x = (first + x) as f64;
            let u = self.x[0] + self.x[1] * x + self.x[2] * y + self.x[3] * x * y;
            let v = self.y[0] + self.y[1] * x + self.y[2] * y + self.y[3] * x * y;
            if !(u >= 0.0 && u < right && v >= 0.0 && v < bottom) {
                pixel.fill(0);
                continue;
            }
            let (u, v) = (u - 0.5, v - 0.5);
            let (left, top) = (floor_from_minus_one(u), floor_from_minus_one(v));
            let (dx, dy) = (u - left as f64, v - top as f64);
            let x0 = left.max(0) as usize * C;
            let x1 = ((left + 1) as usize).min(w - 1) * C;
            let y0 = top.max(0) as usize * w * C;
            let y1 = ((top + 1) as usize).min(h - 1) * w * C;
            let corner = |at: usize| -> &[u8; C] { data[at..].first_chunk().unwrap_or(&[0; C]) };
            let (nw, ne, sw, se) = (corner(y0 + x0), corner(y0 + x1), corner(y1 + x0), corner(y1 + x1));
            for k in 0..C {
                let lerp = |a: f64, b: f64, t: f64| a + (b - a) * t;
                let upper = lerp(f64::from(nw[k]), f64::from(ne[k]), dx);
                let lower = lerp(f64::from(sw[k]), f64::from(se[k]), dx);
                pixel[k] = lerp(upper, lower, dy) as u8;
            }
        }
    }

    /// The whole square, u8 `[side,side,C]`. The same bits for any number of threads.
    #[must_use]
    pub fn square(&self) -> Raster {
        let stride = self.side * self.image.channels();
        let mut data = vec![0_u8; self.side * stride];
        data.par_chunks_mut(stride.max(1)).enumerate().for_each(|(y, row)| self.row(y, row));
        self.raster(self.side, data)
    }

    /// The square averaged over blocks of 4x4 (rounded half to even): u8 `[side/4,side/4,C]`, without
    /// ever holding the large square.
    #[must_use]
    pub fn square_averaged_4x4(&self) -> Raster {
        let c = self.image.channels();
        let small = self.side / 4;
        let mut data = vec![0_u8; small * small * c];
        data.par_chunks_mut((small * c).max(1)).enumerate().for_each(|(y, row)| match self.blocks {
            Some(blocks) => blocks.averages(self, y, row),
            None => self.averages(y, row),
        });
        self.raster(small, data)
    }

    fn averages(&self, y: usize, row: &mut [u8]) {
        for (x, pixel) in row.chunks_exact_mut(self.image.channels()).enumerate() {
            let (x, y) = (4 * x, 4 * y);
            let quick = self.rgb.and_then(|rgb| rgb.sum_of_block(self.lattice(x, y)));
            let sums = quick.unwrap_or_else(|| self.exact_sum_of_block(x, y));
            for (value, sum) in pixel.iter_mut().zip(sums) {
                *value = sixteenth(sum);
            }
        }
    }

    /// The square resized to `size` x `size` as [`resize_lanczos`](crate::resize_lanczos()) does it,
    /// without ever holding the large square; `size` below its side.
    #[must_use]
    pub fn square_resized(&self, size: usize) -> Raster {
        let (c, size) = (self.image.channels(), size.max(1));
        #[cfg(target_arch = "x86_64")]
        if self.side == 4 * size
            && let Some(blocks) = self.blocks
            && let Some(lanczos) = QuarterLanczos::new(size)
        {
            return self.raster(size, self.resized_to_quarter(blocks, &lanczos, size));
        }
        let rows = RowResampler::new(self.side, size);
        let mut narrow = vec![0_u8; self.side * size * c];
        narrow.par_chunks_mut((ROWS * size * c).max(1)).enumerate().for_each_init(
            Vec::new,
            |samples, (strip, narrow)| {
                samples.resize(narrow.len() / size * self.side, 0);
                for (y, row) in samples.chunks_exact_mut((self.side * c).max(1)).enumerate() {
                    self.row(strip * ROWS + y, row);
                }
                rows.resample(samples, narrow, c);
            },
        );
        self.raster(size, resize_columns(&narrow, size * c, self.side, size))
    }

    #[cfg(target_arch = "x86_64")]
    fn resized_to_quarter(&self, blocks: Blocks, lanczos: &QuarterLanczos, size: usize) -> Vec<u8> {
        let mut data = vec![0_u8; 3 * size * size];
        // Threads share out long bands of rows, as each begins by making up what precedes it.
        data.par_chunks_mut(3 * size).enumerate().with_min_len(size / 8).for_each_init(
            || lanczos.band(),
            |band, (y, out)| {
                let sample = |y: usize, strip: &mut [u32]| {
                    blocks.groups(self, y, |row, channel| lanczos.start(row, channel), strip);
                };
                lanczos.row(y, sample, band, out.as_chunks_mut().0);
            },
        );
        data
    }

    /// Sums per channel of the 4x4 samples from (x, y) on.
    fn exact_sum_of_block(&self, x: usize, y: usize) -> [u32; 3] {
        let c = self.image.channels();
        let mut sums = [0; 3];
        for y in y..y + 4 {
            let mut samples = [0; 12];
            self.exact_samples(x, y, &mut samples[..4 * c]);
            for sample in samples[..4 * c].chunks_exact(c) {
                for (sum, &value) in sums.iter_mut().zip(sample) {
                    *sum += u32::from(value);
                }
            }
        }
        sums
    }

    fn raster(&self, side: usize, data: Vec<u8>) -> Raster {
        // The sizes fit by construction; a side of 0 gives the image itself, never a panic.
        Raster::from_data(side, side, self.image.channels(), data).unwrap_or_else(|_| self.image.clone())
    }
}

/// The floor of a number of at least -1 (`f64::floor` is a function call on the oldest x86-64).
fn floor_from_minus_one(v: f64) -> i64 {
    if v < 0.0 { -1 } else { v as i64 }
}

/// sum / 16, rounded half to even.
fn sixteenth(sum: u32) -> u8 {
    ((sum + 7 + ((sum >> 4) & 1)) >> 4) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resize_lanczos;
    use proptest::prelude::*;

    fn photo(w: usize, h: usize) -> Raster {
        Raster::from_data(w, h, 3, (0..w * h * 3).map(|i| (i * 37 % 256) as u8).collect()).unwrap()
    }

    #[test]
    fn sixteenths_round_half_to_even() {
        for sum in 0..=255 * 16_u32 {
            assert_eq!(sixteenth(sum), (f64::from(sum) / 16.0).round_ties_even() as u8, "{sum}");
        }
    }

    #[test]
    fn the_quad_of_the_whole_picture_shifted_by_half_is_the_picture() {
        let image = photo(8, 8);
        let quad = [[0.5, 0.5], [0.5, 8.5], [8.5, 8.5], [8.5, 0.5]];
        assert_eq!(QuadSampler::new(&image, quad, 8).square(), image);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn the_quick_path_gives_the_bits_of_the_definition(
            w in 8_usize..60, h in 8_usize..60, seed: u8, flat in 0_u8..3,
            centre in (0.0_f32..60.0, 0.0_f32..60.0), half_side in 2.0_f32..40.0, angle in 0.0_f32..6.3,
            // Whole runs and fours of blocks and not; the quick Lanczos pass and the general one.
            size in prop_oneof![Just(32), Just(37), Just(69), Just(80)],
        ) {
            // Noise, even areas with steps, and smooth gradients.
            let value = |i: usize| match flat {
                0 => (i * 97 + usize::from(seed) * 31 + i * i % 41) % 256,
                1 => if (i / 3 % w / 7).is_multiple_of(2) { 255 } else { usize::from(seed) },
                _ => (i / 3 % w * 3 + i / 3 / w * 2 + i % 3) % 256,
            };
            let image = Raster::from_data(w, h, 3, (0..w * h * 3).map(|i| value(i) as u8).collect()).unwrap();
            let (s, c) = (angle.sin() * half_side, angle.cos() * half_side);
            let (x, y) = centre;
            let quad = [[x - c + s, y - s - c], [x - c - s, y - s + c], [x + c - s, y + s + c], [x + c + s, y + s - c]];
            let exact = QuadSampler::exact(&image, quad, 4 * size);
            let quick = QuadSampler::new(&image, quad, 4 * size);
            for quick in [quick, QuadSampler::without_blocks(&image, quad, 4 * size)] {
                prop_assert_eq!(quick.square(), exact.square());
                prop_assert_eq!(quick.square_averaged_4x4(), exact.square_averaged_4x4());
                prop_assert_eq!(quick.square_resized(size), resize_lanczos(&exact.square(), size, size));
            }
        }
    }

    #[test]
    fn outside_is_black() {
        let image = Raster::from_data(4, 4, 1, vec![255; 16]).unwrap();
        let quad = [[-4.0, 0.5], [-4.0, 4.5], [4.0, 4.5], [4.0, 0.5]];
        let square = QuadSampler::new(&image, quad, 8).square();
        assert_eq!(square.data()[..8], [0, 0, 0, 0, 255, 255, 255, 255]);
    }

    #[test]
    fn the_fused_average_is_the_average_of_the_square() {
        let image = photo(20, 13);
        let sampler = QuadSampler::new(&image, [[1.2, 0.3], [-2.0, 11.0], [17.5, 14.0], [19.0, 2.0]], 32);
        let (large, small) = (sampler.square(), sampler.square_averaged_4x4());
        for y in 0..8 {
            for x in 0..8 {
                for k in 0..3 {
                    let sum: u32 = (0..16)
                        .map(|i| u32::from(large.data()[((4 * y + i / 4) * 32 + 4 * x + i % 4) * 3 + k]))
                        .sum();
                    assert_eq!(small.data()[(y * 8 + x) * 3 + k], sixteenth(sum));
                }
            }
        }
    }
}
