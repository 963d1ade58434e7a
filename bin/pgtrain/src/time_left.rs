//! How long a run still takes: its schedule, and what an image costs at each level.

use std::collections::HashMap;
use std::time::Duration;

use pg_schedule::TrainingSettings;

use crate::phases::{Phase, PhaseSpan, phases};

/// Seconds after which what was measured counts half: the machine may become busier.
const HALF_LIFE_SECONDS: f64 = 60.0;
/// Seconds of a phase before its own rate counts: the first steps set up what the others find.
const FEWEST_SECONDS: f64 = 3.0;

/// What a phase's images took, the latest of them counting most.
#[derive(Debug, Clone, Copy, Default)]
struct Measured {
    images: f64,
    seconds: f64,
}

impl Measured {
    fn seconds_per_image(self) -> Option<f64> {
        (self.seconds >= FEWEST_SECONDS && self.images > 0.0).then(|| self.seconds / self.images)
    }
}

/// The time that a run still needs.
#[derive(Debug)]
pub(crate) struct TimeLeft {
    spans: Vec<PhaseSpan>,
    measured: HashMap<Phase, Measured>,
    /// Seconds an image by steps made beforehand.
    probed: HashMap<Phase, f64>,
}

impl TimeLeft {
    /// Of a run at `resolution_px`.
    pub(crate) fn new(settings: &TrainingSettings, resolution_px: u32) -> Self {
        Self { spans: phases(settings, resolution_px), measured: HashMap::new(), probed: HashMap::new() }
    }

    /// Counts a round that ended after `images_shown` images.
    pub(crate) fn add_round(&mut self, images_shown: u64, images: u64, took: Duration) {
        let Some(phase) = self.phase_at(images_shown.saturating_sub(images)) else { return };
        let seconds = took.as_secs_f64();
        let measured = self.measured.entry(phase).or_default();
        let kept = 0.5_f64.powf(seconds / HALF_LIFE_SECONDS);
        measured.images = measured.images * kept + images as f64;
        measured.seconds = measured.seconds * kept + seconds;
    }

    /// Sets what an image of `phase` took in steps made beforehand.
    pub(crate) fn set_probed(&mut self, phase: Phase, seconds_per_image: f64) {
        self.probed.insert(phase, seconds_per_image);
    }

    /// Phases after `images_shown` images about which nothing is known.
    pub(crate) fn unknown_phases(&self, images_shown: u64) -> Vec<Phase> {
        let ahead = self.ahead(images_shown).map(|(phase, _)| phase);
        ahead.filter(|phase| self.own_cost(*phase).is_none() && !self.probed.contains_key(phase)).collect()
    }

    /// The time that the images after `images_shown` take; `None` while a phase is unknown.
    pub(crate) fn after(&self, images_shown: u64) -> Option<Duration> {
        // Beside other processes, or while data is slow, all steps take longer than those made beforehand.
        let now = self.phase_at(images_shown)?;
        let slower = match (self.own_cost(now), self.probed.get(&now)) {
            (Some(own), Some(probed)) if *probed > 0.0 => own / probed,
            _ => 1.0,
        };
        let cost = |phase| self.own_cost(phase).or_else(|| Some(self.probed.get(&phase)? * slower));
        let seconds: Option<f64> =
            self.ahead(images_shown).map(|(phase, images)| Some(images * cost(phase)?)).sum();
        Duration::try_from_secs_f64(seconds?).ok()
    }

    fn own_cost(&self, phase: Phase) -> Option<f64> {
        self.measured.get(&phase)?.seconds_per_image()
    }

    /// The phase of the round that begins there.
    pub(crate) fn phase_at(&self, images_shown: u64) -> Option<Phase> {
        let kimg = images_shown as f64 / 1000.0;
        self.spans.iter().rev().find(|span| span.from_kimg <= kimg).map(|span| span.phase)
    }

    /// Phases that are not over, with the images that are left of each.
    fn ahead(&self, images_shown: u64) -> impl Iterator<Item = (Phase, f64)> {
        let kimg = images_shown as f64 / 1000.0;
        let left = move |span: &PhaseSpan| (span.to_kimg - span.from_kimg.max(kimg)) * 1000.0;
        self.spans.iter().map(move |span| (span.phase, left(span))).filter(|(_, images)| *images > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pg_schedule::Preset;

    fn seconds(left: Option<Duration>) -> f64 {
        left.unwrap().as_secs_f64()
    }

    /// 4 to 16 px, 1 kimg a phase, 7 in all.
    fn run() -> TimeLeft {
        let settings = ["start_resolution=4", "lod_train_kimg=1", "lod_fade_kimg=1", "total_kimg=7"];
        let settings =
            settings.iter().fold(Preset::Tiny.settings(), |s, text| s.with_assignment(text).unwrap());
        TimeLeft::new(&settings, 16)
    }

    #[test]
    fn the_levels_ahead_count_at_their_own_cost_and_not_at_todays() {
        let mut left = run();
        assert_eq!(left.after(0), None);
        assert_eq!(left.unknown_phases(0).len(), 5);
        let costs =
            [(4, false, 0.001), (8, true, 0.01), (8, false, 0.008), (16, true, 0.1), (16, false, 0.08)];
        for (resolution_px, is_fading, cost) in costs {
            left.set_probed(Phase { resolution_px, is_fading }, cost);
        }
        assert!(left.unknown_phases(0).is_empty());
        let whole = 1000.0 * (0.001 + 0.01 + 0.008 + 0.1) + 3000.0 * 0.08;
        assert!((seconds(left.after(0)) - whole).abs() < 1e-6);
        assert!((seconds(left.after(6500)) - 500.0 * 0.08).abs() < 1e-6);
        assert_eq!(left.after(7000), Some(Duration::ZERO));
    }

    #[test]
    fn what_a_phase_took_replaces_the_steps_made_beforehand_and_slows_the_levels_ahead_alike() {
        let mut left = run();
        for span in left.spans.clone() {
            left.set_probed(span.phase, 0.01);
        }
        // Twice as long as expected.
        for round in 1..=25 {
            left.add_round(20 * round, 20, Duration::from_millis(400));
        }
        assert!((seconds(left.after(500)) - 0.02 * 6500.0).abs() < 1e-6);
    }

    #[test]
    fn a_run_without_growth_needs_no_steps_made_beforehand() {
        let mut left =
            TimeLeft::new(&Preset::Tiny.settings().with_assignment("start_resolution=32").unwrap(), 32);
        left.add_round(16, 16, Duration::from_secs(1));
        assert_eq!(left.after(16), None, "one second says little");
        left.add_round(64, 48, Duration::from_secs(3));
        assert!(left.after(64).is_some());
        assert!(left.unknown_phases(64).is_empty());
    }

    #[test]
    fn a_machine_that_becomes_busier_shows_within_minutes() {
        let mut left =
            TimeLeft::new(&Preset::Tiny.settings().with_assignment("start_resolution=32").unwrap(), 32);
        let mut shown = 0;
        for (rounds, milliseconds) in [(600, 100), (1200, 400)] {
            for _ in 0..rounds {
                shown += 1;
                left.add_round(shown, 1, Duration::from_millis(milliseconds));
            }
        }
        let per_image =
            seconds(left.after(shown)) / (left.spans.last().unwrap().to_kimg * 1000.0 - shown as f64);
        assert!((0.38..=0.4).contains(&per_image), "{per_image}");
    }
}
