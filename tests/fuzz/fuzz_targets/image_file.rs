//! Image files of every format: the decoders and what is checked before them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pg_image::files::{DecodeLimits, decode_bytes};

const LIMITS: DecodeLimits = DecodeLimits { max_pixels: 1 << 14, max_bytes: 1 << 16 };

fuzz_target!(|bytes: &[u8]| {
    // A portable map is told by its name as well.
    let name = if bytes.starts_with(b"P") { "input.pnm" } else { "input" };
    match decode_bytes(bytes, name, &LIMITS) {
        Ok(picture) => {
            assert_eq!(picture.data().len(), picture.width() * picture.height() * picture.channels());
            assert!(matches!(picture.channels(), 1 | 3));
        }
        Err(error) => drop(error.to_string()),
    }
});
