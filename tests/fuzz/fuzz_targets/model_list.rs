//! `models.toml`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pg_onnx::Registry;

fuzz_target!(|text: &str| {
    if let Err(error) = Registry::parse(text) {
        assert!(!error.is_empty());
    }
});
