//! The judgement for people.

use crate::{five_digits, signed, signed_percent, with_noise};

use super::judgement::{Allowance, AllowedChange, Judgement, MetricJudgement, Verdict};

const HEADINGS: [&str; 6] = ["metric", "baseline", "result", "change", "allowed", "verdict"];

/// One line per metric under a line of headings.
#[must_use]
pub fn table(judgement: &Judgement) -> Vec<String> {
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(judgement.metrics.iter().map(row));
    let widths: [usize; 6] =
        std::array::from_fn(|i| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0));
    rows.iter()
        .map(|row| {
            let cells: Vec<String> = row.iter().zip(widths).map(|(cell, w)| format!("{cell:<w$}")).collect();
            format!("  {}", cells.join("   ").trim_end())
        })
        .collect()
}

fn row(metric: &MetricJudgement) -> [String; 6] {
    let name = if metric.unit == "1" {
        metric.metric.clone()
    } else {
        format!("{}, {}", metric.metric, metric.unit)
    };
    let verdict = metric.verdict.name().to_owned();
    let none = || "-".to_owned();
    let only = || metric.only_value.map_or_else(none, five_digits);
    match &metric.comparison {
        Some(comparison) => [
            name,
            with_noise(comparison.baseline, comparison.noise),
            with_noise(comparison.result, comparison.noise),
            change(metric),
            allowed(metric),
            verdict,
        ],
        None if metric.verdict != Verdict::New => [name, only(), none(), none(), none(), verdict],
        None => [name, none(), only(), none(), none(), verdict],
    }
}

fn change(metric: &MetricJudgement) -> String {
    let Some(comparison) = &metric.comparison else { return String::new() };
    match comparison.change_percent() {
        Some(percent) => {
            format!("{} ({} %)", signed(comparison.change(), comparison.noise), signed_percent(percent))
        }
        None => signed(comparison.change(), comparison.noise),
    }
}

fn allowed(metric: &MetricJudgement) -> String {
    let Some(comparison) = &metric.comparison else { return String::new() };
    let amount = with_noise(comparison.allowed, comparison.noise);
    match comparison.allowance {
        Allowance::Given(AllowedChange::Percent(percent)) => format!("{amount} ({percent} %)"),
        Allowance::Given(AllowedChange::Absolute(_)) => amount,
        Allowance::Intervals => format!("{amount} (intervals)"),
    }
}

/// One metric in a sentence without a full stop.
#[must_use]
pub fn explanation(metric: &MetricJudgement) -> String {
    let name = &metric.metric;
    match (metric.verdict, &metric.comparison) {
        (verdict, Some(comparison)) => {
            let what = match verdict {
                Verdict::Worse => "got worse than allowed",
                Verdict::Better => "got better",
                _ => "is as before",
            };
            format!(
                "{name} {what}: {} in the baseline, now {}, a change of {}, allowed {}; {} is better",
                with_noise(comparison.baseline, comparison.noise),
                with_noise(comparison.result, comparison.noise),
                change(metric),
                allowed(metric),
                metric.direction.name(),
            )
        }
        (Verdict::Missing, None) => format!(
            "{name} is in the baseline ({}) but not in the result; measure it too, or make a new baseline",
            metric.only_value.map_or_else(String::new, five_digits)
        ),
        (Verdict::Failed, None) => format!(
            "{name} is in the baseline ({}) and could not be computed in the result: {}",
            metric.only_value.map_or_else(String::new, five_digits),
            metric.reason.as_deref().unwrap_or_default()
        ),
        (_, None) => format!(
            "{name} is {} in the result and not in the baseline: not judged",
            metric.only_value.map_or_else(String::new, five_digits)
        ),
    }
}

/// The last line.
#[must_use]
pub fn summary(judgement: &Judgement) -> String {
    let judged = judgement.metrics.iter().filter(|metric| metric.verdict != Verdict::New).count();
    let plural = if judged == 1 { "metric" } else { "metrics" };
    let named = |verdict: Verdict| {
        let metrics = judgement.metrics.iter().filter(|metric| metric.verdict == verdict);
        metrics.map(|metric| metric.metric.as_str()).collect::<Vec<_>>().join(", ")
    };
    if judgement.passed() {
        return format!("passed: none of {judged} {plural} got worse than allowed");
    }
    let verdicts = [
        ("worse than allowed", Verdict::Worse),
        ("missing", Verdict::Missing),
        ("not computed", Verdict::Failed),
    ];
    let parts: Vec<String> = verdicts
        .into_iter()
        .map(|(what, verdict)| (what, named(verdict)))
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| format!("{what}: {names}"))
        .collect();
    format!("failed: of {judged} {plural}, {}", parts.join("; "))
}
