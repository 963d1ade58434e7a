//! `precision` and `recall`: how far the features of both sides overlap.

use anyhow::Result;
use pg_cli::{CommonArgs, Interrupt, Progress};
use pg_metrics::{FeatureRows as _, MetricsError, PrecisionRecall, precision_recall};
use serde_json::json;

use super::Comparison;
use crate::interruption::nothing_kept;
use crate::metric_result::MetricResult;

/// Both, precision first.
pub(crate) fn manifold_scores(
    comparison: &Comparison,
    neighbours: usize,
    common: &CommonArgs,
    interrupt: &Interrupt,
) -> Result<[MetricResult; 2]> {
    comparison.need_rows("precision and recall")?;
    let (Some(real), Some(fake)) = (comparison.real.rows(), comparison.fake.rows()) else {
        anyhow::bail!("there are no features");
    };
    let blocks = PrecisionRecall::blocks(real.count(), fake.count());
    let progress = Progress::new(common.progress_style(), "neighbours", "blocks", blocks as u64);
    let mut tick = || {
        progress.advance(1);
        interrupt.check(nothing_kept).map_err(|_| MetricsError::Stopped)
    };
    let found = match precision_recall(&real, &fake, neighbours, &mut tick) {
        Err(MetricsError::Stopped) => {
            interrupt.check(nothing_kept)?;
            return Err(MetricsError::Stopped.into());
        }
        found => found?,
    };
    progress.finish();
    Ok([("precision", found.precision), ("recall", found.recall)].map(|(metric, score)| {
        comparison.context.result(
            metric,
            score.value,
            Some(score.interval),
            "higher",
            json!({
                "definition": "arXiv:1904.06991, section 2",
                "neighbours": neighbours,
                "interval": "differences of balanced half-samples of the images; Student's t",
            }),
        )
    }))
}
