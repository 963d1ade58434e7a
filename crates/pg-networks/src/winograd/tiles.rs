//! Two-dimensional transforms between images and points, one row of 4x4 tiles at a time.
//!
//! Images are `[N,H,W,C]`: a sample's channels are neighbours, and sixteen of them fill a register.

use multiversion::multiversion;

use super::transforms::{
    LANES, Lanes, MINUS_ONE, POINTS, doubled_input, gradient, input, output, paired_gradient, paired_output,
};

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

/// Points that are kept: all, or without the one that is zero in the shorter forms.
#[inline(always)]
pub(super) fn kept(short: bool) -> impl Iterator<Item = usize> + Clone {
    (0..POINTS).filter(move |&p| !(short && p == MINUS_ONE))
}

/// Number of two-dimensional points.
pub(super) fn point_count(short: bool) -> usize {
    if short { (POINTS - 1) * (POINTS - 1) } else { POINTS * POINTS }
}

/// Up to sixteen numbers of `row` from `at` on, filled up with zeros.
#[inline(always)]
pub(super) fn load(numbers: &[f32], at: usize, count: usize) -> Lanes {
    let mut lanes = [0.0; LANES];
    if count == LANES {
        lanes.copy_from_slice(&numbers[at..at + LANES]);
    } else {
        lanes[..count].copy_from_slice(&numbers[at..at + count]);
    }
    lanes
}

#[inline(always)]
pub(super) fn store(numbers: &mut [f32], at: usize, count: usize, lanes: &Lanes) {
    if count == LANES {
        numbers[at..at + LANES].copy_from_slice(lanes);
    } else {
        numbers[at..at + count].copy_from_slice(&lanes[..count]);
    }
}

/// The first channels of blocks of sixteen, and how many there are in each.
#[inline(always)]
pub(super) fn blocks(channels: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..channels).step_by(LANES).map(move |first| (first, LANES.min(channels - first)))
}

const ZERO: Lanes = [0.0; LANES];

/// Windows around the tiles of row `tile_row` of `image`, to points: per tile `stride` numbers, of which the
/// first are `[points,C]`. Beyond the picture's edge there are zeros.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+fma", "x86_64+avx2+fma"))]
pub(super) fn windows_to_points(
    image: &[f32],
    picture: Picture,
    tile_row: usize,
    short: bool,
    points: &mut [f32],
    stride: usize,
) {
    let Picture { height, width, channels, doubled } = picture;
    let size = if doubled { 4 } else { 6 };
    let step = if doubled { 2 } else { 4 };
    for (tile, points) in points.chunks_exact_mut(stride).enumerate() {
        for (channel, count) in blocks(channels) {
            let mut rows = [[ZERO; POINTS]; POINTS];
            for (r, row) in rows.iter_mut().enumerate().take(size) {
                let mut samples = [ZERO; 6];
                let y = (tile_row * step + r).wrapping_sub(1);
                if y < height {
                    for (s, sample) in samples.iter_mut().enumerate().take(size) {
                        let x = (tile * step + s).wrapping_sub(1);
                        if x < width {
                            *sample = load(image, (y * width + x) * channels + channel, count);
                        }
                    }
                }
                *row = if doubled {
                    doubled_input(&[samples[0], samples[1], samples[2], samples[3]])
                } else {
                    input(&samples)
                };
            }
            let mut columns = [[ZERO; POINTS]; POINTS];
            for p in kept(short) {
                let column: [Lanes; 6] = std::array::from_fn(|r| rows[r][p]);
                columns[p] = if doubled {
                    doubled_input(&[column[0], column[1], column[2], column[3]])
                } else {
                    input(&column)
                };
            }
            for (index, (q, p)) in kept(short).flat_map(|q| kept(short).map(move |p| (q, p))).enumerate() {
                store(points, index * channels + channel, count, &columns[p][q]);
            }
        }
    }
}

/// Gradients of the tiles of row `tile_row`, to points, as [`windows_to_points`].
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+fma", "x86_64+avx2+fma"))]
pub(super) fn gradients_to_points(
    image: &[f32],
    picture: Picture,
    tile_row: usize,
    short: bool,
    points: &mut [f32],
    stride: usize,
) {
    let Picture { width, channels, doubled, .. } = picture;
    let size = if doubled { 2 } else { 4 };
    for (tile, points) in points.chunks_exact_mut(stride).enumerate() {
        for (channel, count) in blocks(channels) {
            let mut rows = [[ZERO; POINTS]; 4];
            for (r, row) in rows.iter_mut().enumerate().take(size) {
                let y = tile_row * size + r;
                let sample =
                    |s: usize| load(image, (y * width + tile * size + s) * channels + channel, count);
                *row = if doubled {
                    paired_gradient(&[sample(0), sample(1)])
                } else {
                    gradient(&[sample(0), sample(1), sample(2), sample(3)])
                };
            }
            let mut columns = [[ZERO; POINTS]; POINTS];
            for p in kept(short) {
                let column: [Lanes; 4] = std::array::from_fn(|r| rows[r][p]);
                columns[p] =
                    if doubled { paired_gradient(&[column[0], column[1]]) } else { gradient(&column) };
            }
            for (index, (q, p)) in kept(short).flat_map(|q| kept(short).map(move |p| (q, p))).enumerate() {
                store(points, index * channels + channel, count, &columns[p][q]);
            }
        }
    }
}

/// Products `[points,tiles,C]` to the pixels of one row of tiles, of which `first_tile` is the first;
/// `picture` is what is written, the sums of 2x2 pixels where it is doubled.
#[multiversion(targets("x86_64+avx512f+avx512vl+avx512dq+fma", "x86_64+avx2+fma"))]
pub(super) fn points_to_row(
    products: &[f32],
    tiles: usize,
    first_tile: usize,
    short: bool,
    picture: Picture,
    row: &mut [f32],
) {
    let Picture { width, channels, doubled, .. } = picture;
    let size = if doubled { 2 } else { 4 };
    for tile in 0..picture.tiles_across() {
        for (channel, count) in blocks(channels) {
            let mut grid = [[ZERO; POINTS]; POINTS];
            for (index, (q, p)) in kept(short).flat_map(|q| kept(short).map(move |p| (q, p))).enumerate() {
                let at = (index * tiles + first_tile + tile) * channels + channel;
                grid[q][p] = load(products, at, count);
            }
            let mut half = [[ZERO; 4]; POINTS];
            for q in kept(short) {
                if doubled {
                    let pair = paired_output(&grid[q]);
                    half[q][0] = pair[0];
                    half[q][1] = pair[1];
                } else {
                    half[q] = output(&grid[q]);
                }
            }
            for x in 0..size {
                let column: [Lanes; POINTS] = std::array::from_fn(|q| half[q][x]);
                let mut pixels = [ZERO; 4];
                if doubled {
                    let pair = paired_output(&column);
                    pixels[0] = pair[0];
                    pixels[1] = pair[1];
                } else {
                    pixels = output(&column);
                }
                for (y, pixel) in pixels.iter().enumerate().take(size) {
                    store(row, (y * width + tile * size + x) * channels + channel, count, pixel);
                }
            }
        }
    }
}
