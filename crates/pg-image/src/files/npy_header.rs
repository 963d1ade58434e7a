//! What the header of a `.npy` file claims (numpy.org, `numpy.lib.format`, versions 1 to 3).

/// A longer header is no array's of numbers.
const MOST_HEADER_BYTES: usize = 1 << 16;

/// How many numbers the header of a `.npy` file claims, of whatever shape and type; `None` where `bytes` do not begin with
/// a header of version 1, 2 or 3 whose shape can be counted.
///
/// A header may claim any length and shape, and readers take memory for the claim before they count the bytes: compare this
/// with the number of bytes first.
#[must_use]
pub fn numbers_claimed_by_npy(bytes: &[u8]) -> Option<usize> {
    let (start, length) = match bytes {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, a, b, ..] => {
            (10, usize::from(u16::from_le_bytes([*a, *b])))
        }
        [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _, a, b, c, d, ..] => {
            (12, u32::from_le_bytes([*a, *b, *c, *d]) as usize)
        }
        _ => return None,
    };
    if length > MOST_HEADER_BYTES {
        return None;
    }
    let header = String::from_utf8_lossy(bytes.get(start..start + length)?);
    let (_, behind) = header.split_once("'shape'")?;
    let (shape, _) = behind.split_once('(')?.1.split_once(')')?;
    // Python 2 wrote long integers with an L.
    let mut sides =
        shape.split(',').map(|side| side.trim().trim_end_matches('L')).filter(|side| !side.is_empty());
    sides.try_fold(1_usize, |product, side| product.checked_mul(side.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(version: u8, shape: &str) -> Vec<u8> {
        let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
        let length = u32::try_from(text.len()).unwrap().to_le_bytes();
        let length = if version == 1 { &length[..2] } else { &length[..] };
        [b"\x93NUMPY", &[version, 0][..], length, text.as_bytes()].concat()
    }

    #[test]
    fn numbers_of_any_shape_are_counted() {
        for version in 1..=3 {
            for (shape, numbers) in [("()", 1), ("(5,)", 5), ("(2, 3)", 6), ("(2L, 3L)", 6), ("(0, 7)", 0)] {
                assert_eq!(numbers_claimed_by_npy(&header(version, shape)), Some(numbers), "{shape}");
            }
        }
    }

    #[test]
    fn what_cannot_be_counted_is_no_claim() {
        for shape in ["(99999999999999999999,)", "(4294967296, 4294967296)", "(-1,)", "5", "(a,)"] {
            assert_eq!(numbers_claimed_by_npy(&header(1, shape)), None, "{shape}");
        }
        let whole = header(2, "(2, 3)");
        for length in 0..whole.len() {
            assert_eq!(numbers_claimed_by_npy(&whole[..length]), None, "{length}");
        }
        let mut long = whole;
        long[10] = 1;
        long.resize(1 << 18, b' ');
        assert_eq!(numbers_claimed_by_npy(&long), None);
        assert_eq!(numbers_claimed_by_npy(&header(4, "(2, 3)")), None);
    }
}
