//! Whether two results of a metric may be compared: they must have been measured in the same way.

use serde_json::{Map, Value};

use crate::scores::shown;
use crate::{ResultsError, Score};

/// They say what there was and how the interval was found, neither of which moves the value.
const NOT_OF_THE_VALUE: [&str; 3] = ["images_available", "interval", "replicates"];

/// One thing in which two results of a metric differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The metric's name.
    pub metric: String,
    /// `unit`, `protocol.seed`, `counts.real`, …
    pub what: String,
    /// What `--allow-protocol` takes; `None` where nothing makes the values comparable.
    pub key: Option<String>,
    /// What it is in the baseline.
    pub baseline: String,
    /// What it is in the result.
    pub result: String,
}

/// Everything in which metrics that are in both files differ, other than by the keys in `allowed`.
///
/// Compared are unit, direction, the levels' resolutions, the level of the intervals, and all keys of
/// `protocol` and (as `counts.KEY`) of `counts`: the values of most metrics depend on the number of
/// images.
///
/// # Errors
/// [`ResultsError::NoSuchKey`] for one in `allowed`.
pub fn differences(
    baseline: &[Score],
    result: &[Score],
    allowed: &[String],
) -> Result<Vec<Difference>, ResultsError> {
    let mut found = Vec::new();
    let mut known = Vec::new();
    for before in baseline {
        let Some(after) = result.iter().find(|after| after.metric == before.metric) else { continue };
        let both = [before, after];
        for (what, texts) in fixed(both) {
            if texts[0] != texts[1] {
                found.push(difference(before, what.to_owned(), None, texts));
            }
        }
        for (key, what, values) in keyed(both) {
            if values[0] != values[1] && !allowed.contains(&key) {
                let texts = values.map(|value| value.map_or("absent".to_owned(), shown));
                found.push(difference(before, what, Some(key.clone()), texts));
            }
            if !known.contains(&key) {
                known.push(key);
            }
        }
    }
    if let Some(unknown) = allowed.iter().find(|key| !known.contains(key)) {
        return Err(ResultsError::NoSuchKey { key: unknown.clone(), there: known.join(", ") });
    }
    Ok(found)
}

fn difference(
    score: &Score,
    what: String,
    key: Option<String>,
    [baseline, result]: [String; 2],
) -> Difference {
    Difference { metric: score.metric.clone(), what, key, baseline, result }
}

/// What must be equal whatever the user allows.
fn fixed(both: [&Score; 2]) -> [(&'static str, [String; 2]); 4] {
    let level = |score: &Score| score.interval.map(|interval| interval.level.to_string());
    // An interval that only one side has leaves nothing to compare.
    let levels_of_intervals = match both.map(level) {
        [Some(first), Some(second)] => [first, second],
        _ => Default::default(),
    };
    [
        ("unit", both.map(|score| format!("{:?}", score.unit))),
        ("direction", both.map(|score| format!("{:?}", score.direction.name()))),
        ("levels", both.map(resolutions)),
        ("interval.level", levels_of_intervals),
    ]
}

fn resolutions(score: &Score) -> String {
    let px: Vec<String> = score.levels.iter().map(|level| level.resolution_px.to_string()).collect();
    format!("[{}]", px.join(", "))
}

/// The settings of either side that matter: key, place in the file, both values.
fn keyed<'a>(both: [&'a Score; 2]) -> Vec<(String, String, [Option<&'a Value>; 2])> {
    let entries = |objects: [&'a Map<String, Value>; 2], in_key: &str, in_place: &str| {
        let [first, second] = objects;
        let only_second = second.keys().filter(|key| !first.contains_key(*key));
        let keys = first.keys().chain(only_second).filter(|key| !NOT_OF_THE_VALUE.contains(&key.as_str()));
        keys.map(|key| {
            (format!("{in_key}{key}"), format!("{in_place}{key}"), [first.get(key), second.get(key)])
        })
        .collect::<Vec<_>>()
    };
    let mut all = entries(both.map(|score| &score.protocol), "", "protocol.");
    all.extend(entries(both.map(|score| &score.counts), "counts.", "counts."));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Results;
    use serde_json::json;

    fn swd(change: impl Fn(&mut Value)) -> Vec<Score> {
        let mut metric = json!({
            "metric": "swd", "value": 1.0, "unit": "x1e-3", "direction": "lower",
            "levels": [{ "resolution": 32, "value": 1.0 }, { "resolution": 16, "value": 1.0 }],
            "interval": { "level": 0.95, "low": 1.0, "high": 1.0 },
            "counts": { "real": 4, "fake": 4 },
            "protocol": { "seed": 0, "images_available": { "real": 9 } },
        });
        change(&mut metric);
        Results::of(&metric).unwrap().scores
    }

    #[test]
    fn everything_that_moves_a_value_counts() {
        let baseline = swd(|_| {});
        let found = |change: &dyn Fn(&mut Value)| {
            let found = differences(&baseline, &swd(change), &[]).unwrap();
            found.into_iter().map(|d| format!("{} {} {}", d.what, d.baseline, d.result)).collect::<Vec<_>>()
        };
        assert_eq!(found(&|_| {}), [""; 0]);
        assert_eq!(found(&|m| m["value"] = json!(2)), [""; 0]);
        assert_eq!(found(&|m| m["protocol"]["images_available"] = json!(3)), [""; 0]);
        assert_eq!(found(&|m| m["interval"] = Value::Null), [""; 0]);
        assert_eq!(found(&|m| m["protocol"]["interval"] = json!("another way")), [""; 0]);
        assert_eq!(found(&|m| m["unit"] = json!("1")), ["unit \"x1e-3\" \"1\""]);
        assert_eq!(found(&|m| m["direction"] = json!("higher")), ["direction \"lower\" \"higher\""]);
        assert_eq!(found(&|m| m["levels"] = json!([])), ["levels [32, 16] []"]);
        assert_eq!(found(&|m| m["interval"]["level"] = json!(0.9)), ["interval.level 0.95 0.9"]);
        assert_eq!(found(&|m| m["protocol"]["seed"] = json!("0")), ["protocol.seed 0 \"0\""]);
        assert_eq!(found(&|m| m["protocol"]["more"] = json!(null)), ["protocol.more absent null"]);
        assert_eq!(found(&|m| m["counts"]["fake"] = json!(3)), ["counts.fake 4 3"]);
    }

    #[test]
    fn named_keys_may_differ_and_unknown_names_are_errors() {
        let baseline = swd(|_| {});
        let other = swd(|m| {
            m["protocol"]["seed"] = json!(1);
            m["counts"]["fake"] = json!(3);
        });
        let found = |allowed: &[&str]| {
            let allowed: Vec<String> = allowed.iter().map(|&key| key.to_owned()).collect();
            differences(&baseline, &other, &allowed)
        };
        assert_eq!(found(&["seed"]).unwrap()[0].what, "counts.fake");
        assert_eq!(found(&["seed", "counts.fake"]).unwrap(), []);
        let error = found(&["sed"]).unwrap_err().to_string();
        assert_eq!(error, "sed: no metric has such a key; there are seed, counts.real, counts.fake");
    }
}
