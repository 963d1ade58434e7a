//! Huffman codes of a JPEG file and the bits they are read from (ITU-T T.81, annexes C and F.2.2).

use super::Fault;

/// Codes up to this length are found by one look into a table.
const QUICK_BITS: u32 = 10;

/// One table of Huffman codes, in the canonical order of ITU-T T.81, annex C.
#[derive(Debug, Clone)]
pub(super) struct HuffmanTable {
    /// By the next [`QUICK_BITS`] bits: length of the code times 256 plus its symbol, 0 for longer
    /// ones.
    quick: Box<[u16; 1 << QUICK_BITS]>,
    /// By length: the first 16-bit word that is greater than all codes up to this length.
    beyond: [u32; 17],
    /// By length: index of its first symbol, less its first code.
    offset: [i32; 17],
    symbols: Vec<u8>,
}

impl HuffmanTable {
    /// The table of `counts[i]` codes of length i + 1 for `symbols` in their order.
    ///
    /// # Errors
    /// What is wrong where the counts are of no prefix code.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Result<Self, Fault> {
        let mut table = Self {
            quick: Box::new([0; 1 << QUICK_BITS]),
            beyond: [0; 17],
            offset: [0; 17],
            symbols: symbols.to_vec(),
        };
        let (mut code, mut index) = (0_u32, 0_usize);
        for length in 1..=16_u32 {
            let count = usize::from(counts[length as usize - 1]);
            table.offset[length as usize] = index as i32 - code as i32;
            for &symbol in &symbols[index..index + count] {
                if code >= 1 << length {
                    return Err(Fault::Damaged("a Huffman table has more codes than bits allow".to_owned()));
                }
                if length <= QUICK_BITS {
                    let spare = QUICK_BITS - length;
                    let first = (code as usize) << spare;
                    let entry = (length as u16) << 8 | u16::from(symbol);
                    table.quick[first..first + (1 << spare)].fill(entry);
                }
                code += 1;
            }
            index += count;
            table.beyond[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Ok(table)
    }

    /// Length and symbol of the code that `word`, the next 16 bits, begins with; length 0 for none.
    fn look_up(&self, word: u32) -> (u32, u8) {
        let entry = self.quick[(word >> (16 - QUICK_BITS)) as usize];
        if entry != 0 {
            return (u32::from(entry >> 8), entry as u8);
        }
        for length in QUICK_BITS + 1..=16 {
            if word < self.beyond[length as usize] {
                let index = (word >> (16 - length)) as i32 + self.offset[length as usize];
                return (length, self.symbols.get(index as usize).copied().unwrap_or(0));
            }
        }
        (0, 0)
    }
}

/// The bits of one scan, up to the next marker.
///
/// A byte 0 behind 0xFF is not data (B.1.1.5). Reading beyond the last bit is an error, never
/// zeros.
#[derive(Debug)]
pub(super) struct ScanBits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The next bits, from the highest on; those below `count` may be set in advance.
    word: u64,
    count: u32,
}

impl<'a> ScanBits<'a> {
    /// The bits of `bytes` from byte `at` on.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, word: 0, count: 0 }
    }

    /// The symbol of the next code.
    #[inline]
    pub(super) fn symbol(&mut self, table: &HuffmanTable) -> Result<u8, Fault> {
        self.symbol_and(table, |_| 0)
    }

    /// As [`symbol`](Self::symbol), and passes over as many bits behind the code as the symbol's
    /// lower half says.
    #[inline]
    pub(super) fn symbol_and_its_bits(&mut self, table: &HuffmanTable) -> Result<u8, Fault> {
        self.symbol_and(table, |symbol| u32::from(symbol & 15))
    }

    /// The symbol of the next code, behind which `further` bits are passed over, at most 15.
    #[inline]
    fn symbol_and(&mut self, table: &HuffmanTable, further: impl Fn(u8) -> u32) -> Result<u8, Fault> {
        self.refill();
        let (length, symbol) = table.look_up((self.word >> 48) as u32);
        if length == 0 && self.count >= 16 {
            return Err(Fault::invalid_code());
        }
        let whole = length + further(symbol);
        if length == 0 || whole > self.count {
            return Err(Fault::ScanEnd);
        }
        self.word <<= whole;
        self.count -= whole;
        Ok(symbol)
    }

    /// The next `size` bits, at most 16, as a number from 0 on.
    #[inline]
    pub(super) fn bits(&mut self, size: u32) -> Result<u32, Fault> {
        if self.count < size {
            self.refill();
        }
        // Two shifts, as one by 64 is none.
        let value = (self.word >> 1 >> (63 - size)) as u32;
        self.skip(size)?;
        Ok(value)
    }

    /// The next bit.
    #[inline]
    pub(super) fn one(&mut self) -> Result<u32, Fault> {
        self.bits(1)
    }

    /// The next `size` bits, at most 16, as a number with a sign (F.2.2.1, EXTEND).
    #[inline]
    pub(super) fn signed(&mut self, size: u32) -> Result<i32, Fault> {
        let value = self.bits(size)? as i32;
        let negative = size > 0 && value < 1 << (size - 1);
        Ok(if negative { value - (1 << size) + 1 } else { value })
    }

    /// Passes over the next `size` bits, at most 16.
    #[inline]
    pub(super) fn skip(&mut self, size: u32) -> Result<(), Fault> {
        if self.count < size {
            self.refill();
            if self.count < size {
                return Err(Fault::ScanEnd);
            }
        }
        self.word <<= size;
        self.count -= size;
        Ok(())
    }

    /// At least 32 bits, unless the scan ends before.
    #[inline]
    fn refill(&mut self) {
        if self.count >= 32 {
            return;
        }
        if let Some(next) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) {
            let next = u64::from_be_bytes(*next);
            if !has_byte_255(next) {
                self.word |= next >> self.count;
                self.at += ((63 - self.count) >> 3) as usize;
                self.count |= 0x38;
                return;
            }
        }
        self.refill_by_bytes();
    }

    #[inline(never)]
    fn refill_by_bytes(&mut self) {
        while self.count <= 56 {
            let Some(&byte) = self.bytes.get(self.at) else { return };
            if byte == 0xFF {
                if self.bytes.get(self.at + 1) != Some(&0) {
                    return;
                }
                self.at += 1;
            }
            self.at += 1;
            self.word |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// Leaves out what is left before the next marker and returns the place of its 0xFF, or the
    /// length of the file where there is none. Fill bytes (B.1.1.2) are passed over.
    pub(super) fn next_marker(&mut self) -> usize {
        (self.word, self.count) = (0, 0);
        self.at = find_marker(self.bytes, self.at);
        self.at
    }

    /// Goes on behind the marker RST`number`.
    pub(super) fn restart(&mut self, number: u8) -> Result<(), Fault> {
        let at = self.next_marker();
        match self.bytes.get(at + 1) {
            Some(&code) if code == 0xD0 + number => {
                self.at = at + 2;
                Ok(())
            }
            Some(code @ 0xD0..=0xD7) => Err(Fault::Damaged(format!(
                "expected the restart marker RST{number}, found RST{}",
                code - 0xD0
            ))),
            _ => Err(Fault::ScanEnd),
        }
    }
}

fn has_byte_255(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let inverted = !word;
    inverted.wrapping_sub(ONES) & word & (ONES << 7) != 0
}

/// The place of the last 0xFF of the next marker from `at` on, or the length of the file.
pub(super) fn find_marker(bytes: &[u8], mut at: usize) -> usize {
    while let Some(&[first, second]) = bytes.get(at..).and_then(|rest| rest.first_chunk::<2>()) {
        if first == 0xFF && second != 0 && second != 0xFF {
            return at;
        }
        at += 1;
    }
    bytes.len()
}
