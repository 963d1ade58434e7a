//! The framing of TFRecord files: per record a u64 length, its masked CRC32C, the data, their masked CRC32C, all
//! little-endian.

/// Bytes before the data.
pub(super) const HEADER_BYTES: usize = 12;
/// Bytes after the data.
pub(super) const FOOTER_BYTES: usize = 4;

/// CRC32C (Castagnoli), rotated right by 15 bits, plus a constant.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xA282_EAD8)
}

/// Appends a record.
pub(super) fn append(out: &mut Vec<u8>, data: &[u8]) {
    let length = (data.len() as u64).to_le_bytes();
    out.extend(length);
    out.extend(masked_crc(&length).to_le_bytes());
    out.extend(data);
    out.extend(masked_crc(data).to_le_bytes());
}

/// The length of the data that `header` announces; `None` where its checksum does not hold.
pub(super) fn length(header: [u8; HEADER_BYTES]) -> Option<u64> {
    let (length, crc) = header.split_first_chunk::<8>()?;
    (crc == masked_crc(length).to_le_bytes()).then(|| u64::from_le_bytes(*length))
}
