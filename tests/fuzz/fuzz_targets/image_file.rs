//! Image files of every format: the decoders and what is checked before them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pg_image::files::{DecodeLimits, decode_bytes};

const LIMITS: DecodeLimits = DecodeLimits { max_pixels: 1 << 14, max_bytes: 1 << 16 };

fuzz_target!(|bytes: &[u8]| {
    match decode_bytes(bytes, "input", &LIMITS) {
        Ok(picture) => {
            assert_eq!(picture.data().len(), picture.width() * picture.height() * picture.channels());
            assert!(matches!(picture.channels(), 1 | 3));
        }
        Err(error) => drop(error.to_string()),
    }
});
