//! Annotations for GitHub Actions: lines on stdout that the runner shows at the run and the pull request.

use super::judgement::{Judgement, Verdict};
use super::table::explanation;

/// One line per metric: an error for what fails, a notice for the rest.
#[must_use]
pub fn annotations(judgement: &Judgement) -> Vec<String> {
    let line = |metric: &super::judgement::MetricJudgement| {
        let (level, title) = match metric.verdict {
            Verdict::Worse => ("error", format!("{} got worse", metric.metric)),
            Verdict::Missing => ("error", format!("{} is missing", metric.metric)),
            Verdict::Failed => ("error", format!("{} failed", metric.metric)),
            Verdict::Better => ("notice", format!("{} got better", metric.metric)),
            Verdict::Same => ("notice", format!("{} is as before", metric.metric)),
            Verdict::New => ("notice", format!("{} is new", metric.metric)),
        };
        format!("::{level} title={}::{}", property(&title), message(&explanation(metric)))
    };
    judgement.metrics.iter().map(line).collect()
}

/// Text after the second `::`.
fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of `title=`.
fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_property_or_the_line_is_escaped() {
        assert_eq!(message("5 %\r\na: b, c"), "5 %25%0D%0Aa: b, c");
        assert_eq!(property("5 %\na: b, c::"), "5 %25%0Aa%3A b%2C c%3A%3A");
    }
}
