//! Settings of a training as TOML; what is read is written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pg_schedule::TrainingSettings;

fuzz_target!(|text: &str| {
    match TrainingSettings::default().with_toml("a.toml", text) {
        Ok(settings) => {
            let again = TrainingSettings::default().with_toml("b.toml", &settings.to_toml());
            // A number that is none is equal to nothing; `check` refuses it.
            assert!(settings.check().is_err() || again.as_ref().ok() == Some(&settings));
        }
        Err(error) => drop(error.to_string()),
    }
});
