//! The loop: rounds, ticks, logs, sheets and snapshots.

use std::time::{Duration, Instant};

use pg_networks::RowShare;
use pg_schedule::{KeepBest, Labels, LevelOfDetail, Round, Rounds, TrainingSettings};
use pg_shard::Dataset;
use serde::Serialize;
use tch::Device;

use crate::data_feed::DataFeed;
use crate::error::damage_text;
use crate::evaluation::{Evaluated, EvaluationLine, ScoredMoment, is_due};
use crate::finite_check::first_not_finite;
use crate::image_sheet::ImageSheet;
use crate::rank_agreement::{check_same_run, check_same_weights};
use crate::ranks::{Ranks, any, by_first};
use crate::run_folder::Retention;
use crate::sampler::fixed_sheet;
use crate::snapshot::{Snapshot, SnapshotState};
use crate::trainer::{StepStatistics, Trainer, growth_state};
use crate::{RunFolder, SnapshotStore, TrainingError};

/// One line of `log.jsonl`: means over a tick.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TickLine {
    /// Thousands of real images shown.
    pub kimg: f64,
    /// Real images shown.
    pub images_shown: u64,
    /// Level of detail at the tick's end: 0 is full resolution.
    pub lod: f64,
    /// Resolution in training, in pixels.
    pub resolution: u32,
    /// Images per minibatch.
    pub minibatch: u32,
    /// The discriminator's loss.
    pub d_loss: f64,
    /// The generator's loss; `None` (null) in a tick without a step of the generator.
    pub g_loss: Option<f64>,
    /// D(real).
    pub real_score: f64,
    /// D(fake).
    pub fake_score: f64,
    /// Norm of the discriminator's gradient at mixed images, which the penalty pulls to its target, or
    /// (R1 alone) at the reals; `None` (null) without a penalty.
    pub gradient_norm: Option<f64>,
    /// Seconds waiting for data.
    pub data_seconds: f64,
    /// Seconds in the discriminator's steps.
    pub d_seconds: f64,
    /// Seconds in the generator's steps.
    pub g_seconds: f64,
    /// Real images shown per second, everything but sheets and snapshots included.
    pub images_per_second: f64,
}

/// What the loop tells the program around it.
pub trait RunObserver {
    /// After every round.
    fn round(&mut self, images_shown: u64, level: LevelOfDetail);
    /// After every tick, its line already in the log.
    ///
    /// # Errors
    /// Whatever keeps the observer from recording it; the run stops with it.
    fn tick(&mut self, line: &TickLine) -> Result<(), TrainingError>;
    /// Asks for scores of the averaged generator, every `eval_kimg`. They must not depend on anything but the moment.
    ///
    /// # Errors
    /// Whatever keeps the observer from scoring; the run stops with it.
    fn evaluate(&mut self, moment: &ScoredMoment<'_>) -> Result<Evaluated, TrainingError>;
    /// After every scoring, its line already in `metrics.jsonl`.
    ///
    /// # Errors
    /// Whatever keeps the observer from recording it; the run stops with it.
    fn evaluated(&mut self, line: &EvaluationLine) -> Result<(), TrainingError>;
    /// An earlier start of the run recorded this scoring, and may have been killed before it passed it on.
    ///
    /// # Errors
    /// Whatever keeps the observer from recording it; the run stops with it.
    fn evaluated_before(&mut self, line: &EvaluationLine) -> Result<(), TrainingError>;
    /// A sheet of images to keep: `reals` once, `fakes-KKKKKK` after every tick.
    ///
    /// # Errors
    /// Whatever keeps the observer from writing it; the run stops with it.
    fn sheet(&mut self, name: &str, sheet: &ImageSheet) -> Result<(), TrainingError>;
    /// A snapshot was written.
    fn snapshot(&mut self, snapshot: &Snapshot);
    /// True to stop after the round in hand, with a snapshot.
    fn stop_requested(&self) -> bool;
}

/// How a run ended.
#[derive(Debug)]
pub enum RunEnd {
    /// All of `total_kimg` is trained.
    Complete(Snapshot),
    /// Stopped on request; the snapshot resumes it exactly.
    Stopped(Snapshot),
}

/// A run, ready to train.
#[derive(Debug)]
pub struct TrainingRun {
    folder: RunFolder,
    dataset: Dataset,
    settings: TrainingSettings,
    resolution_px: u32,
    device: Device,
    trainer: Trainer,
    images_shown: u64,
    last_round: Option<u64>,
    newest: Option<Snapshot>,
    /// Images shown at the best snapshot.
    best: Option<u64>,
}

impl TrainingRun {
    /// Prepares a run in `folder`, from its newest snapshot where there is one, as one of `ranks`. All ranks call it,
    /// with the same arguments but for the device, after rank 0 has opened and recorded the folder.
    ///
    /// # Errors
    /// A dataset without the levels needed; a snapshot of another dataset or shape; a minibatch that cannot be cut for
    /// the ranks; [`TrainingError::RanksDiffer`] when they see other data or another run; libtorch's.
    pub fn prepare(
        folder: RunFolder,
        dataset: Dataset,
        settings: &TrainingSettings,
        resolution_px: u32,
        device: Device,
        ranks: Box<dyn Ranks>,
    ) -> Result<Self, TrainingError> {
        let channels = dataset.channels() as u32;
        let label_size = label_size(&dataset);
        if settings.labels == Labels::AcGan && label_size == 0 {
            return Err(TrainingError::NoLabels);
        }
        let mut trainer =
            Trainer::with_labels(settings, resolution_px, channels, label_size, device)?.with_ranks(ranks);
        for px in levels(settings, resolution_px) {
            trainer.share_of(settings.minibatch.at(px))?;
        }
        let store = SnapshotStore::of_run(folder.path())?;
        if let Some(lost) = store.lost_after_newest() {
            let earlier = store.undamaged_before(u64::MAX).map(|snapshot| snapshot.folder().to_owned());
            return Err(TrainingError::LostSnapshot { what: lost.to_string(), earlier });
        }
        let newest = store.newest().cloned();
        let (mut images_shown, mut last_round) = (0, None);
        if let Some(snapshot) = &newest {
            let state = snapshot.state();
            if state.dataset_fingerprint != dataset.fingerprint() {
                let what = "data (the dataset changed since its snapshot)".to_owned();
                return Err(TrainingError::OtherRun { path: folder.path().to_owned(), what });
            }
            snapshot.restore(&mut trainer).map_err(|error| with_earlier(error, &folder, snapshot))?;
            (images_shown, last_round) = (state.images_shown, state.last_round_images_shown);
        }
        check_same_run(&mut *trainer.ranks, settings, &dataset.fingerprint(), images_shown)?;
        if trainer.ranks.rank() == 0 {
            folder.rewind_logs(images_shown)?;
        }
        let settings = settings.clone();
        let mut run = Self {
            folder,
            dataset,
            settings,
            resolution_px,
            device,
            trainer,
            images_shown,
            last_round,
            newest,
            best: None,
        };
        if run.is_first() {
            run.choose_best()?;
        }
        Ok(run)
    }

    /// Whether this process is the one that writes.
    fn is_first(&self) -> bool {
        self.trainer.ranks.rank() == 0
    }

    /// Bytes that the run will take on its device beyond what [`Self::prepare`] took, activations left out: both
    /// optimisers' moments and the gradients of one network.
    #[must_use]
    pub fn further_weight_bytes(&self) -> u64 {
        let [generator, discriminator] = self.trainer.weight_counts().map(|count| count as u64);
        size_of::<f32>() as u64 * (2 * (generator + discriminator) + generator.max(discriminator))
    }

    /// See [`Trainer::overlap_sums`].
    pub fn overlap_sums(&mut self, overlapping: bool) {
        self.trainer.overlap_sums(overlapping);
    }

    /// Real images shown so far.
    #[must_use]
    pub fn images_shown(&self) -> u64 {
        self.images_shown
    }

    /// Trains to the end, or until the observer asks to stop.
    ///
    /// # Errors
    /// [`TrainingError::Diverged`] with the last good snapshot; I/O errors; libtorch's.
    pub fn train(&mut self, observer: &mut dyn RunObserver) -> Result<RunEnd, TrainingError> {
        if self.newest.is_none() {
            if self.is_first() {
                self.write_sheet_of_reals(observer)?;
            }
            self.write_snapshot(observer)?;
        }
        // Killed, or stopped, between a snapshot and its scores.
        if !self.evaluate_if_due(observer)? {
            return self.stopped();
        }
        let plan = self.settings.growth_plan(self.resolution_px);
        let before = self.last_round.map(|shown| plan.at(shown));
        let rounds = Rounds::from(&self.settings, self.resolution_px, self.images_shown, before);
        let levels: Vec<u32> = levels(&self.settings, self.resolution_px).collect();
        // Every minibatch can be cut: that was checked at the start.
        let shares = self.trainer.shares();
        let share = move |minibatch: u32| shares(minibatch).unwrap_or(RowShare::WHOLE);
        let (seed, mirror) = (self.settings.seed, self.settings.mirror);
        let mut feed = DataFeed::start(&self.dataset, &rounds, &levels, seed, mirror, share)?;
        let mut tick = Tick::start(self.images_shown);
        let mut last = None;
        for round in rounds {
            self.train_round(&round, &mut feed, &mut tick)?;
            observer.round(self.images_shown, round.level);
            let stop = any(&mut *self.trainer.ranks, observer.stop_requested())?;
            let tick_images = self.settings.tick_kimg.at(round.level.resolution_px) * 1000.0;
            // Scores need a snapshot of their own: they end the tick, so that they come at the same moments whether
            // or not the run was ever stopped.
            if stop || self.is_evaluation_due() || (self.images_shown - tick.start) as f64 >= tick_images {
                if !self.end_tick(&tick, &round, observer)? {
                    return self.stopped();
                }
                tick = Tick::start(self.images_shown);
                last = None;
            } else {
                last = Some(round);
            }
            if stop {
                return self.stopped();
            }
        }
        if let Some(round) = last
            && !self.end_tick(&tick, &round, observer)?
        {
            return self.stopped();
        }
        self.newest().map(RunEnd::Complete)
    }

    fn stopped(&self) -> Result<RunEnd, TrainingError> {
        self.newest().map(RunEnd::Stopped)
    }

    fn newest(&self) -> Result<Snapshot, TrainingError> {
        let none = || TrainingError::NoSnapshot { path: self.folder.path().to_owned() };
        self.newest.clone().ok_or_else(none)
    }

    fn train_round(
        &mut self,
        round: &Round,
        feed: &mut DataFeed,
        tick: &mut Tick,
    ) -> Result<(), TrainingError> {
        self.trainer.begin(round);
        for _ in 0..round.repeats {
            let waiting = Instant::now();
            let minibatch = feed.next_minibatch(self.device)?;
            tick.data_time += waiting.elapsed();
            match self.trainer.step(round, &minibatch) {
                Ok(statistics) => tick.add(&statistics),
                Err(TrainingError::Diverged { what, value, images_shown, .. }) => {
                    return Err(self.diverged(what, value, images_shown));
                }
                Err(other) => return Err(other),
            }
        }
        self.images_shown = round.images_shown_after();
        self.last_round = Some(round.images_shown);
        Ok(())
    }

    fn diverged(&self, what: &'static str, value: f64, images_shown: u64) -> TrainingError {
        let snapshot = self.newest.as_ref().map(|s| s.folder().to_owned());
        TrainingError::Diverged { what, value, images_shown, snapshot }
    }

    /// False when it was stopped before the tick's scores were there.
    fn end_tick(
        &mut self,
        tick: &Tick,
        round: &Round,
        observer: &mut dyn RunObserver,
    ) -> Result<bool, TrainingError> {
        // Losses are those before a step: what the last step made of the weights shows only here.
        if let Some((what, value)) = first_not_finite(&self.trainer)? {
            return Err(self.diverged(what, value, self.images_shown));
        }
        // Before the snapshot: what ranks do not agree on is not saved.
        let snapshot = self.newest.as_ref().map(|s| s.folder().to_owned());
        check_same_weights(&mut self.trainer, snapshot.as_deref())?;
        // The snapshot comes last: killed before it, a resumed run makes this tick again, line and
        // sheet included.
        if self.is_first() {
            let line = tick.line(self.images_shown, round);
            self.folder.log(&line)?;
            observer.tick(&line)?;
            let state = growth_state(round.level);
            let cells = (sheet_columns(self.resolution_px), sheet_rows(self.resolution_px));
            let sheet = fixed_sheet(self.trainer.average(), state, self.settings.seed, cells, self.device)?;
            observer.sheet(&format!("fakes-{:06}", self.images_shown / 1000), &sheet)?;
        }
        self.write_snapshot(observer)?;
        self.evaluate_if_due(observer)
    }

    fn is_evaluation_due(&self) -> bool {
        let (eval_kimg, total_kimg) = (self.settings.eval_kimg, self.settings.total_kimg);
        self.last_round.is_some_and(|before| is_due(eval_kimg, total_kimg, before, self.images_shown))
    }

    /// Scores the newest snapshot's averaged generator if that is due and not done yet; false when it was stopped
    /// before its end.
    fn evaluate_if_due(&mut self, observer: &mut dyn RunObserver) -> Result<bool, TrainingError> {
        if !self.is_evaluation_due() {
            return Ok(true);
        }
        let done = if self.is_first() { self.evaluate(observer) } else { Ok(false) };
        let answer = by_first(&mut *self.trainer.ranks, || done.map(|done| vec![u8::from(done)]))?;
        Ok(answer == [1])
    }

    fn evaluate(&mut self, observer: &mut dyn RunObserver) -> Result<bool, TrainingError> {
        let is_done = |line: &EvaluationLine| line.images_shown == self.images_shown;
        if let Some(line) = self.folder.evaluations()?.last().filter(|line| is_done(line)) {
            // Killed behind that line, what follows it may be missing.
            observer.evaluated_before(line)?;
            self.choose_best()?;
            self.prune()?;
            return Ok(true);
        }
        if observer.stop_requested() {
            return Ok(false);
        }
        let plan = self.settings.growth_plan(self.resolution_px);
        let level = plan.at(self.last_round.unwrap_or(0));
        let moment = ScoredMoment {
            images_shown: self.images_shown,
            level,
            dataset: &self.dataset,
            average: self.trainer.average(),
            device: self.device,
        };
        let Evaluated::Scored(scores) = observer.evaluate(&moment)? else { return Ok(false) };
        let line = EvaluationLine {
            kimg: self.images_shown as f64 / 1000.0,
            images_shown: self.images_shown,
            lod: level.lod,
            resolution: level.resolution_px,
            scores,
        };
        self.folder.log_evaluation(&line)?;
        observer.evaluated(&line)?;
        self.choose_best()?;
        self.prune()?;
        Ok(true)
    }

    fn choose_best(&mut self) -> Result<(), TrainingError> {
        if self.settings.keep_best == KeepBest::Swd {
            self.best = self.folder.renew_best("swd")?.map(|best| best.images_shown);
        }
        Ok(())
    }

    fn prune(&self) -> Result<(), TrainingError> {
        self.folder.prune(&Retention {
            newest: self.images_shown,
            best: self.best,
            keep_last: self.settings.keep_last,
            total_images: (self.settings.total_kimg * 1000.0).ceil() as u64,
        })
    }

    fn write_snapshot(&mut self, observer: &mut dyn RunObserver) -> Result<(), TrainingError> {
        let before = self.newest.as_ref().map_or(0, |s| s.state().images_shown);
        let kept_every = (self.settings.snapshot_kimg * 1000.0).max(1.0);
        let count = |images: u64| (images as f64 / kept_every).floor();
        let complete = self.images_shown as f64 >= self.settings.total_kimg * 1000.0;
        let state = SnapshotState {
            format_version: SnapshotState::VERSION,
            images_shown: self.images_shown,
            last_round_images_shown: self.last_round,
            resolution: self.resolution_px,
            image_channels: self.dataset.channels() as u32,
            label_size: label_size(&self.dataset),
            generator_steps: self.trainer.generator_optimizer.steps(),
            discriminator_steps: self.trainer.discriminator_optimizer.steps(),
            kept: self.images_shown == 0 || complete || count(self.images_shown) > count(before),
            dataset_fingerprint: self.dataset.fingerprint(),
        };
        let written = if self.is_first() {
            Snapshot::write(&self.folder, &self.trainer, state.clone(), self.best).and_then(|snapshot| {
                self.prune()?;
                observer.snapshot(&snapshot);
                Ok(Some(snapshot))
            })
        } else {
            Ok(None)
        };
        // The name depends on scores that rank 0 alone knows.
        let (snapshot, name) = match written {
            Ok(snapshot) => {
                let name = snapshot.as_ref().map(Snapshot::name).unwrap_or_default();
                (snapshot, Ok(name.into_bytes()))
            }
            Err(error) => (None, Err(error)),
        };
        let name = by_first(&mut *self.trainer.ranks, || name)?;
        let further = || {
            let folder = self.folder.path().join("snapshots").join(String::from_utf8_lossy(&name).as_ref());
            Snapshot::written_by_first(folder, state)
        };
        self.newest = Some(snapshot.unwrap_or_else(further));
        Ok(())
    }

    fn write_sheet_of_reals(&self, observer: &mut dyn RunObserver) -> Result<(), TrainingError> {
        let side = self.resolution_px as usize;
        let finest = self.dataset.resolutions().iter().find(|r| r.pixels() == side).copied();
        let Some(finest) = finest else { return Ok(()) };
        let level = self.dataset.level(finest)?;
        let count = (sheet_columns(self.resolution_px) * sheet_rows(self.resolution_px)).min(level.len());
        let mut bytes = Vec::new();
        for index in 0..count {
            bytes.extend_from_slice(&level.image(index)?);
        }
        let sheet = ImageSheet { bytes, count, channels: level.channels(), resolution_px: side };
        observer.sheet("reals", &sheet)
    }
}

/// Adds to the error of a damaged snapshot the one that the run can go on from.
fn with_earlier(error: TrainingError, folder: &RunFolder, damaged: &Snapshot) -> TrainingError {
    let TrainingError::Damaged { path } = error else { return error };
    let store = SnapshotStore::of_run(folder.path()).ok();
    let before = damaged.state().images_shown;
    let earlier = store.and_then(|store| store.undamaged_before(before).map(|s| s.folder().to_owned()));
    TrainingError::LostSnapshot { what: damage_text(&path), earlier }
}

/// The resolutions that a run visits.
fn levels(settings: &TrainingSettings, resolution_px: u32) -> impl Iterator<Item = u32> + use<> {
    let start = settings.growth_plan(resolution_px).start_resolution_px;
    (start.ilog2()..=resolution_px.ilog2()).map(|log2| 1 << log2)
}

/// Components of the dataset's labels, 0 without labels.
fn label_size(dataset: &Dataset) -> u32 {
    dataset.label_names().map_or(0, |names| names.len() as u32)
}

/// Columns of a run's sheets: about as many as fill a 1920 px wide picture, 4 to 12.
#[must_use]
pub fn sheet_columns(resolution_px: u32) -> usize {
    (1920 / resolution_px as usize).clamp(4, 12)
}

/// Rows of a run's sheets: about as many as fill a 1080 px high picture, 3 to 8.
fn sheet_rows(resolution_px: u32) -> usize {
    (1080 / resolution_px as usize).clamp(3, 8)
}

/// Sums over the minibatches of a tick.
#[derive(Debug)]
struct Tick {
    start: u64,
    started: Instant,
    steps: u32,
    generator_steps: u32,
    penalised_steps: u32,
    sums: StepStatistics,
    data_time: Duration,
}

impl Tick {
    fn start(images_shown: u64) -> Self {
        Self {
            start: images_shown,
            started: Instant::now(),
            steps: 0,
            generator_steps: 0,
            penalised_steps: 0,
            sums: StepStatistics::default(),
            data_time: Duration::ZERO,
        }
    }

    fn add(&mut self, step: &StepStatistics) {
        self.steps += 1;
        self.sums.d_loss += step.d_loss;
        self.generator_steps += u32::from(step.g_loss.is_some());
        self.sums.g_loss = sum(self.sums.g_loss, step.g_loss);
        self.sums.real_score += step.real_score;
        self.sums.fake_score += step.fake_score;
        self.penalised_steps += u32::from(step.gradient_norm.is_some());
        self.sums.gradient_norm = sum(self.sums.gradient_norm, step.gradient_norm);
        self.sums.d_time += step.d_time;
        self.sums.g_time += step.g_time;
    }

    fn line(&self, images_shown: u64, round: &Round) -> TickLine {
        let mean = |sum: f64| sum / f64::from(self.steps.max(1));
        TickLine {
            kimg: images_shown as f64 / 1000.0,
            images_shown,
            lod: round.level.lod,
            resolution: round.level.resolution_px,
            minibatch: round.minibatch,
            d_loss: mean(self.sums.d_loss),
            g_loss: self.sums.g_loss.map(|sum| sum / f64::from(self.generator_steps.max(1))),
            real_score: mean(self.sums.real_score),
            fake_score: mean(self.sums.fake_score),
            gradient_norm: self.sums.gradient_norm.map(|sum| sum / f64::from(self.penalised_steps.max(1))),
            data_seconds: self.data_time.as_secs_f64(),
            d_seconds: self.sums.d_time.as_secs_f64(),
            g_seconds: self.sums.g_time.as_secs_f64(),
            images_per_second: (images_shown - self.start) as f64
                / self.started.elapsed().as_secs_f64().max(1e-9),
        }
    }
}

/// Adds what was measured; `None` while nothing was.
fn sum(before: Option<f64>, measured: Option<f64>) -> Option<f64> {
    measured.map_or(before, |value| Some(before.unwrap_or(0.0) + value))
}
