//! `pgeval gate`.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use pg_results::gate::{AllowedChange, MetricAllowance};

use super::path_or_url;

/// `pgeval gate`
#[derive(Debug, ClapArgs)]
pub(crate) struct GateArgs {
    /// The result to judge: JSON of one metric or of `pgeval all`
    #[arg(value_name = "RESULT", value_parser = path_or_url())]
    pub(crate) result: PathBuf,

    /// The result to compare with, likewise
    #[arg(long, value_name = "FILE", value_parser = path_or_url())]
    pub(crate) baseline: PathBuf,

    /// How much worse a metric may be: swd=5% of the baseline, fid=2.0 in its unit
    ///
    /// May be given again, or as a list with commas. For metrics where less is worse it is the allowed
    /// decrease. Other metrics may be worse by what both 95 % intervals leave open.
    #[arg(long, value_name = "METRIC=CHANGE", value_delimiter = ',', value_parser = allowance, help_heading = "Judgement")]
    pub(crate) max_increase: Vec<MetricAllowance>,

    /// Compare although this setting differs, by its name in the results' protocol
    ///
    /// May be given again, or as a list with commas.
    #[arg(long, value_name = "KEY", value_delimiter = ',', help_heading = "Judgement")]
    pub(crate) allow_protocol: Vec<String>,

    /// Print one JSON object instead of a table
    #[arg(long, conflicts_with = "github", help_heading = "Output")]
    pub(crate) json: bool,

    /// Add annotations for GitHub Actions to the table
    #[arg(long, help_heading = "Output")]
    pub(crate) github: bool,

    /// Write the verdicts as JUnit XML too, one test case per metric
    #[arg(long, value_name = "FILE", help_heading = "Output", value_parser = path_or_url())]
    pub(crate) junit: Option<PathBuf>,
}

fn allowance(text: &str) -> Result<MetricAllowance, String> {
    let expected = "expected METRIC=CHANGE, e.g. swd=5% or fid=2.0, with a change of at least 0";
    let (metric, change) = text.split_once('=').ok_or(expected)?;
    let (number, relative) = match change.trim().strip_suffix('%') {
        Some(percent) => (percent.trim_end(), true),
        None => (change.trim(), false),
    };
    let number = number.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0 && *n <= 1e100);
    let (Some(number), false) = (number, metric.trim().is_empty()) else { return Err(expected.to_owned()) };
    let change = if relative { AllowedChange::Percent(number) } else { AllowedChange::Absolute(number) };
    Ok(MetricAllowance { metric: metric.trim().to_owned(), change })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_relative_with_a_percent_sign_and_absolute_without() {
        let change = |text| allowance(text).map(|a| (a.metric, a.change));
        assert_eq!(change("swd=5%"), Ok(("swd".to_owned(), AllowedChange::Percent(5.0))));
        assert_eq!(change(" fid = 2.0 "), Ok(("fid".to_owned(), AllowedChange::Absolute(2.0))));
        assert_eq!(change("is=0"), Ok(("is".to_owned(), AllowedChange::Absolute(0.0))));
        for wrong in ["swd", "swd=", "=5%", "swd=-1", "swd=nan", "swd=inf%", "swd=5%%", "swd=1e400", ""] {
            assert!(change(wrong).is_err(), "{wrong}");
        }
    }
}
