//! Results read back: the JSON of one metric, or of `pgeval all`.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use pg_image::files::{DecodeLimits, read_bytes};
use pg_metrics::ConfidenceInterval;
use serde_json::{Map, Value};

/// A result file is a few kilobytes; this leaves room for any settings.
const MAX_BYTES: u64 = 64 << 20;
/// Far beyond any metric, and far enough from where sums of squares overflow.
const MAX_SIZE: f64 = 1e100;
const LONGEST_NAME: usize = 64;

/// Which way a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Lower,
    Higher,
}

impl Direction {
    /// As it stands in the JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Higher => "higher",
        }
    }
}

/// A metric's value at one level of detail.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LevelScore {
    pub(crate) resolution_px: u64,
    pub(crate) value: f64,
    pub(crate) interval: Option<ConfidenceInterval>,
}

/// One metric's result.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Score {
    pub(crate) metric: String,
    pub(crate) value: f64,
    pub(crate) unit: String,
    pub(crate) direction: Direction,
    pub(crate) interval: Option<ConfidenceInterval>,
    /// What two sets of real images score, where that was measured.
    pub(crate) floor: Option<f64>,
    pub(crate) levels: Vec<LevelScore>,
    pub(crate) counts: Map<String, Value>,
    pub(crate) protocol: Map<String, Value>,
}

/// Reads the result file that was given for the argument `role`.
pub(crate) fn read(role: &str, path: &Path) -> Result<Vec<Score>> {
    let limits = DecodeLimits { max_bytes: MAX_BYTES, ..DecodeLimits::default() };
    let bytes = read_bytes(path, &limits).with_context(|| format!("read {role}"))?;
    parse(&bytes).with_context(|| {
        format!(
            "{role} {} is no result of pgeval; make one with `pgeval … --json` or `pgeval all … -o FILE`",
            path.display()
        )
    })
}

/// The metrics in the bytes of a result file, in its order; at least one, no name twice.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<Score>> {
    let value: Value = serde_json::from_slice(bytes).context("it is no JSON")?;
    scores(&value)
}

/// The metrics of a result: of one metric, or of `pgeval all`.
pub(crate) fn scores(result: &Value) -> Result<Vec<Score>> {
    let Value::Object(members) = result else {
        bail!("expected a JSON object, found {}", kind(result));
    };
    let scores = match members.get("metrics") {
        Some(Value::Array(metrics)) if metrics.is_empty() => {
            bail!("`metrics` is empty, expected one at least")
        }
        Some(Value::Array(metrics)) => metrics
            .iter()
            .enumerate()
            .map(|(i, metric)| match metric {
                Value::Object(members) => score(members).with_context(|| format!("`metrics[{i}]`")),
                other => bail!("`metrics[{i}]` is {}, expected an object", kind(other)),
            })
            .collect::<Result<Vec<_>>>()?,
        Some(other) => bail!("`metrics` is {}, expected a list", kind(other)),
        None => vec![score(members)?],
    };
    let mut seen = BTreeSet::new();
    if let Some(twice) = scores.iter().find(|score| !seen.insert(score.metric.as_str())) {
        bail!("the metric {} is there twice", twice.metric);
    }
    Ok(scores)
}

fn score(members: &Map<String, Value>) -> Result<Score> {
    let Some(metric) = members.get("metric") else { bail!("expected the member `metric` or `metrics`") };
    let metric = plain_text("metric", metric)?;
    if metric.is_empty() || !metric.chars().all(|c| c.is_ascii_alphanumeric() || "-_.@".contains(c)) {
        bail!("`metric` is {metric:?}, expected a name of letters, digits and - _ . @");
    }
    let about = || format!("metric {metric}");
    let member =
        |name: &str| members.get(name).with_context(|| format!("`{name}` is missing")).with_context(about);
    let value = number("value", member("value")?).with_context(about)?;
    let unit = plain_text("unit", member("unit")?).with_context(about)?;
    let direction = match member("direction")?.as_str() {
        Some("lower") => Direction::Lower,
        Some("higher") => Direction::Higher,
        _ => bail!(
            "metric {metric}: `direction` is {}, expected \"lower\" or \"higher\"",
            shown(&members["direction"])
        ),
    };
    Ok(Score {
        value,
        unit,
        direction,
        interval: interval(members).with_context(about)?,
        floor: floor(members).with_context(about)?,
        levels: levels(members).with_context(about)?,
        counts: object("counts", members).with_context(about)?,
        protocol: object("protocol", members).with_context(about)?,
        metric,
    })
}

/// `floor` is a number or an object with a `value`.
fn floor(members: &Map<String, Value>) -> Result<Option<f64>> {
    match members.get("floor") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(floor)) => {
            number("floor.value", floor.get("value").unwrap_or(&Value::Null)).map(Some)
        }
        Some(value) => number("floor", value).map(Some),
    }
}

fn levels(members: &Map<String, Value>) -> Result<Vec<LevelScore>> {
    let levels = match members.get("levels") {
        None => return Ok(Vec::new()),
        Some(Value::Array(levels)) => levels,
        Some(other) => bail!("`levels` is {}, expected a list", kind(other)),
    };
    let level = |level: &Value| {
        let Value::Object(members) = level else { bail!("it is {}, expected an object", kind(level)) };
        let resolution_px = members.get("resolution").and_then(Value::as_u64);
        Ok(LevelScore {
            resolution_px: resolution_px.context("`resolution` is no whole number of pixels")?,
            value: number("value", members.get("value").unwrap_or(&Value::Null))?,
            interval: interval(members)?,
        })
    };
    levels.iter().enumerate().map(|(i, l)| level(l).with_context(|| format!("`levels[{i}]`"))).collect()
}

fn interval(members: &Map<String, Value>) -> Result<Option<ConfidenceInterval>> {
    let ends = match members.get("interval") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(ends)) => ends,
        Some(other) => bail!("`interval` is {}, expected an object", kind(other)),
    };
    let end = |name: &str| number(&format!("interval.{name}"), ends.get(name).unwrap_or(&Value::Null));
    let interval = ConfidenceInterval { level: end("level")?, low: end("low")?, high: end("high")? };
    if interval.low > interval.high {
        bail!("`interval` runs from {} to {}, expected the lower end first", interval.low, interval.high);
    }
    Ok(Some(interval))
}

fn object(name: &str, members: &Map<String, Value>) -> Result<Map<String, Value>> {
    match members.get(name) {
        None => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object.clone()),
        Some(other) => bail!("`{name}` is {}, expected an object", kind(other)),
    }
}

fn number(name: &str, value: &Value) -> Result<f64> {
    match value.as_f64() {
        Some(number) if number.abs() <= MAX_SIZE => Ok(number),
        Some(number) => bail!("`{name}` is {number:e}, which no metric reaches"),
        None => bail!("`{name}` is {}, expected a number", shown(value)),
    }
}

/// A short text without control characters: it goes to terminals and logs as it is.
fn plain_text(name: &str, value: &Value) -> Result<String> {
    match value.as_str() {
        Some(text) if text.chars().count() <= LONGEST_NAME && !text.chars().any(char::is_control) => {
            Ok(text.to_owned())
        }
        _ => bail!("`{name}` is {}, expected a short text", shown(value)),
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
        let alone = scores(&swd()).unwrap();
        assert_eq!(scores(&json!({ "metrics": [swd()], "provenance": {} })).unwrap(), alone);
        assert_eq!((alone[0].metric.as_str(), alone[0].value, alone[0].levels.len()), ("swd", 12.5, 2));
        assert_eq!(alone[0].interval, Some(ConfidenceInterval { level: 0.95, low: 12.0, high: 13.5 }));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let with = |name: &str, value: Value| {
            let mut metric = swd();
            metric[name] = value;
            format!("{:#}", scores(&metric).unwrap_err())
        };
        for (member, value, expected) in [
            ("value", Value::Null, "metric swd: `value` is null, expected a number"),
            ("value", json!("NaN"), "`value` is \"NaN\", expected a number"),
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
            (r#"{"metric":"swd","value":NaN}"#, "it is no JSON"),
            ("", "it is no JSON"),
        ] {
            let error = format!("{:#}", parse(file.as_bytes()).unwrap_err());
            assert!(error.contains(expected), "{expected:?} not in {error:?}");
        }
        let twice = format!("{:#}", scores(&json!({ "metrics": [swd(), swd()] })).unwrap_err());
        assert_eq!(twice, "the metric swd is there twice");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn no_damage_to_a_result_makes_it_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut text = serde_json::to_vec(&swd()).unwrap();
            let at = at.index(text.len());
            text[at] = byte;
            if let Ok(scores) = parse(&text) {
                prop_assert!(scores.iter().all(|score| score.value.is_finite()));
            }
        }
    }
}
