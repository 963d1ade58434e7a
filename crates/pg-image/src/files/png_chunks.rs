//! What the PNG decoder takes on trust.

/// Length and type before a chunk's data; its checksum after them.
const AROUND_CHUNK: usize = 12;

/// The palette must be whole entries of three bytes (PNG specification, 11.2.2): `png` 0.18 panics in an
/// entry cut short. The error says what was found.
pub(super) fn check_palette(file: &[u8]) -> Result<(), String> {
    let mut rest = file.get(8..).unwrap_or_default();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        match after.first_chunk::<4>() {
            Some(b"PLTE") if !length.is_multiple_of(3) => {
                return Err(format!("expected a palette of three bytes per entry, found {length} bytes"));
            }
            // It comes before the pixels or not at all.
            Some(b"PLTE" | b"IDAT" | b"IEND") | None => return Ok(()),
            Some(_) => rest = rest.get(length.saturating_add(AROUND_CHUNK)..).unwrap_or_default(),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
        for (name, data) in chunks {
            file.extend((data.len() as u32).to_be_bytes());
            file.extend(*name);
            file.extend(*data);
            file.extend([0; 4]);
        }
        file
    }

    #[test]
    fn a_palette_entry_cut_short_is_found_and_nothing_else() {
        let cut = png(&[(b"IHDR", &[0; 13]), (b"PLTE", &[1; 49]), (b"IDAT", &[])]);
        assert_eq!(
            check_palette(&cut).unwrap_err(),
            "expected a palette of three bytes per entry, found 49 bytes"
        );
        for fine in [
            png(&[(b"IHDR", &[0; 13]), (b"PLTE", &[1; 48]), (b"IDAT", &[])]),
            png(&[(b"IDAT", &[]), (b"PLTE", &[1; 49])]),
            b"\x89PNG".to_vec(),
            [png(&[(b"IHDR", &[0; 13])]), vec![255; 7]].concat(),
        ] {
            assert_eq!(check_palette(&fine), Ok(()));
        }
    }
}
