//! Scans of a progressive JPEG file (ITU-T T.81, annex G).

use super::Fault;
use super::header::{Component, Frame, Scan};
use super::huffman::{HuffmanTable, ScanBits};
use super::scans::{Block, BlockReader, ZIGZAG};

/// All coefficients of a picture, which scans give bit by bit.
#[derive(Debug)]
pub(super) struct Coefficients {
    /// For each component its blocks, row by row, those that fill the last MCUs included.
    pub(super) blocks: Vec<Vec<Block>>,
    /// For each component, how many low bits of each coefficient are still to come; [`NOTHING`] at
    /// first.
    missing_bits: Vec<[u8; 64]>,
}

/// In `missing_bits`: no scan was about this coefficient.
const NOTHING: u8 = u8::MAX;

impl Coefficients {
    /// None of them known, all zero.
    pub(super) fn new(frame: &Frame) -> Self {
        let blocks = |c: &Component| vec![[0; 64]; c.stored_wide * c.stored_high];
        Self {
            blocks: frame.components.iter().map(blocks).collect(),
            missing_bits: vec![[NOTHING; 64]; frame.components.len()],
        }
    }

    /// Notes which bits `scan` gives.
    pub(super) fn note(&mut self, scan: &Scan) {
        for part in &scan.components {
            self.missing_bits[part.index][scan.band.clone()].fill(scan.low_bit);
        }
    }

    /// Whether every bit of every coefficient came.
    pub(super) fn are_complete(&self) -> bool {
        self.missing_bits.iter().flatten().all(|&bits| bits == 0)
    }
}

/// Reads the blocks of one scan into [`Coefficients`].
#[derive(Debug)]
pub(super) struct ProgressiveReader<'c, 't> {
    into: &'c mut Coefficients,
    /// For each component of the scan: its index, its blocks in a row, and its table of codes,
    /// which a scan that refines the mean has no use for.
    parts: Vec<(usize, usize, Option<&'t HuffmanTable>)>,
    band: std::ops::Range<usize>,
    low_bit: u8,
    refines: bool,
    predictions: [i32; 4],
    /// How many more blocks have nothing new in the band (G.1.2.2).
    empty_blocks: u32,
}

impl<'c, 't> ProgressiveReader<'c, 't> {
    /// A reader of `scan`.
    ///
    /// # Errors
    /// [`Fault::Damaged`] where a table is missing, or the scan is about the band of several
    /// components.
    pub(super) fn new(frame: &Frame, scan: &'t Scan, into: &'c mut Coefficients) -> Result<Self, Fault> {
        let mut parts = Vec::new();
        for part in &scan.components {
            let table = match (scan.band.start, scan.refines) {
                (0, true) => None,
                (0, false) => Some(part.dc_table()?),
                _ => Some(part.ac_table()?),
            };
            parts.push((part.index, frame.components[part.index].stored_wide, table));
        }
        let (low_bit, refines, band) = (scan.low_bit, scan.refines, scan.band.clone());
        Ok(Self { into, parts, band, low_bit, refines, predictions: [0; 4], empty_blocks: 0 })
    }
}

impl BlockReader for ProgressiveReader<'_, '_> {
    fn read(
        &mut self,
        bits: &mut ScanBits<'_>,
        of_scan: usize,
        row: usize,
        column: usize,
    ) -> Result<(), Fault> {
        let (index, wide, table) = self.parts[of_scan];
        let block = &mut self.into.blocks[index][row * wide + column];
        match table {
            None => {
                block[0] |= (bits.one()? as i16) << self.low_bit;
                Ok(())
            }
            Some(table) if self.band.start == 0 => {
                let size = bits.symbol(table)?;
                if size > 15 {
                    return Err(Fault::invalid_code());
                }
                let prediction = &mut self.predictions[of_scan];
                *prediction = prediction.wrapping_add(bits.signed(size.into())?);
                block[0] = (*prediction << self.low_bit) as i16;
                Ok(())
            }
            Some(table) if self.refines => {
                refine(bits, table, block, &self.band, self.low_bit, &mut self.empty_blocks)
            }
            Some(table) => first(bits, table, block, &self.band, self.low_bit, &mut self.empty_blocks),
        }
    }

    fn restart(&mut self) {
        (self.predictions, self.empty_blocks) = ([0; 4], 0);
    }
}

/// The first scan of a band (G.2, figure G.3).
fn first(
    bits: &mut ScanBits<'_>,
    table: &HuffmanTable,
    block: &mut Block,
    band: &std::ops::Range<usize>,
    low_bit: u8,
    empty_blocks: &mut u32,
) -> Result<(), Fault> {
    if *empty_blocks > 0 {
        *empty_blocks -= 1;
        return Ok(());
    }
    let mut k = band.start;
    while k < band.end {
        let symbol = bits.symbol(table)?;
        let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
        if size == 0 {
            if run < 15 {
                *empty_blocks = (1 << run) - 1 + bits.bits(run as u32)?;
                break;
            }
            k += 16;
            continue;
        }
        k += run;
        if k >= band.end {
            return Err(Fault::too_many_coefficients());
        }
        block[usize::from(ZIGZAG[k])] = (bits.signed(size)? << low_bit) as i16;
        k += 1;
    }
    Ok(())
}

/// A scan that gives one more bit of the coefficients of a band (G.1.2.3, figure G.7).
fn refine(
    bits: &mut ScanBits<'_>,
    table: &HuffmanTable,
    block: &mut Block,
    band: &std::ops::Range<usize>,
    low_bit: u8,
    empty_blocks: &mut u32,
) -> Result<(), Fault> {
    let one = 1_i16 << low_bit;
    let mut k = band.start;
    while *empty_blocks == 0 && k < band.end {
        let symbol = bits.symbol(table)?;
        let (run, size) = (usize::from(symbol >> 4), symbol & 15);
        let new = match size {
            0 if run < 15 => {
                *empty_blocks = (1 << run) + bits.bits(run as u32)?;
                break;
            }
            0 => 0,
            1 if bits.one()? == 1 => one,
            1 => -one,
            _ => return Err(Fault::invalid_code()),
        };
        k = refine_over(bits, block, k..band.end, run, one)?;
        if k < band.end {
            block[usize::from(ZIGZAG[k])] = new;
        } else if new != 0 {
            return Err(Fault::too_many_coefficients());
        }
        k += 1;
    }
    if *empty_blocks > 0 {
        refine_over(bits, block, k..band.end, usize::MAX, one)?;
        *empty_blocks -= 1;
    }
    Ok(())
}

/// Gives each coefficient that is not zero its bit, up to the zero behind `run` zeros, whose place
/// it returns, or that of the end.
fn refine_over(
    bits: &mut ScanBits<'_>,
    block: &mut Block,
    places: std::ops::Range<usize>,
    mut run: usize,
    one: i16,
) -> Result<usize, Fault> {
    let end = places.end;
    for k in places {
        let value = &mut block[usize::from(ZIGZAG[k])];
        if *value == 0 {
            if run == 0 {
                return Ok(k);
            }
            run -= 1;
        } else if bits.one()? == 1 && *value & one == 0 {
            *value += if *value > 0 { one } else { -one };
        }
    }
    Ok(end)
}
