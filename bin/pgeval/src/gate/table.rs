//! The judgement for people.

use pg_report::five_digits as number;

use super::judgement::{Allowance, AllowedChange, Judgement, MetricJudgement, Verdict};

const HEADINGS: [&str; 6] = ["metric", "baseline", "result", "change", "allowed", "verdict"];

/// One line per metric under a line of headings.
pub(crate) fn table(judgement: &Judgement) -> Vec<String> {
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
    let only = || metric.only_value.map_or_else(none, number);
    match &metric.comparison {
        Some(comparison) => [
            name,
            number(comparison.baseline),
            number(comparison.result),
            change(metric),
            allowed(metric),
            verdict,
        ],
        None if metric.verdict == Verdict::Missing => [name, only(), none(), none(), none(), verdict],
        None => [name, none(), only(), none(), none(), verdict],
    }
}

fn change(metric: &MetricJudgement) -> String {
    let Some(comparison) = &metric.comparison else { return String::new() };
    match comparison.change_percent() {
        Some(percent) => format!("{} ({percent:+.1} %)", signed(comparison.change())),
        None => signed(comparison.change()),
    }
}

fn allowed(metric: &MetricJudgement) -> String {
    let Some(comparison) = &metric.comparison else { return String::new() };
    let amount = number(comparison.allowed);
    match comparison.allowance {
        Allowance::Given(AllowedChange::Percent(percent)) => format!("{amount} ({percent} %)"),
        Allowance::Given(AllowedChange::Absolute(_)) => amount,
        Allowance::Intervals => format!("{amount} (intervals)"),
    }
}

/// One metric in a sentence without a full stop.
pub(crate) fn explanation(metric: &MetricJudgement) -> String {
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
                number(comparison.baseline),
                number(comparison.result),
                change(metric),
                allowed(metric),
                metric.direction.name(),
            )
        }
        (Verdict::Missing, None) => format!(
            "{name} is in the baseline ({}) but not in the result; measure it too, or make a new baseline",
            metric.only_value.map_or_else(String::new, number)
        ),
        (_, None) => format!(
            "{name} is {} in the result and not in the baseline: not judged",
            metric.only_value.map_or_else(String::new, number)
        ),
    }
}

/// The last line.
pub(crate) fn summary(judgement: &Judgement) -> String {
    let judged = judgement.metrics.iter().filter(|metric| metric.verdict != Verdict::New).count();
    let plural = if judged == 1 { "metric" } else { "metrics" };
    let named = |verdict: Verdict| {
        let metrics = judgement.metrics.iter().filter(|metric| metric.verdict == verdict);
        metrics.map(|metric| metric.metric.as_str()).collect::<Vec<_>>().join(", ")
    };
    if judgement.passed() {
        return format!("passed: none of {judged} {plural} got worse than allowed");
    }
    let parts: Vec<String> = [("worse than allowed", Verdict::Worse), ("missing", Verdict::Missing)]
        .into_iter()
        .map(|(what, verdict)| (what, named(verdict)))
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| format!("{what}: {names}"))
        .collect();
    format!("failed: of {judged} {plural}, {}", parts.join("; "))
}

/// A number with its sign.
fn signed(value: f64) -> String {
    if value > 0.0 { format!("+{}", number(value)) } else { number(value) }
}
