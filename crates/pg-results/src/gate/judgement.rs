//! The judgement, metric by metric.
//!
//! A metric is worse when it has moved to its bad side by more than allowed. Where the user allows
//! nothing particular, the allowance is what both 95 % intervals leave open: with h the half-width of
//! an interval on the metric's bad side, sqrt(h_baseline^2 + h_result^2), the half-width of the
//! interval of the difference of two independent values. So a metric that did not change is called
//! worse in at most about one of forty comparisons; both intervals contain what the draw of images does.

use pg_metrics::ConfidenceInterval;

use crate::{Direction, Failed, ResultsError, Score};

/// How much worse a metric may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AllowedChange {
    /// Percent of the baseline's value.
    Percent(f64),
    /// In the metric's unit.
    Absolute(f64),
}

/// How much worse one metric may be.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricAllowance {
    /// The metric's name.
    pub metric: String,
    /// By how much.
    pub change: AllowedChange,
}

/// Where an allowance comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Allowance {
    /// By the user.
    Given(AllowedChange),
    /// Both intervals; 0 where there is none.
    Intervals,
}

/// What is said of one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Moved to the good side by more than what would be allowed on the bad side.
    Better,
    /// Within the allowance.
    Same,
    /// Worse than allowed: fails.
    Worse,
    /// In the baseline only: fails.
    Missing,
    /// In the baseline, and could not be computed in the result: fails.
    Failed,
    /// In the result only: not judged.
    New,
}

impl Verdict {
    /// Whether the gate does not pass.
    #[must_use]
    pub fn fails(self) -> bool {
        matches!(self, Self::Worse | Self::Missing | Self::Failed)
    }

    /// As it stands in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Same => "same",
            Self::Worse => "worse",
            Self::Missing => "missing",
            Self::Failed => "failed",
            Self::New => "new",
        }
    }
}

/// Both values of a metric that is in both files.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// In the baseline.
    pub baseline: f64,
    /// In the result.
    pub result: f64,
    /// Where `allowed` comes from.
    pub allowance: Allowance,
    /// The allowance in the metric's unit, not negative.
    pub allowed: f64,
    /// What both intervals leave open, in the metric's unit; 0 where there are none.
    pub noise: f64,
}

impl Comparison {
    /// Result minus baseline.
    #[must_use]
    pub fn change(&self) -> f64 {
        self.result - self.baseline
    }

    /// The change in percent of the baseline's size; `None` where that is 0.
    #[must_use]
    pub fn change_percent(&self) -> Option<f64> {
        let percent = 100.0 * self.change() / self.baseline.abs();
        percent.is_finite().then_some(percent)
    }
}

/// What was found of one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricJudgement {
    /// Its name.
    pub metric: String,
    /// Its unit; `1` for a plain number.
    pub unit: String,
    /// Which way is better.
    pub direction: Direction,
    /// What is said of it.
    pub verdict: Verdict,
    /// The one value of a metric that is missing, failed or new.
    pub only_value: Option<f64>,
    /// Why it failed.
    pub reason: Option<String>,
    /// Both values, where there are both.
    pub comparison: Option<Comparison>,
}

/// What was found of all metrics: those of the baseline in its order, then new ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// One by one.
    pub metrics: Vec<MetricJudgement>,
}

impl Judgement {
    /// Whether none fails.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.metrics.iter().all(|metric| !metric.verdict.fails())
    }
}

/// Judges `result`, and what `failed` in it, against `baseline`; whether they may be compared at all is for the caller to see.
///
/// # Errors
/// [`ResultsError::NoSuchMetric`] and [`ResultsError::GivenTwice`] for an allowance.
pub fn judge(
    baseline: &[Score],
    result: &[Score],
    failed: &[Failed],
    allowances: &[MetricAllowance],
) -> Result<Judgement, ResultsError> {
    for (i, allowance) in allowances.iter().enumerate() {
        let name = &allowance.metric;
        if !baseline.iter().any(|score| score.metric == *name) {
            let there: Vec<&str> = baseline.iter().map(|score| score.metric.as_str()).collect();
            return Err(ResultsError::NoSuchMetric { metric: name.clone(), there: there.join(", ") });
        }
        if allowances[..i].iter().any(|earlier| earlier.metric == *name) {
            return Err(ResultsError::GivenTwice { metric: name.clone() });
        }
    }
    let given = |name: &str| allowances.iter().find(|a| a.metric == name).map(|a| a.change);
    let mut metrics: Vec<MetricJudgement> = baseline
        .iter()
        .map(|before| match result.iter().find(|after| after.metric == before.metric) {
            Some(after) => compare(before, after, given(&before.metric)),
            None => match failed.iter().find(|failed| failed.metric == before.metric) {
                Some(failed) => {
                    MetricJudgement { reason: Some(failed.reason.clone()), ..alone(before, Verdict::Failed) }
                }
                None => alone(before, Verdict::Missing),
            },
        })
        .collect();
    let new = result.iter().filter(|after| baseline.iter().all(|before| before.metric != after.metric));
    metrics.extend(new.map(|score| alone(score, Verdict::New)));
    Ok(Judgement { metrics })
}

fn alone(score: &Score, verdict: Verdict) -> MetricJudgement {
    MetricJudgement {
        metric: score.metric.clone(),
        unit: score.unit.clone(),
        direction: score.direction,
        verdict,
        only_value: Some(score.value),
        reason: None,
        comparison: None,
    }
}

fn compare(baseline: &Score, result: &Score, given: Option<AllowedChange>) -> MetricJudgement {
    let direction = baseline.direction;
    let half = |score: &Score| bad_half_width(score.value, score.interval, direction);
    let noise = half(baseline).hypot(half(result));
    let allowed = match given {
        Some(AllowedChange::Percent(percent)) => percent / 100.0 * baseline.value.abs(),
        Some(AllowedChange::Absolute(change)) => change,
        None => noise,
    };
    let comparison = Comparison {
        baseline: baseline.value,
        result: result.value,
        allowance: given.map_or(Allowance::Intervals, Allowance::Given),
        allowed,
        noise,
    };
    let worsening = match direction {
        Direction::Lower => comparison.change(),
        Direction::Higher => -comparison.change(),
    };
    let verdict = if worsening > allowed {
        Verdict::Worse
    } else if -worsening > allowed {
        Verdict::Better
    } else {
        Verdict::Same
    };
    MetricJudgement {
        metric: baseline.metric.clone(),
        unit: baseline.unit.clone(),
        direction,
        verdict,
        only_value: None,
        reason: None,
        comparison: Some(comparison),
    }
}

/// How far an interval reaches from the value to the metric's bad side; 0 without an interval.
fn bad_half_width(value: f64, interval: Option<ConfidenceInterval>, direction: Direction) -> f64 {
    let reach = match (interval, direction) {
        (None, _) => 0.0,
        (Some(interval), Direction::Lower) => interval.high - value,
        (Some(interval), Direction::Higher) => value - interval.low,
    };
    // Of a value outside its own interval.
    reach.max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Results;
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    fn score(metric: &str, value: f64, low: f64, high: f64, direction: Direction) -> Score {
        Score {
            metric: metric.to_owned(),
            value,
            unit: "1".to_owned(),
            direction,
            interval: Some(ConfidenceInterval { level: 0.95, low, high }),
            interval_unknown: None,
            floor: None,
            levels: Vec::new(),
            counts: Map::new(),
            protocol: Map::new(),
        }
    }

    fn allow(metric: &str, change: AllowedChange) -> MetricAllowance {
        MetricAllowance { metric: metric.to_owned(), change }
    }

    fn verdict(baseline: &Score, result: &Score, allowances: &[MetricAllowance]) -> Verdict {
        let judged = judge(std::slice::from_ref(baseline), std::slice::from_ref(result), &[], allowances);
        judged.unwrap().metrics[0].verdict
    }

    #[test]
    fn both_intervals_together_are_the_default_allowance() {
        // Half-widths 3 and 4 on the bad side: 5.
        let baseline = score("swd", 10.0, 9.9, 13.0, Direction::Lower);
        for (value, expected) in
            [(15.0, Verdict::Same), (15.01, Verdict::Worse), (5.0, Verdict::Same), (4.9, Verdict::Better)]
        {
            let result = score("swd", value, value - 0.1, value + 4.0, Direction::Lower);
            assert_eq!(verdict(&baseline, &result, &[]), expected, "{value}");
        }
    }

    #[test]
    fn where_higher_is_better_a_decrease_is_worse() {
        let baseline = score("is", 10.0, 9.0, 10.0, Direction::Higher);
        let result = |value| score("is", value, value, value, Direction::Higher);
        assert_eq!(verdict(&baseline, &result(9.0), &[]), Verdict::Same);
        assert_eq!(verdict(&baseline, &result(8.9), &[]), Verdict::Worse);
        assert_eq!(verdict(&baseline, &result(12.0), &[]), Verdict::Better);
        let half = [allow("is", AllowedChange::Percent(50.0))];
        assert_eq!(verdict(&baseline, &result(5.0), &half), Verdict::Same);
        assert_eq!(verdict(&baseline, &result(4.9), &half), Verdict::Worse);
    }

    #[test]
    fn a_given_allowance_replaces_the_intervals() {
        let baseline = score("swd", 10.0, 0.0, 100.0, Direction::Lower);
        let result = score("swd", 10.6, 0.0, 100.0, Direction::Lower);
        assert_eq!(verdict(&baseline, &result, &[]), Verdict::Same);
        assert_eq!(verdict(&baseline, &result, &[allow("swd", AllowedChange::Percent(5.0))]), Verdict::Worse);
        assert_eq!(verdict(&baseline, &result, &[allow("swd", AllowedChange::Absolute(0.7))]), Verdict::Same);
    }

    #[test]
    fn without_intervals_any_step_to_the_bad_side_is_worse() {
        let bare = |value| Score { interval: None, ..score("swd", value, 0.0, 0.0, Direction::Lower) };
        assert_eq!(verdict(&bare(1.0), &bare(1.0), &[]), Verdict::Same);
        assert_eq!(verdict(&bare(1.0), &bare(1.000_001), &[]), Verdict::Worse);
        assert_eq!(verdict(&bare(1.0), &bare(0.9), &[]), Verdict::Better);
    }

    #[test]
    fn a_missing_metric_fails_and_a_new_one_does_not() {
        let (swd, fid) =
            (score("swd", 1.0, 1.0, 1.0, Direction::Lower), score("fid", 1.0, 1.0, 1.0, Direction::Lower));
        let both = [swd.clone(), fid];
        let judged = judge(&both, &both[..1], &[], &[]).unwrap();
        assert_eq!((judged.metrics[1].verdict, judged.passed()), (Verdict::Missing, false));
        let judged = judge(&both[..1], &both, &[], &[]).unwrap();
        assert_eq!((judged.metrics[1].verdict, judged.passed()), (Verdict::New, true));
    }

    #[test]
    fn a_metric_of_the_baseline_that_failed_fails_with_its_reason_and_another_is_not_judged() {
        let (swd, fid) =
            (score("swd", 1.0, 1.0, 1.0, Direction::Lower), score("fid", 1.0, 1.0, 1.0, Direction::Lower));
        let failed = |metric: &str| [Failed { metric: metric.to_owned(), reason: "NaN".to_owned() }];
        let both = [swd.clone(), fid];
        let judged = judge(&both, &both[..1], &failed("fid"), &[]).unwrap();
        let of_fid = &judged.metrics[1];
        assert_eq!((of_fid.verdict, of_fid.reason.as_deref()), (Verdict::Failed, Some("NaN")));
        assert!(!judged.passed());
        let judged = judge(&both[..1], &both[..1], &failed("kid"), &[]).unwrap();
        assert_eq!((judged.metrics.len(), judged.passed()), (1, true));
    }

    #[test]
    fn allowances_for_nothing_are_errors_that_list_what_there_is() {
        let baseline =
            [score("swd", 1.0, 1.0, 1.0, Direction::Lower), score("is", 1.0, 1.0, 1.0, Direction::Higher)];
        let error =
            judge(&baseline, &baseline, &[], &[allow("fid", AllowedChange::Percent(5.0))]).unwrap_err();
        assert_eq!(error.to_string(), "fid: the baseline has no such metric; it has swd, is");
        let twice = [allow("swd", AllowedChange::Percent(5.0)), allow("swd", AllowedChange::Absolute(1.0))];
        let error = judge(&baseline, &baseline, &[], &twice).unwrap_err();
        assert!(error.to_string().contains("given twice"));
    }

    fn any_score() -> impl Strategy<Value = Score> {
        (-1e3..1e3_f64, 0.0..50.0_f64, 0.0..50.0_f64, any::<bool>(), any::<bool>()).prop_map(
            |(value, below, above, lower, interval)| {
                let direction = if lower { Direction::Lower } else { Direction::Higher };
                let score = score("m", value, value - below, value + above, direction);
                if interval { score } else { Score { interval: None, ..score } }
            },
        )
    }

    fn any_change() -> impl Strategy<Value = AllowedChange> {
        prop_oneof![
            (0.0..200.0_f64).prop_map(AllowedChange::Percent),
            (0.0..2e3_f64).prop_map(AllowedChange::Absolute)
        ]
    }

    proptest! {
        #[test]
        fn a_result_always_passes_against_itself(score in any_score(), change in prop::option::of(any_change())) {
            let allowances: Vec<_> = change.map(|change| allow("m", change)).into_iter().collect();
            prop_assert_eq!(verdict(&score, &score, &allowances), Verdict::Same);
        }

        #[test]
        fn a_larger_allowance_never_fails_what_passed(
            baseline in any_score(), result in any_score(), change in any_change(), more in 1.0..3.0_f64
        ) {
            let result = Score { direction: baseline.direction, ..result };
            let larger = match change {
                AllowedChange::Percent(p) => AllowedChange::Percent(p * more),
                AllowedChange::Absolute(a) => AllowedChange::Absolute(a * more),
            };
            let before = verdict(&baseline, &result, &[allow("m", change)]);
            let after = verdict(&baseline, &result, &[allow("m", larger)]);
            prop_assert!(!after.fails() || before.fails());
        }

        #[test]
        fn a_worse_result_never_passes_what_a_better_one_fails(
            baseline in any_score(), result in any_score(), change in any_change(), step in 0.0..100.0_f64
        ) {
            let result = Score { direction: baseline.direction, ..result };
            let sign = if baseline.direction == Direction::Lower { 1.0 } else { -1.0 };
            let worse = Score { value: result.value + sign * step, ..result.clone() };
            let allowances = [allow("m", change)];
            prop_assert!(!verdict(&baseline, &result, &allowances).fails()
                || verdict(&baseline, &worse, &allowances).fails());
        }

        #[test]
        fn any_two_results_that_can_be_read_can_be_judged(
            values in prop::collection::vec((-1e100..1e100_f64, -1e100..1e100_f64), 2)
        ) {
            let file = |(value, end): (f64, f64)| -> Value {
                json!({
                    "metric": "m", "value": value, "unit": "1", "direction": "lower",
                    "interval": { "level": 0.95, "low": end.min(value), "high": end.max(value) },
                })
            };
            let read = |i: usize| Results::of(&file(values[i])).unwrap().scores;
            let judged = judge(&read(0), &read(1), &[], &[]).unwrap();
            let comparison = judged.metrics[0].comparison.unwrap();
            prop_assert!(comparison.allowed.is_finite() && comparison.change().is_finite());
        }
    }
}
