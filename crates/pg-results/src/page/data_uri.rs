//! Files inside a page (RFC 2397), in base 64 (RFC 4648, section 4).

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// `data:image/png;base64,…`
pub(crate) fn png(bytes: &[u8]) -> String {
    let mut uri = String::with_capacity(22 + bytes.len().div_ceil(3) * 4);
    uri.push_str("data:image/png;base64,");
    for group in bytes.chunks(3) {
        let bits =
            group.iter().chain(&[0; 2]).take(3).fold(0_usize, |bits, &byte| bits << 8 | usize::from(byte));
        for digit in 0..4 {
            // n bytes fill n + 1 digits.
            let c = if digit <= group.len() { DIGITS[bits >> (18 - 6 * digit) & 63] } else { b'=' };
            uri.push(char::from(c));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_vectors_of_rfc_4648_are_met() {
        for (bytes, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(png(bytes.as_bytes()), format!("data:image/png;base64,{expected}"));
        }
        assert!(png(&[0xfb, 0xff, 0xfe]).ends_with(",+//+"));
    }
}
