//! One scale of a pair of planes, fed row by row: only the rows under the windows are held, which fit in the
//! cache, and no plane of floats is written.

use super::ScaleSimilarity;
use super::kernels::{
    CHUNK_BLOCKS, GROUP, GROUP_ROWS, LANES, Lanes, Moments, WINDOW_PX, add_similarities, filter_along,
    filter_down, halve, sums_and_differences,
};

const WINDOW_SIGMA_PX: f64 = 1.5;

/// A row of both images as sum and difference, with zeros behind its last pixel.
struct Row {
    sums: Vec<f64>,
    differences: Vec<f64>,
}

/// The rows of one plane of both images that are still needed, and the sums over the others.
pub(super) struct Scale {
    width: usize,
    /// Side of the window, in pixels.
    window_px: usize,
    window: [f64; WINDOW_PX],
    /// The last even and the last odd row.
    rows: [Row; 2],
    /// The last rows filtered along: row y at y modulo [`GROUP_ROWS`].
    filtered: Vec<Vec<Moments>>,
    rows_in: usize,
    /// Rows of positions that are in the sums.
    rows_out: usize,
    /// Over positions, of SSIM and of its contrast-structure part.
    sums: [f64; 2],
}

/// Takes in the next row of both images at the finest scale, and at coarser ones the rows that it completes.
pub(super) fn push_row(scales: &mut [Scale], a: &[u8], b: &[u8]) {
    let Some(finest) = scales.first_mut() else { return };
    let row = &mut finest.rows[finest.rows_in % 2];
    sums_and_differences(a, b, &mut row.sums, &mut row.differences);
    finest.filter_row();
    for i in 1..scales.len() {
        let [finer, coarser] = &mut scales[i - 1..=i] else { return };
        if finer.rows_in % 2 == 1 {
            return;
        }
        coarser.halve_rows(&finer.rows);
        coarser.filter_row();
    }
}

impl Scale {
    pub(super) fn new(height: usize, width: usize) -> Self {
        let window_px = WINDOW_PX.min(height).min(width);
        let blocks = (width + 1 - window_px).div_ceil(LANES);
        let padded = blocks * LANES + WINDOW_PX - 1;
        let row = || Row { sums: vec![0.0; padded], differences: vec![0.0; padded] };
        Self {
            width,
            window_px,
            window: gaussian_window(window_px),
            rows: [row(), row()],
            filtered: vec![vec![[Lanes::ZERO; 4]; blocks]; GROUP_ROWS],
            rows_in: 0,
            rows_out: 0,
            sums: [0.0; 2],
        }
    }

    fn halve_rows(&mut self, [top, bottom]: &[Row; 2]) {
        let row = &mut self.rows[self.rows_in % 2];
        halve(&top.sums, &bottom.sums, &mut row.sums[..self.width]);
        halve(&top.differences, &bottom.differences, &mut row.differences[..self.width]);
    }

    fn filter_row(&mut self) {
        let row = &self.rows[self.rows_in % 2];
        let filtered = &mut self.filtered[self.rows_in % GROUP_ROWS];
        filter_along(&row.sums, &row.differences, &self.window, filtered);
        self.rows_in += 1;
        if self.rows_ready() == GROUP {
            self.add_rows();
        }
    }

    /// Rows of positions, a group at most, whose windows are filled and that are not in the sums.
    fn rows_ready(&self) -> usize {
        (self.rows_in + 1).saturating_sub(self.window_px + self.rows_out)
    }

    fn add_rows(&mut self) {
        let (ready, width) = (self.rows_ready(), self.width + 1 - self.window_px);
        // What lies beyond the last row is finite, and gets no weight or goes into no sum.
        let rows: [&[Moments]; GROUP_ROWS] =
            std::array::from_fn(|y| self.filtered[(self.rows_out + y) % GROUP_ROWS].as_slice());
        let mut chunk = [[[Lanes::ZERO; CHUNK_BLOCKS]; GROUP]; 4];
        let (mut ssim, mut contrast_structure) = (Lanes::ZERO, Lanes::ZERO);
        for x in (0..width).step_by(CHUNK_BLOCKS * LANES) {
            filter_down(&rows.map(|row| &row[x / LANES..]), &self.window, &mut chunk);
            let count = (width - x).min(CHUNK_BLOCKS * LANES);
            for y in 0..ready {
                add_similarities(&chunk, y, count, &mut ssim, &mut contrast_structure);
            }
        }
        self.sums[0] += ssim.0.iter().sum::<f64>();
        self.sums[1] += contrast_structure.0.iter().sum::<f64>();
        self.rows_out += ready;
    }

    /// The means over all that was pushed; the next row is the first of another plane.
    pub(super) fn finish(&mut self) -> ScaleSimilarity {
        self.add_rows();
        let positions = (self.rows_out * (self.width + 1 - self.window_px)) as f64;
        let [ssim, contrast_structure] = self.sums.map(|sum| sum / positions);
        (self.rows_in, self.rows_out, self.sums) = (0, 0, [0.0; 2]);
        ScaleSimilarity { ssim, contrast_structure }
    }
}

/// A Gaussian of `size` taps that sums to one, sigma 1.5 at 11 taps and in proportion below; centred
/// between the two middle taps for even sizes. Zeros follow.
pub(super) fn gaussian_window(size: usize) -> [f64; WINDOW_PX] {
    let sigma = WINDOW_SIGMA_PX * size as f64 / WINDOW_PX as f64;
    let centre = (size as f64 - 1.0) / 2.0;
    let mut taps = [0.0; WINDOW_PX];
    for (i, tap) in taps.iter_mut().enumerate().take(size) {
        *tap = (-(i as f64 - centre).powi(2) / (2.0 * sigma * sigma)).exp();
    }
    let sum: f64 = taps.iter().sum();
    taps.map(|tap| tap / sum)
}
