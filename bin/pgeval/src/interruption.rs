//! A signal that comes while something is evaluated.

use anyhow::Result;
use pg_cli::Interrupt;
use pg_cloud::CloudError;

/// What an interrupted evaluation leaves: nothing.
pub(crate) fn nothing_kept() -> String {
    "nothing was written; run the same command again".to_owned()
}

/// `result`, where a signal ended a transfer as the interruption that it is.
pub(crate) fn with_interruption<T>(result: Result<T>, interrupt: &Interrupt) -> Result<T> {
    let by_signal = |error: &anyhow::Error| {
        error.chain().any(|cause| matches!(cause.downcast_ref(), Some(CloudError::Interrupted { .. })))
    };
    if result.as_ref().is_err_and(by_signal) {
        interrupt.check(nothing_kept)?;
    }
    result
}
