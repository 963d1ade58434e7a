//! Results read back: the JSON of one metric, or of `pgeval all`.

use std::collections::BTreeSet;

use pg_metrics::ConfidenceInterval;
use serde_json::{Map, Value};

use crate::{Floor, ResultsError};

/// Far beyond any metric, and far enough from where sums of squares overflow.
const MAX_SIZE: f64 = 1e100;
const LONGEST_NAME: usize = 64;

/// Which way a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Such as a distance.
    Lower,
    /// Such as a precision.
    Higher,
}

impl Direction {
    /// As it stands in the JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Higher => "higher",
        }
    }
}

/// A metric's value at one level of detail.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelScore {
    /// Side of the level in pixels.
    pub resolution_px: u64,
    /// In the metric's unit.
    pub value: f64,
    /// Of the value.
    pub interval: Option<ConfidenceInterval>,
}

/// One metric's result.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Its name, e.g. `swd`.
    pub metric: String,
    /// In `unit`.
    pub value: f64,
    /// `x1e-3`, or `1` for a plain number.
    pub unit: String,
    /// Which way is better.
    pub direction: Direction,
    /// Of the value.
    pub interval: Option<ConfidenceInterval>,
    /// Why there is no interval, where the result says so.
    pub interval_unknown: Option<String>,
    /// What two sets of real images score, where that was measured.
    pub floor: Option<Floor>,
    /// Its values per level of detail, where it has such.
    pub levels: Vec<LevelScore>,
    /// Of images, by what they are.
    pub counts: Map<String, Value>,
    /// The settings it was measured with.
    pub protocol: Map<String, Value>,
}

/// A metric that could not be computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Its name.
    pub metric: String,
    /// Why.
    pub reason: String,
}

/// All that a result file says of metrics.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Results {
    /// Metrics with their values.
    pub scores: Vec<Score>,
    /// Metrics without.
    pub failed: Vec<Failed>,
}

/// What is wrong, and above it where.
type Checked<T> = Result<T, String>;

/// Says where an error is.
fn about(place: impl AsRef<str>) -> impl Fn(String) -> String {
    move |error| format!("{}: {error}", place.as_ref())
}

impl Results {
    /// The metrics in the bytes of a result file, in its order; at least one, no name twice.
    ///
    /// # Errors
    /// [`ResultsError::Json`], [`ResultsError::Malformed`]
    pub fn parse(bytes: &[u8]) -> Result<Self, ResultsError> {
        Self::of(&serde_json::from_slice(bytes).map_err(ResultsError::Json)?)
    }

    /// The metrics of a result, of one metric or of `pgeval all`, and those that failed.
    ///
    /// # Errors
    /// [`ResultsError::Malformed`]
    pub fn of(result: &Value) -> Result<Self, ResultsError> {
        results(result).map_err(ResultsError::Malformed)
    }
}

fn results(result: &Value) -> Checked<Results> {
    let Value::Object(members) = result else {
        return Err(format!("expected a JSON object, found {}", kind(result)));
    };
    let failed = failed(members)?;
    let scores = match members.get("metrics") {
        Some(Value::Array(metrics)) if metrics.is_empty() && failed.is_empty() => {
            return Err("`metrics` is empty, expected one at least".to_owned());
        }
        Some(Value::Array(metrics)) => metrics
            .iter()
            .enumerate()
            .map(|(i, metric)| match metric {
                Value::Object(members) => score(members).map_err(about(format!("`metrics[{i}]`"))),
                other => Err(format!("`metrics[{i}]` is {}, expected an object", kind(other))),
            })
            .collect::<Checked<Vec<_>>>()?,
        Some(other) => return Err(format!("`metrics` is {}, expected a list", kind(other))),
        None => vec![score(members)?],
    };
    let mut seen = BTreeSet::new();
    let names = scores.iter().map(|score| &score.metric).chain(failed.iter().map(|failed| &failed.metric));
    for name in names {
        if !seen.insert(name.as_str()) {
            return Err(format!("the metric {name} is there twice"));
        }
    }
    Ok(Results { scores, failed })
}

/// `failed`: metrics and reasons.
fn failed(members: &Map<String, Value>) -> Checked<Vec<Failed>> {
    let list = match members.get("failed") {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(other) => return Err(format!("`failed` is {}, expected a list", kind(other))),
    };
    let one = |failed: &Value| -> Checked<Failed> {
        let member = |name: &str| failed.get(name).unwrap_or(&Value::Null);
        let metric = metric_name(member("metric"))?;
        let Some(reason) = member("reason").as_str() else {
            return Err(format!("`reason` of {metric} is {}, expected a text", shown(member("reason"))));
        };
        // It goes to terminals and logs as it is.
        let reason = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Ok(Failed { metric, reason })
    };
    list.iter().enumerate().map(|(i, f)| one(f).map_err(about(format!("`failed[{i}]`")))).collect()
}

fn metric_name(value: &Value) -> Checked<String> {
    let metric = plain_text("metric", value)?;
    if metric.is_empty() || !metric.chars().all(|c| c.is_ascii_alphanumeric() || "-_.@".contains(c)) {
        return Err(format!("`metric` is {metric:?}, expected a name of letters, digits and - _ . @"));
    }
    Ok(metric)
}

fn score(members: &Map<String, Value>) -> Checked<Score> {
    let metric = members.get("metric").ok_or("expected the member `metric` or `metrics`")?;
    let metric = metric_name(metric)?;
    let place = format!("metric {metric}");
    score_of(metric, members).map_err(about(place))
}

fn score_of(metric: String, members: &Map<String, Value>) -> Checked<Score> {
    let member = |name: &str| members.get(name).ok_or_else(|| format!("`{name}` is missing"));
    let direction = member("direction")?;
    other_numbers(members)?;
    let counts = object("counts", members)?;
    Ok(Score {
        metric,
        value: number("value", member("value")?)?,
        unit: plain_text("unit", member("unit")?)?,
        direction: match direction.as_str() {
            Some("lower") => Direction::Lower,
            Some("higher") => Direction::Higher,
            _ => {
                let found = shown(direction);
                return Err(format!("`direction` is {found}, expected \"lower\" or \"higher\""));
            }
        },
        interval: interval(members)?,
        interval_unknown: members.get("interval_unknown").and_then(Value::as_str).map(str::to_owned),
        floor: floor(members, &counts)?,
        levels: levels(members)?,
        counts,
        protocol: object("protocol", members)?,
    })
}

/// Numbers that are not judged, but that a result of finite numbers has as numbers.
fn other_numbers(members: &Map<String, Value>) -> Checked<()> {
    if let Some(std) = members.get("std") {
        number("std", std)?;
    }
    for (list, name) in [("extrapolated", "value"), ("extrapolated", "residual")] {
        if let Some(value) = members.get(list).and_then(|of| of.get(name)) {
            number(&format!("{list}.{name}"), value)?;
        }
    }
    for attribute in members.get("attributes").and_then(Value::as_array).into_iter().flatten() {
        for name in ["bits", "share", "told_rightly"] {
            if let Some(value) = attribute.get(name) {
                number(&format!("attributes.{name}"), value)?;
            }
        }
    }
    Ok(())
}

/// `floor` is a number or an object with a `value`; results of earlier versions say by `counts` of how many images it is.
fn floor(members: &Map<String, Value>, counts: &Map<String, Value>) -> Checked<Option<Floor>> {
    match members.get("floor") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(floor)) => {
            let value = number("floor.value", floor.get("value").unwrap_or(&Value::Null))?;
            interval(floor).map_err(about("`floor`"))?;
            levels(floor).map_err(about("`floor`"))?;
            let of_set = floor.get("counts").and_then(|counts| counts.get("even")).and_then(Value::as_u64);
            let images = floor.get("images").and_then(Value::as_u64).or(of_set);
            let as_many = of_set.is_none_or(|even| counts.get("fake").and_then(Value::as_u64) == Some(even));
            let comparable = floor.get("comparable").and_then(Value::as_bool).unwrap_or(as_many);
            Ok(Some(Floor { value, images, comparable }))
        }
        Some(value) => {
            let value = number("floor", value)?;
            Ok(Some(Floor { value, images: None, comparable: true }))
        }
    }
}

fn levels(members: &Map<String, Value>) -> Checked<Vec<LevelScore>> {
    let levels = match members.get("levels") {
        None => return Ok(Vec::new()),
        Some(Value::Array(levels)) => levels,
        Some(other) => return Err(format!("`levels` is {}, expected a list", kind(other))),
    };
    let level = |level: &Value| -> Checked<LevelScore> {
        let Value::Object(members) = level else {
            return Err(format!("it is {}, expected an object", kind(level)));
        };
        let resolution_px = members.get("resolution").and_then(Value::as_u64);
        Ok(LevelScore {
            resolution_px: resolution_px.ok_or("`resolution` is no whole number of pixels")?,
            value: number("value", members.get("value").unwrap_or(&Value::Null))?,
            interval: interval(members)?,
        })
    };
    levels.iter().enumerate().map(|(i, l)| level(l).map_err(about(format!("`levels[{i}]`")))).collect()
}

fn interval(members: &Map<String, Value>) -> Checked<Option<ConfidenceInterval>> {
    let ends = match members.get("interval") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(ends)) => ends,
        Some(other) => return Err(format!("`interval` is {}, expected an object", kind(other))),
    };
    let end = |name: &str| number(&format!("interval.{name}"), ends.get(name).unwrap_or(&Value::Null));
    let interval = ConfidenceInterval { level: end("level")?, low: end("low")?, high: end("high")? };
    if interval.low > interval.high {
        return Err(format!(
            "`interval` runs from {} to {}, expected the lower end first",
            interval.low, interval.high
        ));
    }
    Ok(Some(interval))
}

fn object(name: &str, members: &Map<String, Value>) -> Checked<Map<String, Value>> {
    match members.get(name) {
        None => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object.clone()),
        Some(other) => Err(format!("`{name}` is {}, expected an object", kind(other))),
    }
}

fn number(name: &str, value: &Value) -> Checked<f64> {
    match value.as_f64() {
        Some(number) if number.abs() <= MAX_SIZE => Ok(number),
        Some(number) => Err(format!("`{name}` is {number:e}, which no metric reaches")),
        None => Err(format!("`{name}` is {}, expected a number", shown(value))),
    }
}

/// A short text without control characters: it goes to terminals and logs as it is.
fn plain_text(name: &str, value: &Value) -> Checked<String> {
    match value.as_str() {
        Some(text) if text.chars().count() <= LONGEST_NAME && !text.chars().any(char::is_control) => {
            Ok(text.to_owned())
        }
        _ => Err(format!("`{name}` is {}, expected a short text", shown(value))),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A value as JSON on one line, cut where it gets long.
pub(crate) fn shown(value: &Value) -> String {
    const LONGEST: usize = 100;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn swd() -> Value {
        json!({
            "metric": "swd", "value": 12.5, "unit": "x1e-3", "direction": "lower",
            "levels": [{ "resolution": 32, "value": 10.0 }, { "resolution": 16, "value": 15.0 }],
            "interval": { "level": 0.95, "low": 12.0, "high": 13.5 },
            "counts": { "real": 4 }, "protocol": { "seed": 0 }, "provenance": {},
        })
    }

    #[test]
    fn one_metric_and_a_list_of_metrics_are_read_alike() {
        let alone = results(&swd()).unwrap();
        assert_eq!(results(&json!({ "metrics": [swd()], "provenance": {} })).unwrap(), alone);
        let alone = alone.scores;
        assert_eq!((alone[0].metric.as_str(), alone[0].value, alone[0].levels.len()), ("swd", 12.5, 2));
        assert_eq!(alone[0].interval, Some(ConfidenceInterval { level: 0.95, low: 12.0, high: 13.5 }));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let with = |name: &str, value: Value| {
            let mut metric = swd();
            metric[name] = value;
            results(&metric).unwrap_err()
        };
        for (member, value, expected) in [
            ("value", Value::Null, "metric swd: `value` is null, expected a number"),
            ("value", json!("NaN"), "`value` is \"NaN\", expected a number"),
            ("value", json!("Infinity"), "`value` is \"Infinity\", expected a number"),
            ("std", Value::Null, "`std` is null, expected a number"),
            ("extrapolated", json!({ "value": null }), "`extrapolated.value` is null"),
            ("floor", json!({ "value": null }), "`floor.value` is null"),
            (
                "floor",
                json!({ "value": 1, "interval": { "level": 0.95, "low": null } }),
                "`interval.low` is null",
            ),
            ("floor", json!({ "value": 1, "levels": [{ "resolution": 16 }] }), "`value` is null"),
            ("levels", json!([{ "resolution": 16, "value": "nan" }]), "`value` is \"nan\""),
            ("attributes", json!([{ "bits": null }]), "`attributes.bits` is null"),
            ("failed", json!({}), "`failed` is an object, expected a list"),
            ("failed", json!([{ "metric": "fid" }]), "`failed[0]`: `reason` of fid is null"),
            ("failed", json!([{ "metric": "swd", "reason": "r" }]), "the metric swd is there twice"),
            ("value", json!(1e200), "`value` is 1e200, which no metric reaches"),
            ("direction", json!("up"), "`direction` is \"up\", expected \"lower\" or \"higher\""),
            ("metric", json!("a\nb"), "`metric` is \"a\\nb\", expected a short text"),
            ("metric", json!("a b"), "expected a name of letters"),
            ("unit", json!(1), "`unit` is 1, expected a short text"),
            ("interval", json!({ "level": 0.95, "low": 2, "high": 1 }), "runs from 2 to 1"),
            ("interval", json!({ "level": 0.95, "low": 2 }), "`interval.high` is null"),
            ("interval", json!([1, 2]), "`interval` is a list"),
            (
                "levels",
                json!([{ "resolution": -4, "value": 1 }]),
                "`levels[0]`: `resolution` is no whole number",
            ),
            ("protocol", json!([]), "`protocol` is a list, expected an object"),
        ] {
            let error = with(member, value);
            assert!(error.contains(expected), "{expected:?} not in {error:?}");
        }
        for (file, expected) in [
            ("[]", "expected a JSON object, found a list"),
            ("{}", "expected the member `metric` or `metrics`"),
            (r#"{"metrics":[]}"#, "`metrics` is empty"),
            (r#"{"metrics":[3]}"#, "`metrics[0]` is a number"),
            (r#"{"metric":"swd","value":NaN}"#, "it is no JSON of finite numbers"),
            (r#"{"metric":"swd","value":1e999}"#, "it is no JSON of finite numbers"),
            (r#"{"metric":"swd","value":-Infinity}"#, "it is no JSON of finite numbers"),
            ("", "it is no JSON"),
        ] {
            let error = Results::parse(file.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{expected:?} not in {error:?}");
        }
        let twice = results(&json!({ "metrics": [swd(), swd()] })).unwrap_err();
        assert_eq!(twice, "the metric swd is there twice");
    }

    #[test]
    fn a_floor_says_of_how_many_images_it_is_or_its_counts_do() {
        let floor = |floor: Value| {
            let mut metric = swd();
            metric["counts"] = json!({ "real": 40, "fake": 40 });
            metric["floor"] = floor;
            results(&metric).unwrap().scores[0].floor.unwrap()
        };
        let of = |images, comparable| Floor { value: 1.0, images, comparable };
        assert_eq!(floor(json!(1)), of(None, true));
        assert_eq!(floor(json!({ "value": 1, "images": 40, "comparable": true })), of(Some(40), true));
        assert_eq!(floor(json!({ "value": 1, "images": 20, "comparable": false })), of(Some(20), false));
        // As earlier versions wrote it.
        assert_eq!(floor(json!({ "value": 1, "counts": { "even": 20, "odd": 20 } })), of(Some(20), false));
    }

    #[test]
    fn metrics_that_failed_are_read_with_their_reasons() {
        let failed = json!([{ "metric": "fid", "reason": "a\nb" }]);
        let read = results(&json!({ "metrics": [swd()], "failed": failed })).unwrap();
        assert_eq!(read.failed, [Failed { metric: "fid".to_owned(), reason: "a b".to_owned() }]);
        let none = results(&json!({ "metrics": [], "failed": failed })).unwrap();
        assert_eq!((none.scores.len(), none.failed.len()), (0, 1));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Results::parse(&bytes);
        }

        #[test]
        fn no_damage_to_a_result_makes_it_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut text = serde_json::to_vec(&swd()).unwrap();
            let at = at.index(text.len());
            text[at] = byte;
            if let Ok(results) = Results::parse(&text) {
                prop_assert!(results.scores.iter().all(|score| score.value.is_finite()));
            }
        }
    }
}
