//! `pgeval gate`: is a result worse than a baseline?

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use pg_cli::{ExitStatus, Output};
use pg_image::files::{DecodeLimits, read_bytes, write_atomically};
use pg_results::gate::{
    Allowance, AllowedChange, Judgement, MetricJudgement, Verdict, annotations, differences, explanation,
    judge, junit_xml, summary, table,
};
use pg_results::{Results, Score};
use serde_json::{Value, json};

use crate::args::GateArgs;
use crate::metric_result::provenance;

/// A result file is a few kilobytes; this leaves room for any settings.
const MAX_RESULT_BYTES: u64 = 64 << 20;

pub(crate) fn run(args: &GateArgs) -> Result<ExitStatus> {
    let result = read("RESULT", &args.result)?;
    let baseline = read("--baseline", &args.baseline)?;
    let judgement = judge(&baseline.scores, &result.scores, &result.failed, &args.max_increase)
        .map_err(|error| anyhow!("--max-increase {error}"))?;
    refuse_unlike(args, &baseline.scores, &result.scores)?;

    if let Some(path) = &args.junit {
        let xml = junit_xml(&judgement);
        write_atomically(path, |file| file.write_all(xml.as_bytes()))
            .with_context(|| format!("cannot write --junit {}", path.display()))?;
    }
    if args.json {
        Output.json(&object(args, &judgement))?;
    } else {
        print_table(args, &judgement)?;
    }
    Ok(if judgement.passed() { ExitStatus::Done } else { ExitStatus::SomeFailed })
}

/// Reads the result file that was given for the argument `role`.
fn read(role: &str, path: &Path) -> Result<Results> {
    let limits = DecodeLimits { max_bytes: MAX_RESULT_BYTES, ..DecodeLimits::default() };
    let bytes = read_bytes(path, &limits).with_context(|| format!("read {role}"))?;
    Results::parse(&bytes).with_context(|| {
        format!(
            "{role} {} is no result of pgeval; make one with `pgeval … --json` or `pgeval all … -o FILE`",
            path.display()
        )
    })
}

/// Results that were measured in different ways are not compared.
fn refuse_unlike(args: &GateArgs, baseline: &[Score], result: &[Score]) -> Result<()> {
    let differences = differences(baseline, result, &args.allow_protocol)
        .map_err(|error| anyhow!("--allow-protocol {error}"))?;
    if differences.is_empty() {
        return Ok(());
    }
    let lines = differences.iter().map(|d| {
        format!("\n  {}: {} is {} in the baseline, {} in the result", d.metric, d.what, d.baseline, d.result)
    });
    let mut keys: Vec<&str> = Vec::new();
    for key in differences.iter().filter_map(|d| d.key.as_deref()) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    // No flag makes values of different units comparable.
    let remedy = if differences.iter().all(|d| d.key.is_some()) {
        format!(", or compare all the same with --allow-protocol {}", keys.join(","))
    } else {
        String::new()
    };
    bail!(
        "RESULT {} and --baseline {} were not measured in the same way; measure both alike{remedy}{}",
        args.result.display(),
        args.baseline.display(),
        lines.collect::<String>()
    );
}

fn print_table(args: &GateArgs, judgement: &Judgement) -> std::io::Result<()> {
    Output.line(format_args!("{} against {}", args.result.display(), args.baseline.display()))?;
    Output.line("")?;
    for line in table(judgement) {
        Output.line(line)?;
    }
    Output.line("")?;
    if args.github {
        for line in annotations(judgement) {
            Output.line(line)?;
        }
    }
    for metric in judgement.metrics.iter().filter(|metric| metric.verdict == Verdict::Failed) {
        Output.line(explanation(metric))?;
    }
    Output.line(summary(judgement))
}

fn object(args: &GateArgs, judgement: &Judgement) -> Value {
    let count = |verdict: Verdict| judgement.metrics.iter().filter(|m| m.verdict == verdict).count();
    let provenance = provenance(None)
        .setting("result", args.result.display().to_string())
        .setting("baseline", args.baseline.display().to_string())
        .setting(
            "max_increase",
            args.max_increase.iter().map(|a| allowance(&a.metric, a.change)).collect::<Value>(),
        )
        .setting("allow_protocol", args.allow_protocol.clone())
        .count("worse", count(Verdict::Worse))
        .count("missing", count(Verdict::Missing))
        .count("failed", count(Verdict::Failed))
        .count("same", count(Verdict::Same))
        .count("better", count(Verdict::Better))
        .count("new", count(Verdict::New));
    json!({
        "passed": judgement.passed(),
        "metrics": judgement.metrics.iter().map(metric_object).collect::<Vec<_>>(),
        "provenance": provenance,
    })
}

fn metric_object(metric: &MetricJudgement) -> Value {
    let mut object = json!({
        "metric": metric.metric,
        "unit": metric.unit,
        "direction": metric.direction.name(),
        "verdict": metric.verdict.name(),
    });
    let only = |verdict: Verdict| metric.only_value.filter(|_| metric.verdict == verdict);
    if let Some(comparison) = &metric.comparison {
        object["baseline"] = comparison.baseline.into();
        object["result"] = comparison.result.into();
        object["change"] = comparison.change().into();
        object["change_percent"] = comparison.change_percent().into();
        object["allowed"] = comparison.allowed.into();
        object["allowed_by"] = match comparison.allowance {
            Allowance::Given(_) => "--max-increase".into(),
            Allowance::Intervals => "intervals".into(),
        };
    } else {
        object["baseline"] = only(Verdict::Missing).or(only(Verdict::Failed)).into();
        object["result"] = only(Verdict::New).into();
    }
    if let Some(reason) = &metric.reason {
        object["reason"] = reason.clone().into();
    }
    object
}

fn allowance(metric: &str, change: AllowedChange) -> Value {
    match change {
        AllowedChange::Percent(percent) => format!("{metric}={percent}%").into(),
        AllowedChange::Absolute(amount) => format!("{metric}={amount}").into(),
    }
}
