//! What a report shows, gathered while images are scored: pictures as they are decoded, then numbers.

mod histogram;
mod neighbours;
mod pictures;
mod sheets;

use pg_results::{LevelChart, Report, Results};
use serde_json::Value;

pub(crate) use pictures::ReportPictures;

/// The report of `result`, the JSON of one metric or of `pgeval all`, with the pictures seen.
///
/// # Errors
/// When `result` is not what pgeval writes, or a picture cannot be encoded.
pub(crate) fn report(title: &str, result: &Value, pictures: &ReportPictures) -> anyhow::Result<Report> {
    let Results { scores, failed } = Results::of(result)?;
    let levels: Vec<LevelChart> = scores
        .iter()
        .filter(|score| !score.levels.is_empty())
        .map(|score| LevelChart {
            metric: score.metric.clone(),
            unit: score.unit.clone(),
            bars: score.levels.clone(),
        })
        .collect();
    // The level where the sides differ most, by the first metric that has levels.
    let worst_px = levels
        .first()
        .and_then(|chart| chart.bars.iter().max_by(|a, b| a.value.total_cmp(&b.value)))
        .and_then(|bar| usize::try_from(bar.resolution_px).ok());
    let mut provenance = Vec::new();
    flatten("", result.get("provenance").unwrap_or(&Value::Null), &mut provenance);
    Ok(Report {
        title: title.to_owned(),
        metrics: scores,
        failed,
        levels,
        sheets: sheets::sheets(pictures)?,
        histogram: histogram::histogram(pictures, worst_px),
        neighbours: neighbours::neighbours(pictures)?,
        provenance,
    })
}

/// The leaves of a JSON value with the names on the way to them; a list of plain values is one leaf, its
/// values as a shell would take them.
fn flatten(name: &str, value: &Value, entries: &mut Vec<(String, String)>) {
    match value {
        Value::Null if name.is_empty() => {}
        Value::Object(members) => {
            for (key, member) in members {
                let name = if name.is_empty() { spaced(key) } else { format!("{name} / {}", spaced(key)) };
                flatten(&name, member, entries);
            }
        }
        Value::Array(values) => {
            let words: Vec<String> = values.iter().map(word).collect();
            entries.push((name.to_owned(), words.join(" ")));
        }
        Value::Null => entries.push((name.to_owned(), "-".to_owned())),
        Value::String(text) => entries.push((name.to_owned(), text.clone())),
        other => entries.push((name.to_owned(), other.to_string())),
    }
}

fn spaced(key: &str) -> String {
    key.replace('_', " ")
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text)
            if !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || "'\"".contains(c)) =>
        {
            text.clone()
        }
        Value::String(text) => format!("'{}'", text.replace('\'', "'\\''")),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
