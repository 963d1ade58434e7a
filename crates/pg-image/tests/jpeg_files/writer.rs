//! Writes JPEG files of known coefficients, with any sampling, scans, markers and tables (ITU-T
//! T.81).

use std::ops::RangeInclusive;

/// Coefficients of a block in zigzag order.
pub(crate) type Block = [i32; 64];

/// One component: its sampling factors and its blocks, row by row, up to the end of the last MCU.
#[derive(Debug, Clone)]
pub(crate) struct Component {
    pub(crate) id: u8,
    pub(crate) horizontal: usize,
    pub(crate) vertical: usize,
    pub(crate) stored_wide: usize,
    pub(crate) blocks: Vec<Block>,
    /// Number of its quantisation table.
    pub(crate) quantisation: u8,
}

/// A scan: which components, which coefficients, which bits.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    pub(crate) components: Vec<usize>,
    pub(crate) band: RangeInclusive<usize>,
    pub(crate) high_bit: u8,
    pub(crate) low_bit: u8,
    /// MCUs between restart markers; 0 for none.
    pub(crate) restart: usize,
    /// Segments before its header.
    pub(crate) before: Vec<u8>,
    /// Whether its tables have codes of 16 bits.
    pub(crate) long_codes: bool,
}

impl Scan {
    /// All coefficients of `components`.
    pub(crate) fn sequential(components: &[usize]) -> Self {
        Self::progressive(components, 0..=63, 0, 0)
    }

    pub(crate) fn progressive(
        components: &[usize],
        band: RangeInclusive<usize>,
        high_bit: u8,
        low_bit: u8,
    ) -> Self {
        let components = components.to_vec();
        Self { components, band, high_bit, low_bit, restart: 0, before: Vec::new(), long_codes: false }
    }
}

/// A file in the making.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) components: Vec<Component>,
    /// Quantisation tables in zigzag order.
    pub(crate) quantisation: Vec<[u16; 64]>,
    /// Whether they have values of 16 bits.
    pub(crate) wide_tables: bool,
    /// Marker of the frame header: 0xC0, 0xC1, 0xC2.
    pub(crate) frame: u8,
    /// Segments behind the start-of-image marker.
    pub(crate) first: Vec<u8>,
    pub(crate) scans: Vec<Scan>,
}

/// A segment with its marker and length.
pub(crate) fn segment(marker: u8, contents: &[u8]) -> Vec<u8> {
    let length = (contents.len() as u16 + 2).to_be_bytes();
    [&[0xFF, marker], &length[..], contents].concat()
}

/// The file, and where the data of each scan begins and ends in it.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) bytes: Vec<u8>,
    pub(crate) scans: Vec<std::ops::Range<usize>>,
    /// Place of the frame header's height.
    pub(crate) height_at: usize,
}

impl File {
    /// The largest sampling factors.
    pub(crate) fn most(&self) -> (usize, usize) {
        let most = |of: fn(&Component) -> usize| self.components.iter().map(of).max().unwrap();
        (most(|c| c.horizontal), most(|c| c.vertical))
    }

    pub(crate) fn write(&self) -> Written {
        let mut bytes = vec![0xFF, 0xD8];
        bytes.extend(&self.first);
        for (number, table) in (0_u8..).zip(&self.quantisation) {
            bytes.extend(segment(0xDB, &quantisation(number, table, self.wide_tables)));
        }
        let mut frame = vec![8];
        frame.extend((self.height as u16).to_be_bytes());
        frame.extend((self.width as u16).to_be_bytes());
        frame.push(self.components.len() as u8);
        for c in &self.components {
            frame.extend([c.id, (c.horizontal << 4 | c.vertical) as u8, c.quantisation]);
        }
        let height_at = bytes.len() + 5;
        bytes.extend(segment(self.frame, &frame));
        let mut scans = Vec::new();
        for scan in &self.scans {
            bytes.extend(&scan.before);
            for (class, code) in [(0, Code::of_dc(scan.long_codes)), (0x10, Code::of_ac(scan.long_codes))] {
                bytes.extend(segment(0xC4, &[&[class], &code.counts[..], &code.symbols].concat()));
            }
            bytes.extend(segment(0xDD, &(scan.restart as u16).to_be_bytes()));
            let mut header = vec![scan.components.len() as u8];
            header.extend(scan.components.iter().flat_map(|&c| [self.components[c].id, 0]));
            header.extend([
                *scan.band.start() as u8,
                *scan.band.end() as u8,
                scan.high_bit << 4 | scan.low_bit,
            ]);
            bytes.extend(segment(0xDA, &header));
            let start = bytes.len();
            bytes.extend(ScanWriter::new(self, scan).write());
            scans.push(start..bytes.len());
        }
        bytes.extend([0xFF, 0xD9]);
        Written { bytes, scans, height_at }
    }
}

/// The contents of a segment DQT.
pub(crate) fn quantisation(number: u8, table: &[u16; 64], wide: bool) -> Vec<u8> {
    let mut contents = vec![u8::from(wide) << 4 | number];
    for value in table {
        if wide {
            contents.extend(value.to_be_bytes());
        } else {
            contents.push(*value as u8);
        }
    }
    contents
}

/// A Huffman code: symbols in the order of their codes, and how many of each length.
struct Code {
    counts: [u8; 16],
    symbols: Vec<u8>,
}

impl Code {
    fn of_dc(long: bool) -> Self {
        let mut counts = [0; 16];
        if long {
            [counts[3], counts[7], counts[11], counts[15]] = [4; 4];
        } else {
            counts[4] = 16;
        }
        Self { counts, symbols: (0..16).collect() }
    }

    fn of_ac(long: bool) -> Self {
        let mut counts = [0; 16];
        if long {
            [counts[7], counts[9], counts[11], counts[15]] = [64; 4];
        } else {
            [counts[7], counts[8]] = [128; 2];
        }
        Self { counts, symbols: (0..=255).collect() }
    }

    /// Code and length of `symbol` (annex C).
    fn of(&self, symbol: u8) -> (u32, u32) {
        let (mut code, mut index) = (0, 0);
        for (count, length) in self.counts.iter().zip(1..) {
            for _ in 0..*count {
                if self.symbols[index] == symbol {
                    return (code, length);
                }
                code += 1;
                index += 1;
            }
            code <<= 1;
        }
        panic!("no code for {symbol}");
    }
}

struct ScanWriter<'a> {
    file: &'a File,
    scan: &'a Scan,
    dc: Code,
    ac: Code,
    out: Vec<u8>,
    word: u32,
    filled: u32,
    predictions: Vec<i32>,
    empty_blocks: u32,
    /// Bits that follow behind the run of empty blocks.
    pending: Vec<u32>,
}

impl<'a> ScanWriter<'a> {
    fn new(file: &'a File, scan: &'a Scan) -> Self {
        Self {
            file,
            scan,
            dc: Code::of_dc(scan.long_codes),
            ac: Code::of_ac(scan.long_codes),
            out: Vec::new(),
            word: 0,
            filled: 0,
            predictions: vec![0; 4],
            empty_blocks: 0,
            pending: Vec::new(),
        }
    }

    fn write(mut self) -> Vec<u8> {
        let (most_h, most_v) = self.file.most();
        let (width, height) = (self.file.width, self.file.height);
        let units = if let [one] = self.scan.components[..] {
            let c = &self.file.components[one];
            let (w, h) = ((width * c.horizontal).div_ceil(most_h), (height * c.vertical).div_ceil(most_v));
            (w.div_ceil(8), h.div_ceil(8))
        } else {
            (width.div_ceil(8 * most_h), height.div_ceil(8 * most_v))
        };
        let mut done = 0;
        for row in 0..units.1 {
            for column in 0..units.0 {
                if self.scan.restart > 0 && done > 0 && done % self.scan.restart == 0 {
                    self.align();
                    self.out.extend([0xFF, 0xD0 + ((done / self.scan.restart - 1) % 8) as u8]);
                    self.predictions.fill(0);
                }
                self.unit(row, column);
                done += 1;
            }
        }
        self.align();
        self.out
    }

    fn unit(&mut self, row: usize, column: usize) {
        let file = self.file;
        let alone = self.scan.components.len() == 1;
        for (of_scan, &index) in self.scan.components.iter().enumerate() {
            let c = &file.components[index];
            let (h, v) = if alone { (1, 1) } else { (c.horizontal, c.vertical) };
            for y in 0..v {
                for x in 0..h {
                    let block = &c.blocks[(row * v + y) * c.stored_wide + column * h + x];
                    self.block(of_scan, block);
                }
            }
        }
    }

    fn block(&mut self, of_scan: usize, block: &Block) {
        let (first, last) = (*self.scan.band.start(), *self.scan.band.end());
        let (refines, low) = (self.scan.high_bit > 0, self.scan.low_bit);
        if first == 0 && refines {
            self.bits((block[0] >> low & 1) as u32, 1);
        } else if first == 0 {
            let value = block[0] >> low;
            let difference = value - self.predictions[of_scan];
            self.predictions[of_scan] = value;
            let (bits, size) = signed(difference);
            self.symbol(true, size as u8);
            self.bits(bits, size);
        }
        if self.file.frame != 0xC2 {
            self.coefficients(&block[1..], 0, false);
        } else if first > 0 && refines {
            self.refinement(&block[first..=last], low);
        } else if first > 0 {
            self.coefficients(&block[first..=last], low, true);
        }
    }

    /// F.1.2.2 and, with runs of empty blocks, G.1.2.2.
    fn coefficients(&mut self, band: &[i32], low: u8, runs: bool) {
        let mut zeros = 0;
        for &value in band {
            let value = (value.abs() >> low) * value.signum();
            if value == 0 {
                zeros += 1;
                continue;
            }
            self.end_run();
            while zeros > 15 {
                self.symbol(false, 0xF0);
                zeros -= 16;
            }
            let (bits, size) = signed(value);
            self.symbol(false, (zeros << 4) as u8 | size as u8);
            self.bits(bits, size);
            zeros = 0;
        }
        if zeros > 0 {
            self.empty_blocks += 1;
            if !runs || self.empty_blocks == 0x7FFF {
                self.end_run();
            }
        }
    }

    /// G.1.2.3.
    fn refinement(&mut self, band: &[i32], low: u8) {
        let last_new = band.iter().rposition(|&v| v.abs() >> low == 1);
        let (mut zeros, mut corrections) = (0, Vec::new());
        for (k, &value) in band.iter().enumerate() {
            let size = value.abs() >> low;
            if size == 0 {
                zeros += 1;
                continue;
            }
            while zeros > 15 && last_new.is_some_and(|last| k <= last) {
                self.end_run();
                self.symbol(false, 0xF0);
                self.many(&std::mem::take(&mut corrections));
                zeros -= 16;
            }
            if size > 1 {
                corrections.push((size & 1) as u32);
                continue;
            }
            self.end_run();
            self.symbol(false, (zeros << 4) as u8 | 1);
            self.bits(u32::from(value > 0), 1);
            self.many(&std::mem::take(&mut corrections));
            zeros = 0;
        }
        if zeros > 0 || !corrections.is_empty() {
            self.empty_blocks += 1;
            self.pending.append(&mut corrections);
            if self.empty_blocks == 0x7FFF {
                self.end_run();
            }
        }
    }

    fn end_run(&mut self) {
        if self.empty_blocks > 0 {
            let size = self.empty_blocks.ilog2();
            self.symbol(false, (size << 4) as u8);
            self.bits(self.empty_blocks - (1 << size), size);
            self.empty_blocks = 0;
        }
        let pending = std::mem::take(&mut self.pending);
        self.many(&pending);
    }

    fn symbol(&mut self, dc: bool, symbol: u8) {
        let (code, length) = if dc { self.dc.of(symbol) } else { self.ac.of(symbol) };
        self.bits(code, length);
    }

    fn many(&mut self, bits: &[u32]) {
        for &bit in bits {
            self.bits(bit, 1);
        }
    }

    fn bits(&mut self, bits: u32, count: u32) {
        for i in (0..count).rev() {
            self.word = self.word << 1 | (bits >> i & 1);
            self.filled += 1;
            if self.filled == 8 {
                self.out.push(self.word as u8);
                if self.word as u8 == 0xFF {
                    self.out.push(0);
                }
                (self.word, self.filled) = (0, 0);
            }
        }
    }

    /// Fills the last byte with ones.
    fn align(&mut self) {
        self.end_run();
        while self.filled > 0 {
            self.bits(1, 1);
        }
    }
}

/// Additional bits of a value, and how many (F.1.2.1).
fn signed(value: i32) -> (u32, u32) {
    let size = 32 - value.unsigned_abs().leading_zeros();
    let bits = if value < 0 { value + (1 << size) - 1 } else { value };
    (bits as u32, size)
}
