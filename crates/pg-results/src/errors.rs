//! What can be wrong with results and with what is asked of them.

use thiserror::Error;

/// Why results cannot be read or judged.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ResultsError {
    /// Bytes that are no JSON, or hold numbers that are not finite.
    #[error("it is no JSON of finite numbers")]
    Json(#[source] serde_json::Error),
    /// JSON of another kind; says where and what was expected.
    #[error("{0}")]
    Malformed(String),
    /// An allowance for a metric that the baseline does not have.
    #[error("{metric}: the baseline has no such metric; it has {there}")]
    NoSuchMetric {
        /// What was asked for.
        metric: String,
        /// The names that there are.
        there: String,
    },
    /// Two allowances for one metric.
    #[error("{metric} is given twice; leave one out")]
    GivenTwice {
        /// The metric.
        metric: String,
    },
    /// A key of a protocol that no metric has.
    #[error("{key}: no metric has such a key; there are {there}")]
    NoSuchKey {
        /// What was asked for.
        key: String,
        /// The keys that there are.
        there: String,
    },
}
