//! Two-dimensional transforms between images and points, one row of 4x4 tiles at a time.
//!
//! Images are `[N,H,W,C]`: a sample's channels are neighbours, and up to sixteen of them fill a register.

use std::ops::Range;

use multiversion::multiversion;

use super::transforms::{
    LANES, Lanes, MINUS_ONE, POINTS, doubled_input, gradient, input, output, paired_gradient, paired_output,
};
use crate::number::Number;

/// Of the leaky rectifier.
const NEGATIVE_SLOPE: f32 = 0.2;

/// Side of a tile of outputs, in pixels.
pub(super) const TILE: usize = 4;

/// Shape of an image `[H,W,C]` whose samples stand for one pixel each, or for 2x2.
#[derive(Debug, Clone, Copy)]
pub(super) struct Picture {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
    /// Each sample stands for a block of 2x2 pixels.
    pub(super) doubled: bool,
}

impl Picture {
    /// Tiles of 4x4 pixels in a row.
    pub(super) fn tiles_across(self) -> usize {
        self.width * self.scale() / TILE
    }

    /// Rows of tiles.
    pub(super) fn tiles_down(self) -> usize {
        self.height * self.scale() / TILE
    }

    /// True where tiles of 4x4 pixels fill the picture.
    pub(super) fn is_tiled(self) -> bool {
        let whole = |samples: usize| samples > 0 && (samples * self.scale()).is_multiple_of(TILE);
        whole(self.height) && whole(self.width)
    }

    /// Numbers in one row of tiles.
    pub(super) fn row_len(self) -> usize {
        TILE / self.scale() * self.width * self.channels
    }

    pub(super) fn len(self) -> usize {
        self.height * self.width * self.channels
    }

    fn scale(self) -> usize {
        if self.doubled { 2 } else { 1 }
    }
}

/// Number of two-dimensional points: all, or without those that are zero in the shorter forms.
pub(super) fn point_count(short: bool) -> usize {
    if short { 25 } else { 36 }
}

/// Which of the six points the `N` kept ones are: all, or without that at -1.
#[inline(always)]
pub(super) fn kept<const N: usize>(index: usize) -> usize {
    if N < POINTS && index >= MINUS_ONE { index + 1 } else { index }
}

/// `W` numbers from `at` on; where not `FULL`, only `count`, filled up with zeros.
#[inline(always)]
pub(super) fn load<E: Number, const W: usize, const FULL: bool>(
    numbers: &[E],
    at: usize,
    count: usize,
) -> Lanes<W> {
    let mut lanes = [0.0; W];
    for (lane, number) in lanes.iter_mut().zip(&numbers[at..at + if FULL { W } else { count }]) {
        *lane = number.widened();
    }
    lanes
}

#[inline(always)]
pub(super) fn store<E: Number, const W: usize, const FULL: bool>(
    numbers: &mut [E],
    at: usize,
    count: usize,
    lanes: &Lanes<W>,
) {
    for (number, &lane) in numbers[at..at + if FULL { W } else { count }].iter_mut().zip(lanes) {
        *number = E::nearest(lane);
    }
}

/// What a two-dimensional transform keeps between its rows and its columns. One for many transforms, since
/// clearing it takes as long as filling it.
pub(super) type Square = [[Lanes<LANES>; POINTS]; POINTS];

pub(super) const EMPTY: Square = [[[0.0; LANES]; POINTS]; POINTS];

#[inline(always)]
pub(super) fn set_row<const W: usize, const C: usize>(
    row: &mut [Lanes<LANES>; POINTS],
    lanes: &[Lanes<W>; C],
) {
    for (to, from) in row.iter_mut().zip(lanes) {
        to[..W].copy_from_slice(from);
    }
}

#[inline(always)]
pub(super) fn column<const W: usize, const R: usize>(square: &Square, index: usize) -> [Lanes<W>; R] {
    let mut column = [[0.0; W]; R];
    for (lanes, row) in column.iter_mut().zip(square) {
        lanes.copy_from_slice(&row[index][..W]);
    }
    column
}

/// Runs `$body` for all of `$channels`, `$W` at a time: 16, then 8, then 4, then what is left as `$count` of 4.
macro_rules! for_blocks {
    ($channels:expr, |$channel:ident, $count:ident, $W:ident, $FULL:ident| $body:block) => {{
        let channels: usize = $channels;
        let mut $channel = 0;
        while channels - $channel >= 16 {
            const $W: usize = 16;
            const $FULL: bool = true;
            let $count = $W;
            $body
            $channel += $W;
        }
        if channels - $channel >= 8 {
            const $W: usize = 8;
            const $FULL: bool = true;
            let $count = $W;
            $body
            $channel += $W;
        }
        if channels - $channel >= 4 {
            const $W: usize = 4;
            const $FULL: bool = true;
            let $count = $W;
            $body
            $channel += $W;
        }
        if channels > $channel {
            const $W: usize = 4;
            const $FULL: bool = false;
            let $count = channels - $channel;
            $body
        }
    }};
}
pub(super) use for_blocks;

/// Windows around the tiles of row `tile_row` of `image`, to points: per tile `stride` numbers, of which the
/// first are `[points,C]`. Beyond the picture's edge there are zeros.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+fma", "x86_64+avx2+fma"))]
pub(super) fn windows_to_points<E: Number>(
    image: &[E],
    picture: Picture,
    tile_row: usize,
    short: bool,
    points: &mut [f32],
    stride: usize,
) {
    match (picture.doubled, short) {
        (true, _) => windows::<E, true, 4, 5>(image, picture, tile_row, points, stride),
        (false, true) => windows::<E, false, 6, 5>(image, picture, tile_row, points, stride),
        (false, false) => windows::<E, false, 6, 6>(image, picture, tile_row, points, stride),
    }
}

#[inline(always)]
fn windows<E: Number, const DOUBLED: bool, const SIZE: usize, const N: usize>(
    image: &[E],
    picture: Picture,
    tile_row: usize,
    points: &mut [f32],
    stride: usize,
) {
    let Picture { height, width, channels, .. } = picture;
    let step = SIZE - 2;
    let mut square = EMPTY;
    for (tile, points) in points.chunks_exact_mut(stride).enumerate() {
        for_blocks!(channels, |channel, count, W, FULL| {
            for (r, row) in square[..SIZE].iter_mut().enumerate() {
                let y = (tile_row * step + r).wrapping_sub(1);
                if y >= height {
                    set_row(row, &[[0.0; W]; POINTS]);
                    continue;
                }
                let mut samples = [[0.0; W]; SIZE];
                for (s, sample) in samples.iter_mut().enumerate() {
                    let x = (tile * step + s).wrapping_sub(1);
                    if x < width {
                        *sample = load::<_, W, FULL>(image, (y * width + x) * channels + channel, count);
                    }
                }
                set_row(row, &of_window::<W, DOUBLED, SIZE>(&samples));
            }
            for p in 0..N {
                let column = column(&square, kept::<N>(p));
                let column = of_window::<W, DOUBLED, SIZE>(&column);
                for q in 0..N {
                    store::<_, W, FULL>(
                        points,
                        (q * N + p) * channels + channel,
                        count,
                        &column[kept::<N>(q)],
                    );
                }
            }
        });
    }
}

#[inline(always)]
fn of_window<const W: usize, const DOUBLED: bool, const SIZE: usize>(
    samples: &[Lanes<W>; SIZE],
) -> [Lanes<W>; POINTS] {
    if DOUBLED {
        doubled_input(&[samples[0], samples[1], samples[2], samples[3]])
    } else {
        input(&[samples[0], samples[1], samples[2], samples[3], samples[SIZE - 2], samples[SIZE - 1]])
    }
}

/// Gradients of the tiles of row `tile_row`, of some `channels` only, to points, as [`windows_to_points`].
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+fma", "x86_64+avx2+fma"))]
pub(super) fn gradients_to_points<E: Number>(
    image: &[E],
    picture: Picture,
    channels: &Range<usize>,
    tile_row: usize,
    short: bool,
    points: &mut [f32],
    stride: usize,
) {
    match (picture.doubled, short) {
        (true, _) => gradients::<E, true, 2, 5>(image, picture, channels, tile_row, points, stride),
        (false, true) => gradients::<E, false, 4, 5>(image, picture, channels, tile_row, points, stride),
        (false, false) => gradients::<E, false, 4, 6>(image, picture, channels, tile_row, points, stride),
    }
}

#[inline(always)]
fn gradients<E: Number, const DOUBLED: bool, const SIZE: usize, const N: usize>(
    image: &[E],
    picture: Picture,
    channels: &Range<usize>,
    tile_row: usize,
    points: &mut [f32],
    stride: usize,
) {
    let (width, all) = (picture.width, picture.channels);
    let (from, channels) = (channels.start, channels.len());
    let mut square = EMPTY;
    for (tile, points) in points.chunks_exact_mut(stride).enumerate() {
        for_blocks!(channels, |channel, count, W, FULL| {
            for (r, row) in square[..SIZE].iter_mut().enumerate() {
                let first = (tile_row * SIZE + r) * width + tile * SIZE;
                let mut samples = [[0.0; W]; SIZE];
                for (s, sample) in samples.iter_mut().enumerate() {
                    *sample = load::<_, W, FULL>(image, (first + s) * all + from + channel, count);
                }
                set_row(row, &of_gradient::<W, DOUBLED, SIZE>(&samples));
            }
            for p in 0..N {
                let column = column(&square, kept::<N>(p));
                let column = of_gradient::<W, DOUBLED, SIZE>(&column);
                for q in 0..N {
                    store::<_, W, FULL>(
                        points,
                        (q * N + p) * channels + channel,
                        count,
                        &column[kept::<N>(q)],
                    );
                }
            }
        });
    }
}

#[inline(always)]
fn of_gradient<const W: usize, const DOUBLED: bool, const SIZE: usize>(
    samples: &[Lanes<W>; SIZE],
) -> [Lanes<W>; POINTS] {
    if DOUBLED {
        paired_gradient(&[samples[0], samples[1]])
    } else {
        gradient(&[samples[0], samples[1], samples[SIZE - 2], samples[SIZE - 1]])
    }
}

/// What is done to a pixel before it is written.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct After<'a> {
    /// One number for each channel, added.
    pub(super) bias: Option<&'a [f32]>,
    /// The leaky rectifier, behind the bias.
    pub(super) rectified: bool,
}

impl After<'_> {
    #[inline(always)]
    fn apply<const W: usize, const FULL: bool>(
        self,
        pixel: &Lanes<W>,
        channel: usize,
        count: usize,
    ) -> Lanes<W> {
        let mut pixel = *pixel;
        if let Some(bias) = self.bias {
            let bias = load::<_, W, FULL>(bias, channel, count);
            for (lane, bias) in pixel.iter_mut().zip(bias) {
                *lane += bias;
            }
        }
        if self.rectified {
            for lane in &mut pixel {
                *lane = if *lane > 0.0 { *lane } else { NEGATIVE_SLOPE * *lane };
            }
        }
        pixel
    }
}

/// Products `[points,tiles,C]` to the pixels of one row of tiles, of which `first_tile` is the first;
/// `picture` is what is written, the sums of 2x2 pixels where it is doubled.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+fma", "x86_64+avx2+fma"))]
pub(super) fn points_to_row<E: Number>(
    products: &[f32],
    tiles: usize,
    first_tile: usize,
    short: bool,
    picture: Picture,
    after: After<'_>,
    row: &mut [E],
) {
    match (picture.doubled, short) {
        (true, _) => pixels::<E, true, 2, 5>(products, tiles, first_tile, picture, after, row),
        (false, true) => pixels::<E, false, 4, 5>(products, tiles, first_tile, picture, after, row),
        (false, false) => pixels::<E, false, 4, 6>(products, tiles, first_tile, picture, after, row),
    }
}

#[inline(always)]
fn pixels<E: Number, const DOUBLED: bool, const SIZE: usize, const N: usize>(
    products: &[f32],
    tiles: usize,
    first_tile: usize,
    picture: Picture,
    after: After<'_>,
    row: &mut [E],
) {
    let Picture { width, channels, .. } = picture;
    let mut square = EMPTY;
    for tile in 0..picture.tiles_across() {
        for_blocks!(channels, |channel, count, W, FULL| {
            for q in 0..N {
                let mut grid = [[0.0; W]; POINTS];
                for p in 0..N {
                    let at = ((q * N + p) * tiles + first_tile + tile) * channels + channel;
                    grid[kept::<N>(p)] = load::<_, W, FULL>(products, at, count);
                }
                set_row(&mut square[kept::<N>(q)], &to_pixels::<W, DOUBLED, SIZE>(&grid));
            }
            for x in 0..SIZE {
                let column = column(&square, x);
                for (y, pixel) in to_pixels::<W, DOUBLED, SIZE>(&column).iter().enumerate() {
                    let pixel = after.apply::<W, FULL>(pixel, channel, count);
                    store::<_, W, FULL>(
                        row,
                        (y * width + tile * SIZE + x) * channels + channel,
                        count,
                        &pixel,
                    );
                }
            }
        });
    }
}

#[inline(always)]
fn to_pixels<const W: usize, const DOUBLED: bool, const SIZE: usize>(
    points: &[Lanes<W>; POINTS],
) -> [Lanes<W>; SIZE] {
    let mut pixels = [[0.0; W]; SIZE];
    if DOUBLED {
        pixels.copy_from_slice(&paired_output(points));
    } else {
        pixels.copy_from_slice(&output(points));
    }
    pixels
}
