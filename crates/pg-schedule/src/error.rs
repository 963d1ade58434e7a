//! What can be wrong with training settings.

use thiserror::Error;

/// Why settings cannot be used.
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum SettingsError {
    /// A key that no setting has.
    #[error("unknown setting `{key}`{}", nearest_hint(nearest))]
    UnknownKey {
        /// The key as given.
        key: String,
        /// Known keys that are spelt like it, nearest first.
        nearest: Vec<String>,
    },
    /// A value of the wrong type, or text that is no TOML.
    #[error("setting `{key}`: {reason}")]
    BadValue {
        /// The key, or the file's name for a whole file.
        key: String,
        /// What was expected and found.
        reason: String,
    },
    /// `--set` without an `=`.
    #[error("`{text}` is no setting: expected key=value")]
    NotAnAssignment {
        /// The text as given.
        text: String,
    },
    /// A preset that does not exist.
    #[error("unknown preset `{name}`{}; there are {known}", nearest.map_or_else(String::new, |n| format!(": did you mean `{n}`?")))]
    UnknownPreset {
        /// The name as given.
        name: String,
        /// The one spelt most like it, where there is one.
        nearest: Option<&'static str>,
        /// All names.
        known: String,
    },
    /// Settings that contradict each other or the data.
    #[error("setting `{key}` is {found}: expected {expected}")]
    OutOfRange {
        /// The setting.
        key: &'static str,
        /// What was given.
        found: String,
        /// What would do.
        expected: String,
    },
}

fn nearest_hint(nearest: &[String]) -> String {
    if nearest.is_empty() { String::new() } else { format!(": did you mean {}?", nearest.join(", ")) }
}
