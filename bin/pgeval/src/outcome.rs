//! What several metrics came to, those included that failed.

use anyhow::Result;
use pg_cli::{Interrupted, Provenance};
use serde_json::{Value, json};

use crate::metric_result::{FailedMetric, MetricResult};

/// Metrics that were computed, and those that could not be.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) metrics: Vec<MetricResult>,
    pub(crate) failed: Vec<FailedMetric>,
}

impl Outcome {
    /// Adds the result of `metric`, or why there is none.
    ///
    /// # Errors
    /// Only when the user interrupts.
    pub(crate) fn add(&mut self, metric: &'static str, result: Result<MetricResult>) -> Result<()> {
        match result.and_then(MetricResult::checked) {
            Ok(result) => self.metrics.push(result),
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(error) => self.failed.push(FailedMetric { metric, reason: format!("{error:#}") }),
        }
        Ok(())
    }

    /// The content of the result file; the key `failed` is there only where a metric failed.
    pub(crate) fn object(&self, provenance: &Provenance) -> Value {
        let mut object = json!({ "metrics": self.metrics, "provenance": provenance });
        if !self.failed.is_empty() {
            object["failed"] = json!(self.failed);
        }
        object
    }
}
