//! The marker segments of a JPEG file, one after the other (ITU-T T.81, annex B).

use super::Fault;
use super::header::{Frame, Scan, Tables};
use super::huffman::find_marker;

/// More scans than any encoder writes: a file of many empty ones would keep a decoder busy for
/// hours.
const MOST_SCANS: usize = 1000;

/// Walks from segment to segment and keeps what they say.
#[derive(Debug, Clone)]
pub(super) struct Segments<'a> {
    bytes: &'a [u8],
    /// Place of the next marker, or of bytes before it.
    pub(super) at: usize,
    pub(super) frame: Option<Frame>,
    pub(super) tables: Tables,
    /// Whether a segment of JFIF is there.
    pub(super) jfif: bool,
    /// Whether it is a frame of Motion JPEG, which may leave out Huffman tables.
    pub(super) motion: bool,
    /// The colour transform that Adobe's segment names.
    pub(super) adobe_transform: Option<u8>,
    /// The contents of the first EXIF segment.
    pub(super) exif: Option<&'a [u8]>,
    /// Whether a quantisation table follows behind a scan.
    pub(super) late_quantisation: bool,
    /// Scans so far.
    pub(super) scans: usize,
}

impl<'a> Segments<'a> {
    /// Of the whole file `bytes`, which begins with the start-of-image marker.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, Fault> {
        Ok(Self {
            bytes,
            at: 2,
            frame: None,
            tables: Tables::new()?,
            jfif: false,
            motion: false,
            adobe_transform: None,
            exif: None,
            late_quantisation: false,
            scans: 0,
        })
    }

    /// Goes on to the next scan, whose data begins at `at` afterwards; `None` at the end-of-image
    /// marker.
    ///
    /// # Errors
    /// [`Fault::Truncated`] where the file ends before; what segments are at fault with.
    pub(super) fn next_scan(&mut self) -> Result<Option<Scan>, Fault> {
        loop {
            self.at = find_marker(self.bytes, self.at);
            let Some(&marker) = self.bytes.get(self.at + 1) else { return Err(self.early_end()) };
            self.at += 2;
            match marker {
                0xD9 if self.scans == 0 => {
                    return Err(Fault::Truncated(
                        "expected a scan before the end-of-image marker".to_owned(),
                    ));
                }
                0xD9 => return Ok(None),
                0x01 | 0xD0..=0xD7 => {}
                0xD8 => return Err(Fault::Damaged("a second start-of-image marker".to_owned())),
                _ => {
                    let segment = self.segment()?;
                    if marker == 0xDA {
                        self.scans += 1;
                        if self.scans > MOST_SCANS {
                            return Err(Fault::Unsupported(format!("it has more than {MOST_SCANS} scans")));
                        }
                        let frame = self.frame.as_ref();
                        let frame = frame
                            .ok_or_else(|| Fault::Damaged("a scan without a frame header".to_owned()))?;
                        return Scan::parse(segment, frame, &self.tables).map(Some);
                    }
                    self.take(marker, segment)?;
                }
            }
        }
    }

    fn early_end(&self) -> Fault {
        Fault::Truncated(match self.scans {
            0 => "expected the first scan".to_owned(),
            scans => format!("expected the end-of-image marker behind scan {scans}"),
        })
    }

    /// The contents of the segment whose length is next.
    fn segment(&mut self) -> Result<&'a [u8], Fault> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some((length, rest)) = rest.split_first_chunk::<2>() else { return Err(self.early_end()) };
        let length = usize::from(u16::from_be_bytes(*length));
        let contents = length.checked_sub(2);
        let contents = contents.ok_or_else(|| Fault::Damaged(format!("a segment of {length} bytes")))?;
        self.at += length;
        rest.get(..contents).ok_or_else(|| Fault::Truncated(format!("expected a segment of {length} bytes")))
    }

    fn take(&mut self, marker: u8, segment: &'a [u8]) -> Result<(), Fault> {
        match marker {
            0xC0..=0xC2 => {
                if self.frame.is_some() {
                    return Err(Fault::Damaged("a second frame header".to_owned()));
                }
                self.frame = Some(Frame::parse(segment, marker == 0xC2)?);
            }
            0xC4 => self.tables.add_huffman(segment)?,
            0xDB => {
                self.late_quantisation |= self.scans > 0;
                self.tables.add_quantisation(segment)?;
            }
            0xDD => self.tables.set_restart_interval(segment)?,
            0xDC => self.check_lines(segment)?,
            0xE0 => {
                self.jfif |= segment.len() >= 14 && segment.starts_with(b"JFIF\0");
                self.motion |= segment.starts_with(b"AVI1");
            }
            0xE1 => {
                if let Some(exif) = segment.strip_prefix(b"Exif\0\0") {
                    self.exif.get_or_insert(exif);
                }
            }
            0xEE if segment.len() >= 12 && segment.starts_with(b"Adobe") => {
                self.adobe_transform = Some(segment[11]);
            }
            _ => {}
        }
        match kind_not_read(marker) {
            Some(kind) => Err(Fault::Unsupported(format!("it is {kind}"))),
            None => Ok(()),
        }
    }

    /// A segment DNL may repeat the height, not change it.
    fn check_lines(&self, segment: &[u8]) -> Result<(), Fault> {
        let &[high, low, ..] = segment else { return Err(Fault::short_segment("a number of lines")) };
        let lines = usize::from(u16::from_be_bytes([high, low]));
        match &self.frame {
            Some(frame) if frame.height != lines => Err(Fault::Unsupported(format!(
                "its height changes from {} to {lines} behind the scan (DNL)",
                frame.height
            ))),
            _ => Ok(()),
        }
    }
}

/// What a file with this marker is, where such files are not read (table B.1).
fn kind_not_read(marker: u8) -> Option<&'static str> {
    match marker {
        0xC3 => Some("lossless"),
        0xC5..=0xC7 | 0xDE | 0xDF => Some("hierarchical"),
        0xC9..=0xCB => Some("arithmetically coded"),
        0xCD..=0xCF => Some("hierarchical and arithmetically coded"),
        0xF7 => Some("a JPEG-LS file"),
        _ => None,
    }
}
