//! What a run shows and writes beside its snapshots: progress, pictures, TensorBoard's events, scores.

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use pg_cli::{Interrupt, Progress};
use pg_schedule::{LevelOfDetail, TrainingSettings};
use pg_training::{
    Evaluated, EvaluationLine, EventPicture, EventWriter, ImageSheet, RunObserver, ScoredMoment, Snapshot,
    TickLine, TrainingError, sheet_columns,
};
use tch::Device;

use crate::evaluation::Evaluator;
use crate::level_times::LevelTimes;
use crate::pictures;

/// What tags of scores begin with.
const METRICS: &str = "Metrics/";

pub(crate) struct Observer<'a> {
    path: PathBuf,
    resolution: u32,
    total_kimg: f64,
    interrupt: &'a Interrupt,
    progress: &'a Progress,
    shown: u64,
    events: EventWriter,
    evaluator: Evaluator<'a>,
    scoring_since: Instant,
    time_left: LevelTimes<'a>,
}

impl<'a> Observer<'a> {
    /// For the run in `path`, which goes on after `shown` images.
    pub(crate) fn new(
        path: &Path,
        settings: &'a TrainingSettings,
        (resolution, device): (u32, Device),
        shown: u64,
        interrupt: &'a Interrupt,
        progress: &'a Progress,
    ) -> Self {
        Self {
            path: path.to_owned(),
            resolution,
            total_kimg: settings.total_kimg,
            interrupt,
            progress,
            shown,
            events: EventWriter::new(path, shown),
            evaluator: Evaluator::new(settings.eval_images, settings.seed, path, interrupt),
            scoring_since: Instant::now(),
            time_left: LevelTimes::new(settings, resolution, device),
        }
    }

    fn write_picture(&mut self, name: &str, sheet: &ImageSheet) -> anyhow::Result<()> {
        let path = self.path.join(format!("{name}.png"));
        // All sheets of a run have the same size, whatever the level.
        let zoom = (self.resolution as usize / sheet.resolution_px).max(1);
        let picture = pictures::sheet_picture(sheet, sheet_columns(self.resolution), zoom);
        let png = pictures::encode(&picture)?;
        pictures::write_bytes(&path, &png)?;
        let tag = name.split('-').next().unwrap_or(name);
        let picture = EventPicture {
            width_px: picture.width(),
            height_px: picture.height(),
            channels: picture.channels(),
            png: &png,
        };
        // A run that was killed before its first snapshot begins anew, at the same step.
        if tag == "reals" && self.events.holds(self.shown, tag)? {
            return Ok(());
        }
        self.events.picture(self.shown, wall_time(), tag, &picture).context("TensorBoard's events")
    }

    fn write_scores(&mut self, line: &EvaluationLine) -> Result<(), TrainingError> {
        let mut scalars = Vec::new();
        for score in &line.scores.metrics {
            let mean = if score.levels.is_empty() { "" } else { "/mean" };
            scalars.push((format!("{METRICS}{}{mean}", score.metric), score.value));
            for level in &score.levels {
                scalars.push((format!("{METRICS}{}/{}", score.metric, level.resolution), level.value));
            }
        }
        if scalars.is_empty() {
            return Ok(());
        }
        let scalars: Vec<(&str, f64)> = scalars.iter().map(|(tag, value)| (tag.as_str(), *value)).collect();
        self.events.scalars(line.images_shown, wall_time(), &scalars)
    }
}

impl RunObserver for Observer<'_> {
    fn round(&mut self, images_shown: u64, level: LevelOfDetail) {
        let kimg = images_shown as f64 / 1000.0;
        self.progress.set_message(format!(
            "{kimg:.1} of {} kimg, lod {:.2} ({} px)",
            self.total_kimg, level.lod, level.resolution_px
        ));
        self.time_left.add_round(images_shown, images_shown - self.shown, self.progress);
        self.progress.advance(images_shown - self.shown);
        self.shown = images_shown;
    }

    fn tick(&mut self, line: &TickLine) -> Result<(), TrainingError> {
        // What a tick did not measure is left out.
        let part = |name: &str, value: Option<f64>| {
            value.map_or_else(String::new, |value| format!("  {name} {value:8.3}"))
        };
        self.progress.note(&format!(
            "{:8.1} kimg  {:4} px  lod {:5.2}  D {:9.3}{}{}  {:7.1} images/s",
            line.kimg,
            line.resolution,
            line.lod,
            line.d_loss,
            part("G", line.g_loss),
            part("|grad|", line.gradient_norm),
            line.images_per_second
        ));
        let scalars = [
            ("Loss/D", Some(line.d_loss)),
            ("Loss/G", line.g_loss),
            ("Score/real", Some(line.real_score)),
            ("Score/fake", Some(line.fake_score)),
            ("GradientNorm", line.gradient_norm),
            ("Progress/kimg", Some(line.kimg)),
            ("Progress/lod", Some(line.lod)),
            ("Progress/resolution", Some(f64::from(line.resolution))),
            ("Progress/minibatch", Some(f64::from(line.minibatch))),
            ("Timing/images_per_sec", Some(line.images_per_second)),
            ("Timing/data_wait_sec", Some(line.data_seconds)),
            ("Timing/d_sec", Some(line.d_seconds)),
            ("Timing/g_sec", Some(line.g_seconds)),
        ];
        let scalars: Vec<_> =
            scalars.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect();
        self.events.scalars(line.images_shown, wall_time(), &scalars)
    }

    fn evaluate(&mut self, moment: &ScoredMoment<'_>) -> Result<Evaluated, TrainingError> {
        self.scoring_since = Instant::now();
        self.evaluator.evaluate(moment)
    }

    fn evaluated(&mut self, line: &EvaluationLine) -> Result<(), TrainingError> {
        self.progress.note(&format!(
            "{:8.1} kimg  {}  ({:.1} s)",
            line.kimg,
            scores_text(line),
            self.scoring_since.elapsed().as_secs_f64()
        ));
        self.write_scores(line)
    }

    fn evaluated_before(&mut self, line: &EvaluationLine) -> Result<(), TrainingError> {
        if self.events.holds(line.images_shown, METRICS)? { Ok(()) } else { self.write_scores(line) }
    }

    fn sheet(&mut self, name: &str, sheet: &ImageSheet) -> Result<(), TrainingError> {
        self.write_picture(name, sheet).map_err(|e| TrainingError::Io {
            action: "write",
            path: self.path.join(format!("{name}.png")),
            source: std::io::Error::other(format!("{e:#}")),
        })
    }

    fn snapshot(&mut self, _snapshot: &Snapshot) {}

    fn stop_requested(&self) -> bool {
        self.interrupt.requested()
    }
}

/// `SWD 12.31 (32 px 14.02, 16 px 10.60)  MS-SSIM 0.2100 (reals 0.1900)`
fn scores_text(line: &EvaluationLine) -> String {
    if line.scores.metrics.is_empty() {
        return format!("not scored: {}", line.scores.skipped.join("; "));
    }
    let texts = line.scores.metrics.iter().map(|score| {
        let name = score.metric.to_uppercase();
        if score.levels.is_empty() {
            let reals = score.reals.map_or_else(String::new, |reals| format!(" (reals {reals:.4})"));
            return format!("{name} {:.4}{reals}", score.value);
        }
        let level = |l: &pg_training::LevelScore| format!("{} px {:.2}", l.resolution, l.value);
        let levels: Vec<String> = score.levels.iter().map(level).collect();
        format!("{name} {:.2} ({})", score.value, levels.join(", "))
    });
    texts.collect::<Vec<_>>().join("  ")
}

/// Seconds since 1970.
fn wall_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_secs_f64())
}
