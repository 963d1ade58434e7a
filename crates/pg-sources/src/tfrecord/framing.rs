//! The framing of TFRecord files (tensorflow.org, "TFRecord and tf.train.Example"): per record a u64 length, its
//! masked CRC32C, the data, their masked CRC32C, all little-endian.

use std::io::{self, Write};

use crate::SourceError;
use crate::little_endian::{u32_at, u64_at};
use crate::positioned_file::PositionedFile;

const HEADER_BYTES: u64 = 12;
const FOOTER_BYTES: u64 = 4;

/// Where the data of a record are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// CRC32C (Castagnoli), rotated right by 15 bits, plus a constant.
pub(crate) fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xA282_EAD8)
}

/// True when `head`, the first 12 bytes of a file, is a record's length and its checksum.
pub(crate) fn begins_record(head: &[u8]) -> bool {
    head.get(..8).is_some_and(|length| u32_at(head, 8) == Some(masked_crc(length)))
}

/// Walks over the file by the records' lengths, each checked; reads no data.
pub(crate) fn frames(file: &PositionedFile) -> Result<Vec<Frame>, SourceError> {
    let mut frames = Vec::new();
    let mut at = 0;
    while at < file.bytes() {
        let header = file.read(at, HEADER_BYTES, "a record's header")?;
        let length = u64_at(&header, 0).unwrap_or(0);
        if !begins_record(&header) {
            return Err(file.damaged(
                at,
                format!("the checksum {:08x} of the length {length}", masked_crc(&header[..8])),
                format!("{:08x}", u32_at(&header, 8).unwrap_or(0)),
            ));
        }
        let offset = at + HEADER_BYTES;
        let next = offset.checked_add(length).and_then(|n| n.checked_add(FOOTER_BYTES));
        let Some(next) = next.filter(|&next| next <= file.bytes()) else {
            return Err(file.damaged(
                at,
                format!("a record of {length} bytes"),
                format!("the end of the file at byte {}", file.bytes()),
            ));
        };
        frames.push(Frame { offset, length });
        at = next;
    }
    Ok(frames)
}

/// The data of a record, checked.
pub(crate) fn read(file: &PositionedFile, frame: Frame) -> Result<Vec<u8>, SourceError> {
    let mut data = file.read(frame.offset, frame.length + FOOTER_BYTES, "a record")?;
    let footer = data.split_off(frame.length as usize);
    let (expected, found) = (u32_at(&footer, 0).unwrap_or(0), masked_crc(&data));
    if expected != found {
        return Err(file.damaged(
            frame.offset,
            format!("data with the checksum {expected:08x}"),
            format!("{found:08x}"),
        ));
    }
    Ok(data)
}

/// Appends one record.
pub(crate) fn write(out: &mut impl Write, data: &[u8]) -> io::Result<()> {
    let length = (data.len() as u64).to_le_bytes();
    out.write_all(&length)?;
    out.write_all(&masked_crc(&length).to_le_bytes())?;
    out.write_all(data)?;
    out.write_all(&masked_crc(data).to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_crc32c() {
        // The check value of CRC-32C, and the mask taken back.
        assert_eq!(crc32c::crc32c(b"123456789"), 0xE306_9283);
        let masked = masked_crc(b"123456789");
        assert_eq!(masked.wrapping_sub(0xA282_EAD8).rotate_left(15), 0xE306_9283);
    }
}
