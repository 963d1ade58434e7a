//! Settings of a training as TOML; what is read is written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pg_schedule::Preset;

fuzz_target!(|text: &str| {
    match Preset::PaperCelebahq.settings().with_toml("a.toml", text) {
        Ok(settings) => {
            let again = Preset::PaperCelebahq.settings().with_toml("b.toml", &settings.to_toml());
            // A number that is none is equal to nothing; `validate` refuses it.
            assert!(settings.validate().is_err() || again.as_ref().ok() == Some(&settings));
        }
        Err(error) => drop(error.to_string()),
    }
});
