//! One metric's result, as JSON.

use pg_cli::Provenance;
use pg_metrics::ConfidenceInterval;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::features::Warning;

/// The JSON object that `--json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct MetricResult {
    /// The command's name, e.g. `swd`.
    pub(crate) metric: &'static str,
    pub(crate) value: f64,
    /// Standard deviation over what the metric is a mean of, as the literature reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) std: Option<f64>,
    /// `x1e-3`, or `1` for a plain number.
    pub(crate) unit: &'static str,
    /// Which way is better: `lower` or `higher`.
    pub(crate) direction: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) levels: Vec<LevelValue>,
    /// Not known where no image of either side is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) interval: Option<ConfidenceInterval>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) floor: Option<FloorValue>,
    /// What the value would be for infinitely many images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) extrapolated: Option<Value>,
    /// What is known of each attribute.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) attributes: Vec<Value>,
    pub(crate) counts: Map<String, Value>,
    /// All that another program needs to know to compute the same number.
    pub(crate) protocol: Map<String, Value>,
    /// What makes the value doubtful.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<Warning>,
    pub(crate) provenance: Provenance,
}

/// A metric's value at one level of detail.
#[derive(Debug, Serialize)]
pub(crate) struct LevelValue {
    pub(crate) resolution: usize,
    pub(crate) value: f64,
    pub(crate) interval: ConfidenceInterval,
}

/// What real images score against real ones.
#[derive(Debug, Serialize)]
pub(crate) struct FloorValue {
    pub(crate) value: f64,
    pub(crate) interval: ConfidenceInterval,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) levels: Vec<LevelValue>,
    pub(crate) definition: &'static str,
    pub(crate) counts: Map<String, Value>,
}

/// The members of a `json!({…})` object.
pub(crate) fn members(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// Provenance of what this process makes.
pub(crate) fn provenance(seed: Option<u64>) -> Provenance {
    Provenance::of_this_process(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"), seed)
}
