//! Results of features, as JSON or a table.

use anyhow::Result;
use pg_cli::{CommonArgs, ExitStatus, Output, StderrNotes};
use serde_json::{Value, json};

use crate::args::FeatureArgs;
use crate::features::{Context, say_once};
use crate::metric_result::{MetricResult, provenance};

/// Prints `results`, of one command, and on stderr what makes them doubtful.
pub(super) fn show(
    title: &str,
    results: &[MetricResult],
    context: &Context,
    args: &FeatureArgs,
    common: &CommonArgs,
) -> Result<ExitStatus> {
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
pub(in crate::commands) fn print_values(title: &str, results: &[MetricResult]) -> std::io::Result<()> {
    Output.line(title)?;
    Output.line("")?;
    Output.line("  metric          value    95 % interval")?;
    for result in results {
        let interval = result.interval.map_or_else(
            || "not known: no images on either side".to_owned(),
            |interval| format!("{} to {}", number(interval.low), number(interval.high)),
        );
        Output.line(format_args!("  {:<11}{:>10}    {interval}", result.metric, number(result.value)))?;
        if let Some(std) = result.std {
            let what = if result.metric == "is" { "splits" } else { "subsets" };
            Output.line(format_args!("  {:<11}{:>10}    standard deviation over {what}", "", number(std)))?;
        }
        if let Some(value) =
            result.extrapolated.as_ref().and_then(|found| found.get("value")).and_then(Value::as_f64)
        {
            Output.line(format_args!(
                "  {:<11}{:>10}    extrapolated to infinitely many images",
                "",
                number(value)
            ))?;
        }
    }
    Ok(())
}

/// Five digits that matter.
fn number(value: f64) -> String {
    let size = value.abs();
    let decimals = if size >= 1000.0 {
        1
    } else if size >= 10.0 {
        3
    } else if size >= 0.01 || size == 0.0 {
        4
    } else {
        7
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_keep_the_digits_that_matter() {
        assert_eq!(number(291.481_223), "291.481");
        assert_eq!(number(1_354.199_66), "1354.2");
        assert_eq!(number(0.069_426_35), "0.0694");
        assert_eq!(number(-0.005_509_56), "-0.0055096");
        assert_eq!(number(0.0), "0.0000");
    }
}
