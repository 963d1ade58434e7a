//! `kid`: the kernel distance of features.

use anyhow::Result;
use pg_cli::{CommonArgs, Interrupt, Progress};
use pg_metrics::{FeatureRows as _, KernelDistance, KernelSubsets};
use serde_json::json;

use super::Comparison;
use crate::interruption::nothing_kept;
use crate::metric_result::MetricResult;
use crate::metric_result::Warning;

/// The mean over subsets; smaller ones than asked for where there are not as many images.
pub(crate) fn kernel_score(
    comparison: &Comparison,
    asked: KernelSubsets,
    common: &CommonArgs,
    interrupt: &Interrupt,
) -> Result<MetricResult> {
    comparison.need_rows("the kernel distance")?;
    let (Some(real), Some(fake)) = (comparison.real.rows(), comparison.fake.rows()) else {
        anyhow::bail!("there are no features");
    };
    let smaller = real.count().min(fake.count());
    let size = asked.size.min(smaller);
    // All of all images is always the same.
    let count = if size == real.count() && size == fake.count() { 1 } else { asked.count };
    let subsets = KernelSubsets { count, size, ..asked };
    let progress = Progress::new(common.progress_style(), "compare", "subsets", count as u64);
    let mut distance = KernelDistance::new(&real, &fake)?;
    for number in 0..count {
        interrupt.check(nothing_kept)?;
        distance.add_drawn(subsets, number)?;
        progress.advance(1);
    }
    progress.finish();
    let score = distance.finish()?;
    let mut result = comparison.context.result(
        "kid",
        score.mean,
        score.interval,
        "lower",
        json!({
            "definition": "arXiv:1801.01401, section 4: unbiased squared discrepancy, kernel (x y / width + 1)^3",
            "subsets": count,
            "subset_size": size,
            "interval": "differences of balanced half-samples of the images; Student's t",
        }),
    );
    result.std = Some(score.standard_deviation);
    if score.interval.is_none() {
        let text = format!("{smaller} images on a side are too few to tell the spread");
        result.interval_unknown = Some(text);
    }
    if size < asked.size {
        let text = format!(
            "subsets have {size} images, as many as the smaller side, instead of {}: the value is comparable, its spread over subsets is not",
            asked.size
        );
        result.warnings.push(Warning::new("small-subsets", text));
    }
    Ok(result)
}
