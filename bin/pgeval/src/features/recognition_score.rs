//! `is`: the Inception score.

use anyhow::{Context as _, Result, bail};
use pg_metrics::inception_score;
use serde_json::json;

use super::{Context, Known};
use crate::metric_result::MetricResult;
use crate::metric_result::Warning;

/// Below this number of images in a split, its score is far below that of many.
const ENOUGH_IN_A_SPLIT: usize = 1000;

/// The score of the images of `known`, whose argument is called `role`.
pub(crate) fn recognition_score(
    role: &str,
    known: &Known,
    context: &Context,
    splits: usize,
    seed: u64,
) -> Result<MetricResult> {
    let (Some(logits), Some(images)) = (known.logits(), known.count()) else {
        bail!(
            "{role}: the Inception score needs class scores, which the network's output --logits NAME (pg.logits) gives; none is named"
        );
    };
    let score = inception_score(&logits, splits, seed).with_context(|| role.to_owned())?;
    let mut result = context.result(
        "is",
        score.mean,
        Some(score.interval),
        "higher",
        json!({
            "definition": "arXiv:1606.03498, section 4; natural logarithm, splits by the order of the images",
            "splits": splits,
            "interval": "spread of bootstrap samples of the images; Student's t",
        }),
    );
    result.std = Some(score.standard_deviation);
    if images / splits < ENOUGH_IN_A_SPLIT {
        let text = format!(
            "{role} has {images} images in {splits} splits: with fewer than {ENOUGH_IN_A_SPLIT} in a split the score is lower than of many; published ones have 50000 in 10"
        );
        result.warnings.push(Warning::new("few-images", text));
    }
    Ok(result)
}
