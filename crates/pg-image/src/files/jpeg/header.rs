//! What the segments of a JPEG file say of its picture (ITU-T T.81, annex B).

use std::ops::Range;
use std::rc::Rc;

use super::Fault;
use super::huffman::HuffmanTable;

/// A component of the picture: samples of one kind, at a resolution of their own (A.1.1).
#[derive(Debug, Clone)]
pub(super) struct Component {
    /// The name by which scans call it.
    pub(super) id: u8,
    /// Samples per MCU, in blocks across.
    pub(super) horizontal: usize,
    /// Samples per MCU, in blocks down.
    pub(super) vertical: usize,
    /// Number of its quantisation table.
    pub(super) quantisation: usize,
    /// Columns of its samples.
    pub(super) width: usize,
    /// Rows of its samples.
    pub(super) height: usize,
    /// Blocks across, up to the end of the last MCU.
    pub(super) stored_wide: usize,
    /// Blocks down, up to the end of the last MCU.
    pub(super) stored_high: usize,
}

/// The frame header: size and components of the picture.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) progressive: bool,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) components: Vec<Component>,
    /// The largest `horizontal` of the components.
    pub(super) horizontal: usize,
    /// The largest `vertical` of the components.
    pub(super) vertical: usize,
}

impl Frame {
    /// From the contents of a segment SOF0, SOF1 or SOF2 (B.2.2).
    ///
    /// # Errors
    /// [`Fault::Damaged`]; [`Fault::Unsupported`] for samples of another width than 8 bits, a
    /// height that only comes with the scan (DNL), and numbers of components that no colours are
    /// defined for.
    pub(super) fn parse(segment: &[u8], progressive: bool) -> Result<Self, Fault> {
        let &[bits, h1, h0, w1, w0, count, ref rest @ ..] = segment else {
            return Err(Fault::short_segment("the frame header"));
        };
        let (height, width) = (u16::from_be_bytes([h1, h0]), u16::from_be_bytes([w1, w0]));
        if bits != 8 {
            return Err(Fault::Unsupported(format!("it has {bits} bits per sample, 8 are read")));
        }
        if height == 0 {
            return Err(Fault::Unsupported("its height follows behind the scan (DNL)".to_owned()));
        }
        if width == 0 || count == 0 {
            return Err(Fault::Damaged(format!("a frame of {width} columns and {count} components")));
        }
        if !matches!(count, 1 | 3 | 4) {
            return Err(Fault::Unsupported(format!("it has {count} components, 1, 3 and 4 are read")));
        }
        let parts = rest.as_chunks::<3>().0.get(..usize::from(count));
        let parts = parts.ok_or_else(|| Fault::short_segment("the frame header"))?;
        Self::with_components(width.into(), height.into(), parts, progressive)
    }

    fn with_components(
        width: usize,
        height: usize,
        parts: &[[u8; 3]],
        progressive: bool,
    ) -> Result<Self, Fault> {
        let factors = |sampling: u8| (usize::from(sampling >> 4), usize::from(sampling & 15));
        let mut most = (1, 1);
        for (i, &[id, sampling, table]) in parts.iter().enumerate() {
            let (h, v) = factors(sampling);
            if !(1..=4).contains(&h) || !(1..=4).contains(&v) || table > 3 {
                return Err(Fault::Damaged(format!("component {id} has sampling {h}x{v} and table {table}")));
            }
            if parts[..i].iter().any(|earlier| earlier[0] == id) {
                return Err(Fault::Damaged(format!("two components have the number {id}")));
            }
            most = (most.0.max(h), most.1.max(v));
        }
        let (horizontal, vertical) = most;
        let mcus = (width.div_ceil(8 * horizontal), height.div_ceil(8 * vertical));
        let component = |&[id, sampling, table]: &[u8; 3]| {
            let (h, v) = factors(sampling);
            Component {
                id,
                horizontal: h,
                vertical: v,
                quantisation: table.into(),
                width: (width * h).div_ceil(horizontal),
                height: (height * v).div_ceil(vertical),
                stored_wide: mcus.0 * h,
                stored_high: mcus.1 * v,
            }
        };
        let components = parts.iter().map(component).collect();
        Ok(Self { progressive, width, height, components, horizontal, vertical })
    }

    /// Whether every component's samples stand a whole number of times in the finest one's.
    pub(super) fn has_whole_ratios(&self) -> bool {
        let whole = |c: &Component| {
            self.horizontal.is_multiple_of(c.horizontal) && self.vertical.is_multiple_of(c.vertical)
        };
        self.components.iter().all(whole)
    }
}

/// A component's part in a scan.
#[derive(Debug, Clone)]
pub(super) struct ScanPart {
    /// Which component of the frame.
    pub(super) index: usize,
    dc: Option<Rc<HuffmanTable>>,
    ac: Option<Rc<HuffmanTable>>,
}

impl ScanPart {
    pub(super) fn dc_table(&self) -> Result<&HuffmanTable, Fault> {
        self.dc.as_deref().ok_or_else(Fault::missing_huffman_table)
    }

    pub(super) fn ac_table(&self) -> Result<&HuffmanTable, Fault> {
        self.ac.as_deref().ok_or_else(Fault::missing_huffman_table)
    }
}

/// A scan header (B.2.3), with the tables in force where it stands.
#[derive(Debug, Clone)]
pub(super) struct Scan {
    pub(super) components: Vec<ScanPart>,
    /// Which coefficients it is about, in zigzag order; all in a sequential file.
    pub(super) band: Range<usize>,
    /// Number of the lowest bit that it gives of each coefficient.
    pub(super) low_bit: u8,
    /// Whether earlier scans gave the higher bits.
    pub(super) refines: bool,
    /// MCUs between restart markers, 0 without any.
    pub(super) restart_interval: usize,
}

impl Scan {
    /// MCUs across and down (A.2): blocks of the component where there is only one.
    pub(super) fn size_in_units(&self, frame: &Frame) -> (usize, usize) {
        if let [part] = &self.components[..] {
            let component = &frame.components[part.index];
            (component.width.div_ceil(8), component.height.div_ceil(8))
        } else {
            (frame.width.div_ceil(8 * frame.horizontal), frame.height.div_ceil(8 * frame.vertical))
        }
    }

    /// From the contents of a segment SOS.
    ///
    /// # Errors
    /// [`Fault::Damaged`] for what no scan may be.
    pub(super) fn parse(segment: &[u8], frame: &Frame, tables: &Tables) -> Result<Self, Fault> {
        let (&count, rest) = segment.split_first().ok_or_else(|| Fault::short_segment("a scan header"))?;
        let (parts, rest) = rest
            .split_at_checked(2 * usize::from(count))
            .ok_or_else(|| Fault::short_segment("a scan header"))?;
        let &[first, last, bits, ..] = rest else { return Err(Fault::short_segment("a scan header")) };
        let mut components: Vec<ScanPart> = Vec::new();
        for &[id, selectors] in parts.as_chunks::<2>().0 {
            let index = frame.components.iter().position(|c| c.id == id);
            let index = index.ok_or_else(|| {
                Fault::Damaged(format!("a scan is about component {id}, which the frame does not have"))
            })?;
            if components.iter().any(|c| c.index == index) {
                return Err(Fault::Damaged(format!("a scan is about component {id} twice")));
            }
            let table = |tables: &[Option<Rc<HuffmanTable>>; 4], number: u8| {
                tables.get(usize::from(number)).cloned().flatten()
            };
            let (dc, ac) = (table(&tables.dc, selectors >> 4), table(&tables.ac, selectors & 15));
            components.push(ScanPart { index, dc, ac });
        }
        if !(1..=4).contains(&components.len()) {
            return Err(Fault::Damaged(format!("a scan of {count} components")));
        }
        let (high_bit, low_bit) = (bits >> 4, bits & 15);
        let mut scan = Self {
            components,
            band: 0..64,
            low_bit: 0,
            refines: false,
            restart_interval: tables.restart_interval,
        };
        if frame.progressive {
            scan.band = usize::from(first)..usize::from(last) + 1;
            (scan.low_bit, scan.refines) = (low_bit, high_bit > 0);
            let of_band = last <= 63 && first <= last && scan.components.len() == 1;
            let allowed = if first == 0 { last == 0 } else { of_band };
            if !allowed || low_bit > 13 || (high_bit > 0 && low_bit + 1 != high_bit) {
                return Err(Fault::Damaged(format!(
                    "a progressive scan of {count} components, coefficients {first} to {last}, bits {high_bit} to {low_bit}"
                )));
            }
        }
        Ok(scan)
    }
}

/// The tables in force at some place in the file.
#[derive(Debug, Clone)]
pub(super) struct Tables {
    dc: [Option<Rc<HuffmanTable>>; 4],
    ac: [Option<Rc<HuffmanTable>>; 4],
    quantisation: [Option<[u16; 64]>; 4],
    restart_interval: usize,
    /// Whether a segment DHT was there.
    pub(super) has_dht: bool,
}

impl Tables {
    /// No quantisation tables, and of Huffman tables the ones that frames of Motion JPEG leave out:
    /// those of annex K.
    pub(super) fn new() -> Result<Self, Fault> {
        let mut tables = Self {
            dc: Default::default(),
            ac: Default::default(),
            quantisation: [None; 4],
            restart_interval: 0,
            has_dht: false,
        };
        tables.add_huffman(super::typical_tables::SEGMENT)?;
        tables.has_dht = false;
        Ok(tables)
    }

    /// The quantisation table `number`, in zigzag order.
    pub(super) fn quantisation(&self, number: usize) -> Result<[u16; 64], Fault> {
        self.quantisation[number]
            .ok_or_else(|| Fault::Unsupported(format!("quantisation table {number} is not in the file")))
    }

    /// Takes the contents of a segment DHT (B.2.4.2).
    pub(super) fn add_huffman(&mut self, mut segment: &[u8]) -> Result<(), Fault> {
        let short = || Fault::short_segment("a Huffman table");
        while let Some((&place, rest)) = segment.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>().ok_or_else(short)?;
            let codes: usize = counts.iter().map(|&n| usize::from(n)).sum();
            let (symbols, rest) = rest.split_at_checked(codes).ok_or_else(short)?;
            let tables = if place >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            let slot = tables.get_mut(usize::from(place & 15)).filter(|_| place >> 4 <= 1);
            let slot =
                slot.ok_or_else(|| Fault::Damaged(format!("a Huffman table for place {place:#04x}")))?;
            *slot = Some(Rc::new(HuffmanTable::new(counts, symbols)?));
            segment = rest;
        }
        self.has_dht = true;
        Ok(())
    }

    /// Takes the contents of a segment DQT (B.2.4.1).
    pub(super) fn add_quantisation(&mut self, mut segment: &[u8]) -> Result<(), Fault> {
        let short = || Fault::short_segment("a quantisation table");
        while let Some((&place, rest)) = segment.split_first() {
            let slot = self.quantisation.get_mut(usize::from(place & 15)).filter(|_| place >> 4 <= 1);
            let slot =
                slot.ok_or_else(|| Fault::Damaged(format!("a quantisation table for place {place:#04x}")))?;
            let mut values = [0; 64];
            if place >> 4 == 0 {
                let (bytes, rest) = rest.split_first_chunk::<64>().ok_or_else(short)?;
                values = bytes.map(u16::from);
                segment = rest;
            } else {
                let (bytes, rest) = rest.split_first_chunk::<128>().ok_or_else(short)?;
                for (value, &pair) in values.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    *value = u16::from_be_bytes(pair);
                }
                segment = rest;
            }
            *slot = Some(values);
        }
        Ok(())
    }

    /// Takes the contents of a segment DRI (B.2.4.4).
    pub(super) fn set_restart_interval(&mut self, segment: &[u8]) -> Result<(), Fault> {
        let &[high, low, ..] = segment else { return Err(Fault::short_segment("a restart interval")) };
        self.restart_interval = u16::from_be_bytes([high, low]).into();
        Ok(())
    }
}
