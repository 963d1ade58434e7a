//! The phases of a run: levels, each first fading in, then stable (arXiv:1710.10196, appendix A.1).

use pg_schedule::TrainingSettings;

/// A level with or without the fade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Phase {
    pub(crate) resolution_px: u32,
    pub(crate) is_fading: bool,
}

/// A phase and the part of the run that it takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PhaseSpan {
    pub(crate) from_kimg: f64,
    pub(crate) to_kimg: f64,
    pub(crate) phase: Phase,
}

/// All phases of a run at `resolution_px`, in order, without gaps.
pub(crate) fn phases(settings: &TrainingSettings, resolution_px: u32) -> Vec<PhaseSpan> {
    let plan = settings.growth_plan(resolution_px);
    let (train, fade, total) = (plan.lod_train_kimg, plan.lod_fade_kimg, settings.total_kimg);
    let mut phases = Vec::new();
    let mut kimg = 0.0;
    let mut px = plan.start_resolution_px;
    let mut add = |from_kimg: f64, to_kimg: f64, resolution_px: u32, is_fading| {
        if from_kimg < to_kimg {
            phases.push(PhaseSpan { from_kimg, to_kimg, phase: Phase { resolution_px, is_fading } });
        }
    };
    while px < resolution_px && train + fade > 0.0 && kimg < total {
        add(kimg, (kimg + train).min(total), px, false);
        add(kimg + train, (kimg + train + fade).min(total), px * 2, true);
        kimg += train + fade;
        px *= 2;
    }
    add(kimg, total, if train + fade > 0.0 { px } else { resolution_px }, false);
    phases
}

#[cfg(test)]
mod tests {
    use super::*;
    use pg_schedule::Preset;

    #[test]
    fn the_phases_tile_the_run_and_agree_with_the_schedule() {
        for preset in pg_schedule::PRESETS {
            let settings = preset.settings();
            let px = if settings.resolution == 0 { 1024 } else { settings.resolution };
            let mut end = 0.0;
            for span in phases(&settings, px) {
                assert_eq!(span.from_kimg, end);
                end = span.to_kimg;
                let middle = f64::midpoint(span.from_kimg, span.to_kimg) * 1000.0;
                let state = settings.growth_plan(px).at(middle as u64);
                assert_eq!(state.resolution_px, span.phase.resolution_px, "{} {span:?}", preset.name());
                assert_eq!(state.fade_in() < 1.0, span.phase.is_fading, "{span:?}");
            }
            assert_eq!(end, settings.total_kimg);
        }
        assert_eq!(phases(&Preset::PaperCelebahq.settings(), 1024).len(), 17);
    }
}
