//! Which resolution is trained after how many images, and how far it is faded in
//! (arXiv:1710.10196, section 2 and figure 2).

/// How the networks stand at one moment: the resolution in training and the fade-in of its layers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LevelOfDetail {
    /// Number of levels below full resolution, with the fraction still to fade in: 0 is the full
    /// resolution, 2.3 is two levels below it, 70 % faded in.
    pub lod: f64,
    /// Side of the images shown, in pixels.
    pub resolution_px: u32,
}

impl LevelOfDetail {
    /// Weight of the newest layers in [0, 1]: 1 when nothing fades.
    #[must_use]
    pub fn fade_in(self) -> f64 {
        1.0 - self.lod.fract()
    }

    /// True when the optimisers' moments are to be reset on the way from `before` to here: a level
    /// started or ended to fade.
    #[must_use]
    pub fn resets_moments_after(self, before: Self) -> bool {
        self.lod.floor() != before.lod.floor() || self.lod.ceil() != before.lod.ceil()
    }
}

/// The growing plan: start resolution, full resolution, and images per phase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GrowthPlan {
    /// Full resolution in pixels (a power of two).
    pub resolution_px: u32,
    /// Resolution to start at, in pixels (a power of two).
    pub start_resolution_px: u32,
    /// Thousands of images to train a level before the next fades in.
    pub lod_train_kimg: f64,
    /// Thousands of images over which a new level fades in.
    pub lod_fade_kimg: f64,
}

impl GrowthPlan {
    /// The state after `images_shown` real images.
    ///
    /// One phase is `lod_train_kimg` stable at a level, then `lod_fade_kimg` fading to the next; the
    /// full resolution is trained until the run ends.
    #[must_use]
    pub fn at(&self, images_shown: u64) -> LevelOfDetail {
        let levels = f64::from(self.resolution_px.ilog2() - self.start_resolution_px.ilog2());
        let phase_kimg = self.lod_train_kimg + self.lod_fade_kimg;
        let kimg = images_shown as f64 / 1000.0;
        let mut lod = levels;
        if phase_kimg > 0.0 {
            let phase = (kimg / phase_kimg).floor();
            let kimg_in_phase = kimg - phase * phase_kimg;
            lod -= phase;
            if self.lod_fade_kimg > 0.0 {
                lod -= (kimg_in_phase - self.lod_train_kimg).max(0.0) / self.lod_fade_kimg;
            }
        } else {
            lod = 0.0;
        }
        let lod = lod.max(0.0);
        LevelOfDetail { lod, resolution_px: self.resolution_px >> lod.floor() as u32 }
    }

    /// Thousands of images after which the full resolution is in force, wholly faded in.
    #[must_use]
    pub fn grown_at_kimg(&self) -> f64 {
        let levels = f64::from(self.resolution_px.ilog2() - self.start_resolution_px.ilog2());
        levels * (self.lod_train_kimg + self.lod_fade_kimg)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CELEBAHQ: GrowthPlan = GrowthPlan {
        resolution_px: 1024,
        start_resolution_px: 4,
        lod_train_kimg: 600.0,
        lod_fade_kimg: 600.0,
    };

    #[test]
    fn the_published_preset_grows_at_the_published_times() {
        // kimg shown, lod, resolution: worked out by hand from 600 + 600 kimg a level.
        let table = [
            (0, 8.0, 4),
            (599, 8.0, 4),
            (600, 8.0, 4),
            (900, 7.5, 8),
            (1200, 7.0, 8),
            (1800, 7.0, 8),
            (2100, 6.5, 16),
            (9600, 0.0, 1024),
            (12000, 0.0, 1024),
        ];
        for (kimg, lod, resolution_px) in table {
            let at = CELEBAHQ.at(kimg * 1000);
            assert_eq!((at.lod, at.resolution_px), (lod, resolution_px), "{kimg} kimg");
        }
        assert_eq!(CELEBAHQ.grown_at_kimg(), 9600.0);
    }

    #[test]
    fn moments_are_reset_exactly_when_a_fade_starts_or_ends() {
        let at = |images| CELEBAHQ.at(images);
        assert!(!at(599_000).resets_moments_after(at(0)));
        assert!(at(600_016).resets_moments_after(at(600_000)), "fade starts");
        assert!(!at(700_000).resets_moments_after(at(650_000)), "inside the fade");
        assert!(at(1_200_000).resets_moments_after(at(1_199_984)), "fade ends");
    }

    #[test]
    fn without_growing_the_full_resolution_is_trained_from_the_start() {
        let plan = GrowthPlan { lod_train_kimg: 0.0, lod_fade_kimg: 0.0, ..CELEBAHQ };
        assert_eq!(plan.at(0), LevelOfDetail { lod: 0.0, resolution_px: 1024 });
    }

    proptest! {
        #[test]
        fn lod_only_falls_and_the_resolution_fits_it(
            start in 2_u32..5, levels in 0_u32..5, train in 0.1_f64..50.0, fade in 0.0_f64..50.0,
            mut moments in proptest::collection::vec(0_u64..400_000, 2..40),
        ) {
            let plan = GrowthPlan {
                resolution_px: 1 << (start + levels), start_resolution_px: 1 << start,
                lod_train_kimg: train, lod_fade_kimg: fade,
            };
            moments.sort_unstable();
            let states: Vec<_> = moments.iter().map(|&m| plan.at(m)).collect();
            for pair in states.windows(2) {
                prop_assert!(pair[1].lod <= pair[0].lod);
            }
            for state in states {
                prop_assert!(state.resolution_px >= plan.start_resolution_px);
                prop_assert!(state.resolution_px <= plan.resolution_px);
                prop_assert!(state.fade_in() > 0.0 && state.fade_in() <= 1.0);
            }
        }
    }
}
