//! Whether a JPEG file is all there (ITU-T T.81, annex B): the decoder fills what is missing with
//! grey, so the end of the image is looked for before decoding.

/// What is missing, or `Ok` when the end-of-image marker closes the image.
///
/// Walks marker segments by their lengths and entropy-coded data up to the next marker, so a thumbnail
/// inside a segment cannot be taken for the end. Bytes behind the end are allowed.
pub(super) fn check_complete(bytes: &[u8]) -> Result<(), String> {
    let mut at = 2; // behind SOI
    let mut scans = 0_usize;
    loop {
        // Fill bytes and the entropy-coded data of a scan run up to a marker.
        let marker = loop {
            match (bytes.get(at), bytes.get(at + 1)) {
                (Some(0xFF), Some(0xFF)) => at += 1,
                (Some(0xFF), Some(&code)) if code != 0 && !(0xD0..=0xD7).contains(&code) => break code,
                (Some(_), Some(_)) => at += 1,
                _ if scans == 0 => return Err("expected the first scan".to_owned()),
                _ => return Err(format!("expected the end of scan {scans} and the end-of-image marker")),
            }
        };
        at += 2;
        match marker {
            0xD9 if scans == 0 => return Err("expected a scan before the end-of-image marker".to_owned()),
            0xD9 => return Ok(()),
            0x01 => {} // TEM stands alone
            _ => {
                let length = match bytes.get(at..at + 2) {
                    Some(&[high, low]) => usize::from(u16::from_be_bytes([high, low])),
                    _ => return Err("expected the length of a segment".to_owned()),
                };
                at += length.max(2);
                if at > bytes.len() {
                    return Err(format!("expected a segment of {length} bytes"));
                }
                scans += usize::from(marker == 0xDA);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOI: &[u8] = b"\xff\xd8";
    const APP_WITH_END_MARKER: &[u8] = b"\xff\xe1\0\x04\xff\xd9";
    const SCAN: &[u8] = b"\xff\xda\0\x03\x01\x11\xff\0\x22\xff\xd3\x33";

    #[test]
    fn a_whole_file_passes_with_bytes_behind_it() {
        assert_eq!(check_complete(&[SOI, APP_WITH_END_MARKER, SCAN, b"\xff\xd9", b"junk"].concat()), Ok(()));
    }

    #[test]
    fn the_end_marker_of_a_thumbnail_does_not_count() {
        let missing = check_complete(&[SOI, APP_WITH_END_MARKER, SCAN].concat()).unwrap_err();
        assert!(missing.contains("end of scan 1"), "{missing}");
        let missing = check_complete(&[SOI, APP_WITH_END_MARKER].concat()).unwrap_err();
        assert!(missing.contains("first scan"), "{missing}");
    }

    #[test]
    fn every_shorter_piece_is_incomplete() {
        let whole = [SOI, APP_WITH_END_MARKER, SCAN, SCAN, b"\xff\xd9"].concat();
        for length in 2..whole.len() {
            assert!(check_complete(&whole[..length]).is_err(), "{length} of {} bytes", whole.len());
        }
    }
}
