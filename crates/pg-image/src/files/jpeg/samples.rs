//! From coefficients to the samples of each component (ITU-T T.81, A.3.3 and A.3.4).

use super::Fault;
use super::header::{Component, Frame, Scan};
use super::huffman::ScanBits;
use super::progressive::Coefficients;
use super::scans::{Block, BlockReader, SequentialCode, ZIGZAG};

/// The samples of one component at its own resolution.
#[derive(Debug, Clone)]
pub(super) struct Plane {
    /// Row by row, `stride` samples each; those that fill the last blocks included.
    pub(super) samples: Vec<u8>,
    pub(super) stride: usize,
    /// Columns that belong to the picture.
    pub(super) width: usize,
    /// Rows that belong to the picture.
    pub(super) height: usize,
}

impl Plane {
    fn new(component: &Component) -> Self {
        let stride = component.stored_wide * 8;
        let samples = vec![0; stride * component.stored_high * 8];
        Self { samples, stride, width: component.width, height: component.height }
    }

    fn put(&mut self, row: usize, column: usize, block: &Block, quantisation: &[f32; 64]) {
        let samples = inverse_transform(block, quantisation);
        for (y, line) in samples.iter().enumerate() {
            let at = (row * 8 + y) * self.stride + column * 8;
            self.samples[at..at + 8].copy_from_slice(line);
        }
    }
}

/// The planes of a picture, and by what their coefficients are multiplied.
#[derive(Debug)]
pub(super) struct Planes {
    pub(super) planes: Vec<Plane>,
    /// Row by row; `None` before the component's first scan, whose table holds.
    quantisation: Vec<Option<[f32; 64]>>,
}

impl Planes {
    pub(super) fn new(frame: &Frame) -> Self {
        Self {
            planes: frame.components.iter().map(Plane::new).collect(),
            quantisation: vec![None; frame.components.len()],
        }
    }

    /// Takes the table of each component of `scan` that had no scan before.
    pub(super) fn latch(
        &mut self,
        frame: &Frame,
        scan: &Scan,
        table: impl Fn(usize) -> Result<[u16; 64], Fault>,
    ) -> Result<(), Fault> {
        for part in &scan.components {
            let slot = &mut self.quantisation[part.index];
            if slot.is_none() {
                let in_zigzag = table(frame.components[part.index].quantisation)?;
                let mut by_rows = [0.0; 64];
                for (&place, &value) in ZIGZAG.iter().zip(&in_zigzag) {
                    by_rows[usize::from(place)] = f32::from(value);
                }
                *slot = Some(by_rows);
            }
        }
        Ok(())
    }

    /// Fills the planes from all coefficients.
    pub(super) fn fill(&mut self, coefficients: &Coefficients) {
        let parts = self.planes.iter_mut().zip(&coefficients.blocks).zip(&self.quantisation);
        for ((plane, blocks), quantisation) in parts {
            let Some(quantisation) = quantisation else { continue };
            for (i, block) in blocks.iter().enumerate() {
                let wide = plane.stride / 8;
                plane.put(i / wide, i % wide, block, quantisation);
            }
        }
    }
}

/// Reads blocks of a sequential scan into [`Planes`].
#[derive(Debug)]
pub(super) struct SequentialReader<'p, 't> {
    pub(super) code: SequentialCode<'t>,
    pub(super) scan: &'t Scan,
    pub(super) into: &'p mut Planes,
}

impl BlockReader for SequentialReader<'_, '_> {
    fn read(
        &mut self,
        bits: &mut ScanBits<'_>,
        of_scan: usize,
        row: usize,
        column: usize,
    ) -> Result<(), Fault> {
        let mut block = [0; 64];
        self.code.read(bits, of_scan, &mut block)?;
        let index = self.scan.components[of_scan].index;
        if let Some(quantisation) = &self.into.quantisation[index] {
            self.into.planes[index].put(row, column, &block, quantisation);
        }
        Ok(())
    }

    fn restart(&mut self) {
        self.code.restart();
    }
}

/// cos(k pi / 16) / 2 for k = 0 .. 8.
const HALF_COSINES: [f32; 9] = [
    0.5,
    0.490_392_64,
    0.461_939_77,
    0.415_734_8,
    0.353_553_4,
    0.277_785_12,
    0.191_341_72,
    0.097_545_16,
    0.0,
];

/// Row u, column x: C(u) cos((2x + 1) u pi / 16) / 2, C(0) = 1 / sqrt 2, C(u) = 1.
const BASIS: [[f32; 8]; 8] = {
    let mut basis = [[HALF_COSINES[4]; 8]; 8];
    let mut u = 1;
    while u < 8 {
        let mut x = 0;
        while x < 8 {
            let k = (2 * x + 1) * u % 32;
            let k = if k > 16 { 32 - k } else { k };
            basis[u][x] = if k > 8 { -HALF_COSINES[16 - k] } else { HALF_COSINES[k] };
            x += 1;
        }
        u += 1;
    }
    basis
};

/// Samples of a block, rounded to the nearest and limited to 0 .. 255: dequantisation, the inverse
/// cosine transform by rows and then by columns in f32, and the level shift by 128.
fn inverse_transform(block: &Block, quantisation: &[f32; 64]) -> [[u8; 8]; 8] {
    let to_byte = |value: f32| (value + 128.5).floor().clamp(0.0, 255.0) as u8;
    if block[1..].iter().all(|&c| c == 0) {
        return [[to_byte(f32::from(block[0]) * quantisation[0] / 8.0); 8]; 8];
    }
    let mut sums = [[0.0_f32; 8]; 8];
    for ((v, coefficients), factors) in
        block.as_chunks::<8>().0.iter().enumerate().zip(quantisation.as_chunks::<8>().0)
    {
        if coefficients.iter().all(|&c| c == 0) {
            continue;
        }
        let mut row = [0.0_f32; 8];
        for ((&c, &factor), basis) in coefficients.iter().zip(factors).zip(&BASIS) {
            let c = f32::from(c) * factor;
            for (sum, &b) in row.iter_mut().zip(basis) {
                *sum += c * b;
            }
        }
        for (line, &b) in sums.iter_mut().zip(&BASIS[v]) {
            for (sum, &value) in line.iter_mut().zip(&row) {
                *sum += value * b;
            }
        }
    }
    sums.map(|line| line.map(to_byte))
}
