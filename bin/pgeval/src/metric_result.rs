//! One metric's result, as JSON.

use anyhow::{Result, bail};
use pg_cli::{Provenance, StderrNotes};
use pg_metrics::ConfidenceInterval;
use serde::Serialize;
use serde_json::{Map, Value};

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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) interval: Option<ConfidenceInterval>,
    /// Why there is no interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) interval_unknown: Option<String>,
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
    /// Images of each of the two sets.
    pub(crate) images: usize,
    /// Whether that is the metric's own number of images: only then value and floor can be compared.
    pub(crate) comparable: bool,
    pub(crate) counts: Map<String, Value>,
}

/// A metric that could not be computed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FailedMetric {
    pub(crate) metric: &'static str,
    pub(crate) reason: String,
}

/// Something that a reader of a result has to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Warning {
    /// What it is about, for programs.
    pub(crate) code: &'static str,
    /// The same for people.
    pub(crate) text: String,
}

impl Warning {
    pub(crate) fn new(code: &'static str, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

impl MetricResult {
    /// The same result.
    ///
    /// # Errors
    /// Where a number in it is not finite: JSON would have null in its place.
    pub(crate) fn checked(self) -> Result<Self> {
        let mut numbers = vec![("its value".to_owned(), self.value)];
        numbers.extend(self.std.map(|std| ("its standard deviation".to_owned(), std)));
        let levels = |what: &str, levels: &[LevelValue]| -> Vec<(String, f64)> {
            let of_level = |level: &LevelValue| {
                let name = format!("{what}the level {}", level.resolution);
                [level.value, level.interval.low, level.interval.high].map(|value| (name.clone(), value))
            };
            levels.iter().flat_map(of_level).collect()
        };
        let interval = |what: &str, interval: &ConfidenceInterval| {
            [interval.low, interval.high].map(|end| (format!("the interval{what}"), end))
        };
        numbers.extend(levels("", &self.levels));
        numbers.extend(self.interval.iter().flat_map(|found| interval("", found)));
        if let Some(floor) = &self.floor {
            numbers.push(("its floor".to_owned(), floor.value));
            numbers.extend(interval(" of the floor", &floor.interval));
            numbers.extend(levels("the floor of ", &floor.levels));
        }
        if let Some((what, value)) = numbers.iter().find(|(_, value)| !value.is_finite()) {
            bail!(
                "cannot compute {}: {what} is {value}, expected a finite number; look for numbers out of all range in the inputs",
                self.metric
            );
        }
        let is_null =
            |attribute: &Value| attribute.as_object().is_some_and(|of| of.values().any(Value::is_null));
        if let Some(attribute) = self.attributes.iter().find(|attribute| is_null(attribute)) {
            bail!("cannot compute {}: a number of {} is not finite", self.metric, attribute["name"]);
        }
        Ok(self)
    }
}

/// Says the warnings of `results`, each once, but for those of the codes `said_before`.
pub(crate) fn say_once(results: &[MetricResult], said_before: &[&str], notes: StderrNotes) {
    let mut said = Vec::new();
    for warning in results.iter().flat_map(|result| &result.warnings) {
        if !said_before.contains(&warning.code) && !said.contains(&warning) {
            said.push(warning);
            notes.warning(&warning.text);
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn result() -> MetricResult {
        let interval = ConfidenceInterval { level: 0.95, low: 0.5, high: 2.0 };
        let levels = || vec![LevelValue { resolution: 16, value: 1.0, interval }];
        let floor = FloorValue {
            value: 0.5,
            interval,
            levels: levels(),
            definition: "a test",
            images: 10,
            comparable: true,
            counts: Map::new(),
        };
        MetricResult {
            metric: "swd",
            value: 1.0,
            std: Some(0.1),
            unit: "1",
            direction: "lower",
            levels: levels(),
            interval: Some(interval),
            interval_unknown: None,
            floor: Some(floor),
            extrapolated: None,
            attributes: vec![serde_json::json!({ "name": "smile", "bits": 0.5 })],
            counts: Map::new(),
            protocol: Map::new(),
            warnings: Vec::new(),
            provenance: provenance(None),
        }
    }

    #[test]
    fn no_result_with_a_number_that_is_not_finite_is_let_through() {
        type Change = fn(&mut MetricResult, f64);
        result().checked().unwrap();
        let changes: [(Change, &str); 9] = [
            (|r, x| r.value = x, "its value is"),
            (|r, x| r.std = Some(x), "its standard deviation is"),
            (|r, x| r.levels[0].value = x, "the level 16 is"),
            (|r, x| r.levels[0].interval.high = x, "the level 16 is"),
            (|r, x| r.interval.as_mut().unwrap().low = x, "the interval is"),
            (|r, x| r.floor.as_mut().unwrap().value = x, "its floor is"),
            (|r, x| r.floor.as_mut().unwrap().interval.high = x, "the interval of the floor is"),
            (|r, x| r.floor.as_mut().unwrap().levels[0].value = x, "the floor of the level 16 is"),
            (|r, x| r.attributes[0]["bits"] = serde_json::json!(x), "a number of \"smile\" is"),
        ];
        for (change, expected) in changes {
            for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let mut bad = result();
                change(&mut bad, wrong);
                let error = bad.checked().unwrap_err().to_string();
                assert!(error.starts_with("cannot compute swd: ") && error.contains(expected), "{error}");
            }
        }
    }
}
