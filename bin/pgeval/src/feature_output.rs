//! Results of features, as JSON or a table.

use anyhow::Result;
use pg_cli::{CommonArgs, ExitStatus, Output, StderrNotes};
use pg_results::{half_width, with_interval, with_noise};
use serde_json::{Value, json};

use crate::args::FeatureArgs;
use crate::features::Context;
use crate::metric_result::say_once;
use crate::metric_result::{MetricResult, provenance};

/// Prints `results`, of one command, and on stderr what makes them doubtful.
pub(crate) fn show(
    title: &str,
    results: impl IntoIterator<Item = MetricResult>,
    context: &Context,
    args: &FeatureArgs,
    common: &CommonArgs,
) -> Result<ExitStatus> {
    let results = results.into_iter().map(MetricResult::checked).collect::<Result<Vec<_>>>()?;
    let results = results.as_slice();
    say_once(results, &[], StderrNotes::new(common.quiet));
    match (args.json, results) {
        (true, [one]) => Output.json(one)?,
        (true, several) => {
            Output.json(&json!({ "metrics": several, "provenance": provenance(Some(args.seed)) }))?;
        }
        (false, _) => print_table(title, results, context)?,
    }
    Ok(ExitStatus::Done)
}

fn print_table(title: &str, results: &[MetricResult], context: &Context) -> std::io::Result<()> {
    print_values(title, results)?;
    Output.line("")?;
    for line in context.footer() {
        Output.line(format_args!("  {line}"))?;
    }
    Ok(())
}

/// The table of values and intervals.
pub(crate) fn print_values(title: &str, results: &[MetricResult]) -> std::io::Result<()> {
    Output.line(title)?;
    Output.line("")?;
    Output.line("  metric          value    95 % interval")?;
    for result in results {
        let (value, interval) = with_interval(result.value, result.interval);
        let interval = interval.unwrap_or_else(|| {
            format!(
                "not known: {}",
                result.interval_unknown.as_deref().unwrap_or("the spread cannot be told")
            )
        });
        let noise = result.interval.map_or(0.0, |interval| half_width(result.value, interval));
        Output.line(format_args!("  {:<11}{value:>10}    {interval}", result.metric))?;
        if let Some(std) = result.std {
            let what = if result.metric == "is" { "splits" } else { "subsets" };
            let std = with_noise(std, noise);
            Output.line(format_args!("  {:<11}{std:>10}    standard deviation over {what}", ""))?;
        }
        if let Some(value) =
            result.extrapolated.as_ref().and_then(|found| found.get("value")).and_then(Value::as_f64)
        {
            Output.line(format_args!(
                "  {:<11}{:>10}    extrapolated to infinitely many images",
                "",
                with_noise(value, noise)
            ))?;
        }
    }
    Ok(())
}
