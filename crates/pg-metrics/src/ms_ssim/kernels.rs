//! The arithmetic of one scale, compiled once per instruction set. Products that a window sums are fused even
//! where no instruction does so: the bits are the same on every machine.

use multiversion::multiversion;

/// Taps of the window; a shorter one ends in zeros.
pub(super) const WINDOW_PX: usize = 11;
/// Columns side by side in a block.
pub(super) const LANES: usize = 8;
/// Rows of positions at a time: each filtered row under their windows is then fetched once for all of them.
pub(super) const GROUP: usize = 4;
/// Filtered rows under the windows of a group.
pub(super) const GROUP_ROWS: usize = GROUP + WINDOW_PX - 1;
/// Blocks of a group at a time: their moments stay in the first-level cache.
pub(super) const CHUNK_BLOCKS: usize = 8;

pub(super) const C1: f64 = (0.01 * 255.0) * (0.01 * 255.0);
pub(super) const C2: f64 = (0.03 * 255.0) * (0.03 * 255.0);

/// Values of a block of columns, on a cache line of their own.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct Lanes(pub(super) [f64; LANES]);

impl Lanes {
    pub(super) const ZERO: Self = Self([0.0; LANES]);
}

/// Of s = a + b and d = a - b: s, d, s^2, d^2. All of SSIM follows from them.
pub(super) type Moments = [Lanes; 4];

/// Moments of some columns of a group, `[moment,row,block]`.
pub(super) type Chunk = [[[Lanes; CHUNK_BLOCKS]; GROUP]; 4];

/// Sums and differences of a row of pixels.
#[multiversion(targets("x86_64+avx512f+avx512vl+fma", "x86_64+avx2+fma"))]
pub(super) fn sums_and_differences(a: &[u8], b: &[u8], sums: &mut [f64], differences: &mut [f64]) {
    for (((sum, difference), &a), &b) in sums.iter_mut().zip(differences).zip(a).zip(b) {
        *sum = f64::from(i32::from(a) + i32::from(b));
        *difference = f64::from(i32::from(a) - i32::from(b));
    }
}

/// Means of 2x2 values.
#[multiversion(targets("x86_64+avx512f+avx512vl+fma", "x86_64+avx2+fma"))]
pub(super) fn halve(top: &[f64], bottom: &[f64], out: &mut [f64]) {
    for ((out, t), b) in out.iter_mut().zip(top.as_chunks::<2>().0).zip(bottom.as_chunks::<2>().0) {
        *out = ((t[0] + t[1]) + (b[0] + b[1])) * 0.25;
    }
}

/// The window's sums along a row, of which [`WINDOW_PX`] - 1 values follow the blocks of `out`.
#[multiversion(targets("x86_64+avx512f+avx512vl+fma", "x86_64+avx2+fma"))]
pub(super) fn filter_along(
    sums: &[f64],
    differences: &[f64],
    window: &[f64; WINDOW_PX],
    out: &mut [Moments],
) {
    const SPAN: usize = LANES + WINDOW_PX - 1;
    for (block, out) in out.iter_mut().enumerate() {
        for (moment, values) in [sums, differences].into_iter().enumerate() {
            let Some(values) = values[block * LANES..].first_chunk::<SPAN>() else { return };
            let (mut mean, mut square) = ([0.0_f64; LANES], [0.0_f64; LANES]);
            for tap in 0..WINDOW_PX {
                for i in 0..LANES {
                    let value = values[tap + i];
                    mean[i] = window[tap].mul_add(value, mean[i]);
                    square[i] = window[tap].mul_add(value * value, square[i]);
                }
            }
            out[moment].0 = mean;
            out[moment + 2].0 = square;
        }
    }
}

/// The window's sums down filtered rows, of [`CHUNK_BLOCKS`] blocks at most.
#[multiversion(targets("x86_64+avx512f+avx512vl+fma", "x86_64+avx2+fma"))]
pub(super) fn filter_down(rows: &[&[Moments]; GROUP_ROWS], window: &[f64; WINDOW_PX], out: &mut Chunk) {
    for block in 0..CHUNK_BLOCKS.min(rows[0].len()) {
        for moment in 0..4 {
            for y in 0..GROUP {
                let mut sum = [0.0_f64; LANES];
                for tap in 0..WINDOW_PX {
                    let values = &rows[y + tap][block][moment].0;
                    for i in 0..LANES {
                        sum[i] = window[tap].mul_add(values[i], sum[i]);
                    }
                }
                out[moment][y][block].0 = sum;
            }
        }
    }
}

/// Adds SSIM and its contrast-structure part at the first `count` positions of row `y` of a chunk.
///
/// With variances v and means m of s and d, both parts as their distance from 1, which is exactly 0 for
/// identical images: luminance 1 - 2 `m_d`^2 / (`m_s`^2 + `m_d`^2 + 2 C1), contrast-structure
/// 1 - 2 `v_d` / (`v_s` + `v_d` + 2 C2).
#[multiversion(targets("x86_64+avx512f+avx512vl+fma", "x86_64+avx2+fma"))]
pub(super) fn add_similarities(
    chunk: &Chunk,
    y: usize,
    count: usize,
    ssim: &mut Lanes,
    contrast_structure: &mut Lanes,
) {
    let [s, d, ss, dd] = chunk;
    for block in 0..count.div_ceil(LANES) {
        let (s, d, ss, dd) = (&s[y][block].0, &d[y][block].0, &ss[y][block].0, &dd[y][block].0);
        for i in 0..LANES.min(count - block * LANES) {
            let (s2, d2) = (s[i] * s[i], d[i] * d[i]);
            let variance = dd[i] - d2;
            let luminance_denominator = s2 + d2 + 2.0 * C1;
            let structure_denominator = (ss[i] - s2) + variance + 2.0 * C2;
            // One division for both: they are what this loop waits for.
            let scale = 2.0 / (luminance_denominator * structure_denominator);
            let structure = 1.0 - variance * luminance_denominator * scale;
            ssim.0[i] += (1.0 - d2 * structure_denominator * scale) * structure;
            contrast_structure.0[i] += structure;
        }
    }
}
