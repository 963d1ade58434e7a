//! The run cut into rounds of a few minibatches between which the schedule is looked at again.

use crate::{LevelOfDetail, TrainingSettings};

/// A few minibatches under one state of the schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct Round {
    /// Real images shown before this round.
    pub images_shown: u64,
    /// Resolution and fade of the whole round.
    pub level: LevelOfDetail,
    /// Images per minibatch.
    pub minibatch: u32,
    /// Minibatches in the round.
    pub repeats: u32,
    /// Learning rate of the generator's and the discriminator's optimiser.
    pub learning_rate: f64,
    /// Whether both optimisers forget their moments before this round.
    pub reset_moments: bool,
}

impl Round {
    /// Real images shown after this round.
    #[must_use]
    pub fn images_shown_after(&self) -> u64 {
        self.images_shown + u64::from(self.minibatch) * u64::from(self.repeats)
    }
}

/// The rounds of a run from any round's start to the end: a pure function of the settings, so that
/// the trainer, its data feed and a resumed run all see the same sequence.
#[derive(Debug, Clone)]
pub struct Rounds {
    settings: TrainingSettings,
    resolution_px: u32,
    images_shown: u64,
    before: Option<LevelOfDetail>,
}

impl Rounds {
    /// Rounds from `images_shown` (a round's start) on; `before` is the state of the round that ended
    /// there, `None` at the start of a run.
    #[must_use]
    pub fn from(
        settings: &TrainingSettings,
        resolution_px: u32,
        images_shown: u64,
        before: Option<LevelOfDetail>,
    ) -> Self {
        Self { settings: settings.clone(), resolution_px, images_shown, before }
    }
}

impl Iterator for Rounds {
    type Item = Round;

    fn next(&mut self) -> Option<Round> {
        if self.images_shown as f64 >= self.settings.total_kimg * 1000.0 {
            return None;
        }
        let level = self.settings.growth_plan(self.resolution_px).at(self.images_shown);
        let round = Round {
            images_shown: self.images_shown,
            level,
            minibatch: self.settings.minibatch.at(level.resolution_px),
            repeats: self.settings.minibatch_repeats,
            learning_rate: self.settings.learning_rate.at(level.resolution_px),
            reset_moments: self.before.is_some_and(|before| level.resets_moments_after(before)),
        };
        self.images_shown = round.images_shown_after();
        self.before = Some(level);
        Some(round)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Preset;

    #[test]
    fn a_resumed_iterator_goes_on_exactly_where_the_other_one_stood() {
        let settings = Preset::Tiny.settings();
        let all: Vec<_> = Rounds::from(&settings, 32, 0, None).collect();
        assert!(all.len() > 20);
        for cut in [1, 7, all.len() / 2, all.len() - 1] {
            let before = &all[cut - 1];
            let rest: Vec<_> =
                Rounds::from(&settings, 32, before.images_shown_after(), Some(before.level)).collect();
            assert_eq!(rest, all[cut..], "cut after round {cut}");
        }
    }

    #[test]
    fn the_run_ends_with_the_first_round_that_reaches_the_total() {
        let mut settings = Preset::Tiny.settings();
        settings.total_kimg = 1.0;
        let last = Rounds::from(&settings, 32, 0, None).last().unwrap();
        assert!(last.images_shown < 1000 && last.images_shown_after() >= 1000);
    }
}
