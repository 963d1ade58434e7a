//! How long training steps take and what memory they need, measured by a few of them on random images.

use std::time::{Duration, Instant};

use pg_cli::Progress;
use pg_schedule::{LevelOfDetail, Round, TrainingSettings};
use pg_training::{Minibatch, Trainer};
use serde::Serialize;
use tch::{Device, Kind, Tensor};

use crate::memory;
use crate::phases::Phase;

/// A step may take so long; slower ones are measured with fewer images and scaled.
const STEP_BUDGET: Duration = Duration::from_millis(1500);
/// Short steps are repeated for as long, and the best one counts.
const REPEAT_BUDGET: Duration = Duration::from_millis(500);
/// Images of the first measurement.
const FIRST_MINIBATCH: u32 = 4;

/// What a phase's steps took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probed {
    /// Images of the step measured, at most the schedule's.
    pub(crate) minibatch: u32,
    pub(crate) seconds_per_image: f64,
}

/// Memory of a run on the CPU.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct MemoryNeed {
    /// Weights of both networks and the average, both optimisers' moments, gradients.
    pub(crate) weight_bytes: u64,
    /// Activations of a step, the most of any level: measured at the full resolution with `probed_minibatch` images,
    /// scaled by the feature maps to other levels and by images to their minibatches.
    pub(crate) activation_bytes: u64,
    /// Where that is.
    pub(crate) resolution: u32,
    pub(crate) minibatch: u32,
    pub(crate) probed_minibatch: u32,
    /// What the machine has free.
    pub(crate) available_bytes: Option<u64>,
}

pub(crate) struct Probe<'a> {
    settings: &'a TrainingSettings,
    resolution_px: u32,
    device: Device,
    trainer: Trainer,
}

impl<'a> Probe<'a> {
    /// The networks of a run at `resolution_px` on colour images.
    pub(crate) fn new(
        settings: &'a TrainingSettings,
        resolution_px: u32,
        device: Device,
    ) -> anyhow::Result<Self> {
        let trainer = Trainer::new(settings, resolution_px, 3, device)?;
        Ok(Self { settings, resolution_px, device, trainer })
    }

    /// Memory, from the peak of two steps at the full resolution; `None` off the CPU, or where the system does not say.
    /// To be called first: later steps leave memory behind that the process keeps.
    pub(crate) fn memory(&mut self) -> anyhow::Result<Option<MemoryNeed>> {
        let phase = Phase { resolution_px: self.resolution_px, is_fading: false };
        // What libtorch sets up at its first step is no part of it.
        let coarsest = self.settings.start_resolution.min(self.resolution_px);
        let warm_up = smallest(self.settings.minibatch.at(coarsest), self.settings);
        self.step(Phase { resolution_px: coarsest, is_fading: false }, warm_up, true)?;
        let Some(before) = memory::resident_bytes().filter(|_| self.device == Device::Cpu) else {
            return Ok(None);
        };
        if !memory::reset_peak() {
            return Ok(None);
        }
        let probed = smallest(self.settings.minibatch.at(self.resolution_px), self.settings);
        self.step(phase, probed, true)?;
        self.step(phase, probed, false)?;
        let Some(peak) = memory::peak_bytes() else { return Ok(None) };
        let [generator, discriminator] = self.trainer.weight_counts().map(|count| 4 * count as u64);
        let further = 2 * (generator + discriminator) + generator.max(discriminator);
        let per_image = peak.saturating_sub(before).saturating_sub(further) as f64 / f64::from(probed);
        let per_feature = per_image / memory::activation_bytes_per_image(self.settings, self.resolution_px);
        let levels = (2..=self.resolution_px.ilog2()).map(|log2| {
            let px = 1 << log2;
            let minibatch = self.settings.minibatch.at(px);
            let per_image = per_feature * memory::activation_bytes_per_image(self.settings, px);
            (px, minibatch, per_image * f64::from(minibatch))
        });
        let Some((resolution, minibatch, bytes)) = levels.max_by(|a, b| a.2.total_cmp(&b.2)) else {
            return Ok(None);
        };
        Ok(Some(MemoryNeed {
            weight_bytes: 2 * generator + discriminator + further,
            activation_bytes: bytes as u64,
            resolution,
            minibatch,
            probed_minibatch: probed,
            available_bytes: memory::available_bytes(),
        }))
    }

    /// Seconds of steps in each of `phases`.
    pub(crate) fn times(&mut self, phases: &[Phase], progress: &Progress) -> anyhow::Result<Vec<Probed>> {
        let mut probed = Vec::with_capacity(phases.len());
        for &phase in phases {
            probed.push(self.time(phase)?);
            progress.advance(1);
        }
        Ok(probed)
    }

    fn time(&mut self, phase: Phase) -> anyhow::Result<Probed> {
        let whole = self.settings.minibatch.at(phase.resolution_px);
        let mut minibatch = smallest(whole, self.settings);
        let mut took = self.step(phase, minibatch, true)?;
        // The first step sets up what the others find.
        if took < STEP_BUDGET {
            took = self.step(phase, minibatch, false)?;
        }
        let mut larger = minibatch;
        while larger * 2 <= whole && took * (larger * 2 / minibatch) <= STEP_BUDGET {
            larger *= 2;
        }
        if larger > minibatch {
            minibatch = larger;
            took = self.step(phase, minibatch, false)?;
        }
        let started = Instant::now();
        while started.elapsed() + took < REPEAT_BUDGET {
            took = took.min(self.step(phase, minibatch, false)?);
        }
        Ok(Probed { minibatch, seconds_per_image: took.as_secs_f64() / f64::from(minibatch) })
    }

    fn step(&mut self, phase: Phase, minibatch: u32, is_first: bool) -> anyhow::Result<Duration> {
        let px = phase.resolution_px;
        let levels_below = f64::from(self.resolution_px.ilog2() - px.ilog2());
        let level =
            LevelOfDetail { lod: levels_below + if phase.is_fading { 0.5 } else { 0.0 }, resolution_px: px };
        let round = Round {
            images_shown: 0,
            level,
            minibatch,
            repeats: 1,
            learning_rate: self.settings.learning_rate.at(px),
            reset_moments: is_first,
        };
        let side = i64::from(px);
        let shape = [i64::from(minibatch), 3, side, side];
        let images = Tensor::randint(256, shape, (Kind::Uint8, Device::Cpu));
        let started = Instant::now();
        self.trainer.begin(&round);
        self.trainer.step(&round, &Minibatch { images_shown: 0, images, labels: None })?;
        Ok(started.elapsed())
    }
}

/// `whole` halved until a first measurement is short, never to what does not fill the groups of the minibatch
/// deviation.
fn smallest(whole: u32, settings: &TrainingSettings) -> u32 {
    let group = settings.minibatch_stddev_group.max(1);
    let fits = |count: u32| count <= group || count.is_multiple_of(group);
    let mut count = whole;
    while count > FIRST_MINIBATCH && count.is_multiple_of(2) && fits(count / 2) {
        count /= 2;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use pg_schedule::Preset;

    #[test]
    fn first_measurements_are_short_and_fill_groups() {
        let settings = Preset::PaperCelebahq.settings();
        assert_eq!([128, 16, 6, 4, 3].map(|whole| smallest(whole, &settings)), [4, 4, 3, 4, 3]);
        let in_sixteens = Preset::PaperCelebahqV1.settings();
        assert_eq!([32, 16, 14, 6].map(|whole| smallest(whole, &in_sixteens)), [4, 4, 7, 3]);
    }

    #[test]
    fn steps_of_every_level_are_measured() {
        let mut settings = Preset::Tiny.settings();
        (settings.fmap_max, settings.latent_size) = (8, 8);
        let mut probe = Probe::new(&settings, 16, Device::Cpu).unwrap();
        let memory = probe.memory().unwrap();
        assert!(memory.is_none_or(|need| need.weight_bytes > 0 && need.minibatch == 16));
        let phases = [(8, false), (8, true), (16, true)];
        let phases = phases.map(|(resolution_px, is_fading)| Phase { resolution_px, is_fading });
        let progress = Progress::new(pg_cli::ProgressStyle::Hidden, "probe", "phases", 3);
        for probed in probe.times(&phases, &progress).unwrap() {
            assert!(probed.seconds_per_image > 0.0 && (1..=16).contains(&probed.minibatch));
        }
    }
}
