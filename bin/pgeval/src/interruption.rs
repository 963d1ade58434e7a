//! A signal that comes while something is evaluated.

/// What an interrupted evaluation leaves: nothing.
pub(crate) fn nothing_kept() -> String {
    "nothing was written; run the same command again".to_owned()
}
