//! What `pgeval all` prints.

use pg_cli::Output;
use pg_results::{half_width, with_interval, with_noise};

use crate::args::AllArgs;
use crate::metric_result::FloorValue;
use crate::outcome::Outcome;

pub(super) fn print_table(outcome: &Outcome, args: &AllArgs) -> std::io::Result<()> {
    if !outcome.metrics.is_empty() {
        Output.line("  metric          value  unit     95 % interval")?;
    }
    for metric in &outcome.metrics {
        let (value, interval) = with_interval(metric.value, metric.interval);
        let unknown =
            || metric.interval_unknown.as_ref().map_or(String::new(), |why| format!("not known: {why}"));
        let interval = interval.unwrap_or_else(unknown);
        let noise = metric.interval.map_or(0.0, |interval| half_width(metric.value, interval));
        let floor = metric.floor.as_ref().map_or(String::new(), |floor| floor_text(floor, noise));
        Output.line(format_args!(
            "  {:<11}{value:>10}  {:<7}  {interval}{floor}",
            metric.metric, metric.unit
        ))?;
    }
    for failed in &outcome.failed {
        Output.line(format_args!("  {:<11}    failed  {}", failed.metric, failed.reason))?;
    }
    Output.line("")?;
    Output.line(format_args!("  written to {}", args.output.display()))?;
    match &args.report {
        Some(path) => Output.line(format_args!("  page       {}", path.display())),
        None => Ok(()),
    }
}

fn floor_text(floor: &FloorValue, noise: f64) -> String {
    let value = with_noise(floor.value, noise);
    if floor.comparable {
        return format!(", floor {value}");
    }
    format!(", floor {value} of {} images a side: not comparable", floor.images)
}
