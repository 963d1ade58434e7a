//! The time left that a run shows: rounds as they come, and steps of the levels ahead made once.

use std::time::{Duration, Instant};

use pg_cli::{Progress, ProgressStyle};
use pg_schedule::TrainingSettings;
use tch::Device;

use crate::probe::Probe;
use crate::time_left::TimeLeft;

/// Into a run that lasts as long, steps of the levels ahead are made: short runs end before anybody asks.
const PROBED_AFTER: Duration = Duration::from_secs(30);

/// What the levels of a run take.
pub(crate) struct LevelTimes<'a> {
    settings: &'a TrainingSettings,
    resolution_px: u32,
    device: Device,
    time_left: TimeLeft,
    started: Instant,
    last_round: Instant,
    is_probed: bool,
}

impl<'a> LevelTimes<'a> {
    /// Of a run at `resolution_px` whose next round begins now.
    pub(crate) fn new(settings: &'a TrainingSettings, resolution_px: u32, device: Device) -> Self {
        let now = Instant::now();
        Self {
            settings,
            resolution_px,
            device,
            time_left: TimeLeft::new(settings, resolution_px),
            started: now,
            last_round: now,
            is_probed: false,
        }
    }

    /// Counts a round of `images` that ended after `images_shown`, and shows the time that is left.
    pub(crate) fn add_round(&mut self, images_shown: u64, images: u64, progress: &Progress) {
        if progress.style() == ProgressStyle::Hidden {
            return;
        }
        let now = Instant::now();
        self.time_left.add_round(images_shown, images, now - self.last_round);
        if !self.is_probed && now - self.started >= PROBED_AFTER {
            self.is_probed = true;
            self.probe(images_shown, progress);
        }
        self.last_round = Instant::now();
        progress.set_time_left(self.time_left.after(images_shown));
    }

    /// Makes a few steps of each level ahead, and of today's to compare, with networks of their own, which are dropped
    /// again.
    fn probe(&mut self, images_shown: u64, progress: &Progress) {
        let mut phases = self.time_left.unknown_phases(images_shown);
        if phases.is_empty() {
            return;
        }
        phases.extend(self.time_left.phase_at(images_shown));
        progress.note("measuring a few steps of each level ahead, for the time left");
        let quiet = Progress::new(ProgressStyle::Hidden, "probe", "phases", phases.len() as u64);
        let probed = Probe::new(self.settings, self.resolution_px, self.device)
            .and_then(|mut probe| probe.times(&phases, &quiet));
        match probed {
            Ok(probed) => {
                for (phase, probed) in phases.into_iter().zip(probed) {
                    self.time_left.set_probed(phase, probed.seconds_per_image);
                }
            }
            // The run itself goes on; it only shows no time left.
            Err(error) => {
                progress.note(&format!("cannot measure the levels ahead: {error:#}; no time left is shown"));
            }
        }
    }
}
