//! The blocks of a scan in their order, and what each of them holds (ITU-T T.81, A.2, F.2 and G.2).

use super::Fault;
use super::header::{Frame, Scan};
use super::huffman::{HuffmanTable, ScanBits};

/// Coefficients of 8x8 samples, row by row.
pub(super) type Block = [i16; 64];

/// Place in a [`Block`] of the coefficient k of the zigzag order (figure A.6).
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7,
    14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39,
    46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// What to do with each block of a scan.
pub(super) trait BlockReader {
    /// Reads the block in `row` and `column` of the scan's component number `of_scan`.
    fn read(
        &mut self,
        bits: &mut ScanBits<'_>,
        of_scan: usize,
        row: usize,
        column: usize,
    ) -> Result<(), Fault>;

    /// Forgets what earlier blocks said of later ones.
    fn restart(&mut self);
}

/// Reads all blocks of `scan`, whose data begins at byte `at`; returns the place of the marker
/// behind it.
///
/// Bytes between the last block and that marker are left out, as restart markers at the very end
/// are.
///
/// # Errors
/// [`Fault::Truncated`] where the scan ends before its last block; what `reader` finds.
pub(super) fn read_scan(
    bytes: &[u8],
    at: usize,
    frame: &Frame,
    scan: &Scan,
    reader: &mut impl BlockReader,
) -> Result<usize, Fault> {
    let mut bits = ScanBits::new(bytes, at);
    let (wide, high) = scan.size_in_units(frame);
    let units = wide * high;
    let mut done = 0;
    let result = (|| {
        for row in 0..high {
            for column in 0..wide {
                if scan.restart_interval > 0 && done > 0 && done % scan.restart_interval == 0 {
                    bits.restart((done / scan.restart_interval - 1) as u8 % 8)?;
                    reader.restart();
                }
                read_unit(&mut bits, frame, scan, (row, column), reader)?;
                done += 1;
            }
        }
        Ok(())
    })();
    match result {
        Ok(()) => {}
        Err(Fault::ScanEnd) => return Err(Fault::short_scan(done, units, bytes, bits.next_marker())),
        Err(fault) => return Err(fault),
    }
    let mut end = bits.next_marker();
    while matches!(bytes.get(end + 1), Some(0xD0..=0xD7)) {
        end = super::huffman::find_marker(bytes, end + 2);
    }
    Ok(end)
}

/// Reads one MCU: a block where the scan is of one component, else h x v blocks of each (A.2.2,
/// A.2.3).
fn read_unit(
    bits: &mut ScanBits<'_>,
    frame: &Frame,
    scan: &Scan,
    (row, column): (usize, usize),
    reader: &mut impl BlockReader,
) -> Result<(), Fault> {
    if let [_] = scan.components[..] {
        return reader.read(bits, 0, row, column);
    }
    for (of_scan, part) in scan.components.iter().enumerate() {
        let component = &frame.components[part.index];
        for y in 0..component.vertical {
            for x in 0..component.horizontal {
                let place = (row * component.vertical + y, column * component.horizontal + x);
                reader.read(bits, of_scan, place.0, place.1)?;
            }
        }
    }
    Ok(())
}

/// The tables and predictions by which the blocks of a sequential scan are read.
#[derive(Debug)]
pub(super) struct SequentialCode<'t> {
    dc_tables: Vec<&'t HuffmanTable>,
    ac_tables: Vec<&'t HuffmanTable>,
    predictions: [i32; 4],
}

impl<'t> SequentialCode<'t> {
    /// The code of `scan`.
    ///
    /// # Errors
    /// [`Fault::Damaged`] where a table is missing.
    pub(super) fn new(scan: &'t Scan) -> Result<Self, Fault> {
        Ok(Self {
            dc_tables: scan.components.iter().map(|c| c.dc_table()).collect::<Result<_, _>>()?,
            ac_tables: scan.components.iter().map(|c| c.ac_table()).collect::<Result<_, _>>()?,
            predictions: [0; 4],
        })
    }

    pub(super) fn restart(&mut self) {
        self.predictions = [0; 4];
    }

    /// The next block (F.2.2), into `block`, which is all zeros before.
    pub(super) fn read(
        &mut self,
        bits: &mut ScanBits<'_>,
        of_scan: usize,
        block: &mut Block,
    ) -> Result<(), Fault> {
        let size = dc_size(bits.symbol(self.dc_tables[of_scan])?)?;
        let prediction = &mut self.predictions[of_scan];
        *prediction = prediction.wrapping_add(bits.signed(size)?);
        block[0] = *prediction as i16;
        let table = self.ac_tables[of_scan];
        let mut k = 1;
        while k < 64 {
            let symbol = bits.symbol(table)?;
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if size == 0 {
                if run < 15 {
                    break;
                }
                k += 16;
                continue;
            }
            k += run;
            let &place = ZIGZAG.get(k).ok_or_else(Fault::too_many_coefficients)?;
            block[usize::from(place)] = bits.signed(size)? as i16;
            k += 1;
        }
        Ok(())
    }

    /// Passes over the next block: as [`read`](Self::read), without keeping anything.
    #[inline]
    fn pass(&self, bits: &mut ScanBits<'_>, of_scan: usize) -> Result<(), Fault> {
        dc_size(bits.symbol_and_its_bits(self.dc_tables[of_scan])?)?;
        let table = self.ac_tables[of_scan];
        let mut k = 1;
        while k < 64 {
            let symbol = bits.symbol_and_its_bits(table)?;
            let (run, size) = (usize::from(symbol >> 4), symbol & 15);
            if size == 0 && run < 15 {
                break;
            }
            k += run + 1;
            if size > 0 && k > 64 {
                return Err(Fault::too_many_coefficients());
            }
        }
        Ok(())
    }
}

fn dc_size(symbol: u8) -> Result<u32, Fault> {
    if symbol > 15 { Err(Fault::invalid_code()) } else { Ok(symbol.into()) }
}

/// Reads blocks of a sequential scan only to see that they are all there.
#[derive(Debug)]
pub(super) struct SequentialCheck<'t>(pub(super) SequentialCode<'t>);

impl BlockReader for SequentialCheck<'_> {
    #[inline]
    fn read(&mut self, bits: &mut ScanBits<'_>, of_scan: usize, _: usize, _: usize) -> Result<(), Fault> {
        self.0.pass(bits, of_scan)
    }

    fn restart(&mut self) {}
}
