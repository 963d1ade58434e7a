//! Scores of the averaged generator while it trains, and the snapshot that scored best.
//!
//! The loop says when to score, keeps the lines of `metrics.jsonl`, and resumes: the scores themselves come from the
//! program around it.

use pg_networks::Generator;
use pg_schedule::LevelOfDetail;
use pg_shard::Dataset;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::Device;

use crate::image_sheet::ImageSheet;
use crate::sampler::seeded_sheet;
use crate::trainer::growth_state;
use crate::{Snapshot, TrainingError};

/// The generator at the moment it is scored.
#[derive(Debug)]
pub struct ScoredMoment<'a> {
    /// Real images shown.
    pub images_shown: u64,
    /// Resolution and fade of the generator's images.
    pub level: LevelOfDetail,
    /// What it trains on.
    pub dataset: &'a Dataset,
    pub(crate) average: &'a Generator,
    pub(crate) device: Device,
}

impl ScoredMoment<'_> {
    /// The averaged generator's images of these seeds: those that `pgtrain sample` draws from this moment's snapshot.
    ///
    /// # Errors
    /// libtorch's.
    pub fn fakes(&self, seeds: &[u64]) -> Result<ImageSheet, TrainingError> {
        seeded_sheet(self.average, growth_state(self.level), seeds, None, self.device)
    }
}

/// One metric's value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricScore {
    /// `swd`, `ms-ssim`.
    pub metric: String,
    /// The value.
    pub value: f64,
    /// Its unit: `x1e-3`, `1`.
    pub unit: String,
    /// By level of the pyramid, finest first, where the metric has such.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<LevelScore>,
    /// The same metric of the real images, where it scores one set alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reals: Option<f64>,
}

/// One level of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LevelScore {
    /// Side in pixels.
    pub resolution: u32,
    /// The value, in the metric's unit.
    pub value: f64,
}

/// Everything found at one moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Scores {
    /// The metrics that could be had.
    pub metrics: Vec<MetricScore>,
    /// What was left out, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
    /// Images of each side, pairs.
    pub counts: Value,
    /// How they were scored.
    pub protocol: Value,
}

/// How a scoring ended.
#[derive(Debug)]
pub enum Evaluated {
    /// With these scores.
    Scored(Scores),
    /// Before its end, because a stop was requested; a resumed run does it again.
    Interrupted,
}

/// One line of `metrics.jsonl`. It holds nothing that differs between a run that was stopped and one that was not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationLine {
    /// Thousands of real images shown.
    pub kimg: f64,
    /// Real images shown.
    pub images_shown: u64,
    /// Level of detail: 0 is full resolution.
    pub lod: f64,
    /// Resolution of the images scored, in pixels.
    pub resolution: u32,
    /// The scores.
    #[serde(flatten)]
    pub scores: Scores,
}

/// `best.json`: the snapshot that scored best at the resolution in training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BestSnapshot {
    /// The metric: `swd`.
    pub metric: String,
    /// Its value.
    pub value: f64,
    /// Resolution of the images scored, in pixels; scores of other resolutions are not compared.
    pub resolution: u32,
    /// Level of detail then.
    pub lod: f64,
    /// Thousands of real images shown.
    pub kimg: f64,
    /// Real images shown.
    pub images_shown: u64,
    /// The snapshot's folder, from the run's folder on.
    pub snapshot: String,
}

impl BestSnapshot {
    /// The best of `lines` by `metric`, lowest first, among those of the newest line's resolution whose snapshot is
    /// still there: a pure function of the two, so that a resumed run comes to the same one. Of equal scores the
    /// earlier.
    pub(crate) fn of(metric: &str, lines: &[EvaluationLine], snapshots: &[Snapshot]) -> Option<Self> {
        let resolution = lines.last()?.resolution;
        let candidates = lines.iter().filter(|line| line.resolution == resolution).filter_map(|line| {
            let score = line.scores.metrics.iter().find(|score| score.metric == metric)?;
            let snapshot = snapshots.iter().find(|s| s.state().images_shown == line.images_shown)?;
            Some(Self {
                metric: metric.to_owned(),
                value: score.value,
                resolution,
                lod: line.lod,
                kimg: line.kimg,
                images_shown: line.images_shown,
                snapshot: format!("snapshots/{}", snapshot.name()),
            })
        });
        candidates.min_by(|a, b| a.value.total_cmp(&b.value).then(a.images_shown.cmp(&b.images_shown)))
    }
}

/// True when a scoring falls into the round from `before` to `after` real images shown: it passes a multiple of
/// `eval_kimg`, or ends the run. A function of the schedule alone, whatever the ticks.
pub(crate) fn is_due(eval_kimg: f64, total_kimg: f64, before: u64, after: u64) -> bool {
    let passed = |images: u64| (images as f64 / (eval_kimg * 1000.0)).floor();
    eval_kimg > 0.0 && (passed(after) > passed(before) || after as f64 >= total_kimg * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scorings_fall_into_the_rounds_that_pass_a_multiple_and_into_the_last() {
        let rounds = [(0, 64), (64, 128), (128, 192), (192, 256), (256, 320)];
        let due = rounds.map(|(before, after)| is_due(0.1, 0.3, before, after));
        assert_eq!(due, [false, true, false, true, true]);
        assert!(!is_due(0.0, 0.3, 256, 320));
    }
}
