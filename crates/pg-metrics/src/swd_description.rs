//! What the sliced Wasserstein distance keeps of an image until its levels are compared
//! (ProGAN, arXiv:1710.10196, section 5).

use pg_image::Planar;

use crate::MetricsError;
use crate::laplacian_pyramid::{GaussianLevel, GaussianPyramid, LaplacianLevel, swd_resolutions};
use crate::patch_descriptors::{
    DESCRIPTOR_CHANNELS, DESCRIPTOR_LENGTH, ImageKey, Side, cut_descriptors, draw_centres,
};

/// How the distance is drawn; the default is the paper's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwdSettings {
    /// Descriptors per image and level (128).
    pub patches_per_image: usize,
    /// Directions per repeat (128).
    pub directions_per_repeat: usize,
    /// Repeats with fresh directions, averaged (4).
    pub repeats: usize,
    /// Seed of patch positions and directions.
    pub seed: u64,
}

impl Default for SwdSettings {
    fn default() -> Self {
        Self { patches_per_image: 128, directions_per_repeat: 128, repeats: 4, seed: 0 }
    }
}

impl SwdSettings {
    /// Refuses counts of none or of more than 65536.
    ///
    /// # Errors
    /// [`MetricsError::Parameter`]
    pub fn check(&self) -> Result<(), MetricsError> {
        let parameters = [
            ("number of patches per image", self.patches_per_image),
            ("number of directions per repeat", self.directions_per_repeat),
            ("number of repeats", self.repeats),
        ];
        for (name, actual) in parameters {
            if !(1..=65_536).contains(&actual) {
                let expected = "a number from 1 to 65536";
                return Err(MetricsError::Parameter { name, expected, actual: actual.to_string() });
            }
        }
        Ok(())
    }
}

/// In which form a level is kept: whichever takes less room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LevelForm {
    /// Its descriptors, f32 `[patches, 147]`.
    Patches,
    /// Its Gaussian level, f32 `[3, px, px]`; descriptors are cut out of it and the next one.
    Gaussian,
    /// The image itself, u8 `[3, px, px]`; likewise.
    Pixels,
}

/// A level that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptLevel {
    /// Side in pixels.
    pub px: usize,
    /// What is kept.
    pub form: LevelForm,
}

impl KeptLevel {
    /// Bytes that one image takes.
    #[must_use]
    pub fn bytes(&self, patches_per_image: usize) -> usize {
        match self.form {
            LevelForm::Patches => patches_per_image * DESCRIPTOR_LENGTH * size_of::<f32>(),
            LevelForm::Gaussian => DESCRIPTOR_CHANNELS * self.px * self.px * size_of::<f32>(),
            LevelForm::Pixels => DESCRIPTOR_CHANNELS * self.px * self.px,
        }
    }
}

/// Which levels are compared, and what is kept of each image for that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwdLayout {
    resolution_px: usize,
    patches_per_image: usize,
    compared_px: Vec<usize>,
    kept: Vec<KeptLevel>,
}

impl SwdLayout {
    /// For images of `resolution_px` x `resolution_px` pixels, of which the levels of the sides `compared_px` are
    /// compared; an empty list means all.
    ///
    /// # Errors
    /// - [`MetricsError::SwdImageSize`] unless the side is a power of two of at least 16
    /// - [`MetricsError::Parameter`] for a level that there is not, and for settings out of range
    pub fn new(
        resolution_px: usize,
        compared_px: &[usize],
        settings: &SwdSettings,
    ) -> Result<Self, MetricsError> {
        settings.check()?;
        let all = swd_resolutions(resolution_px)?;
        if let Some(wrong) = compared_px.iter().find(|px| !all.contains(px)) {
            let expected = "a power of two from 16 to the side of the images";
            return Err(MetricsError::Parameter { name: "level", expected, actual: wrong.to_string() });
        }
        let compared: Vec<usize> =
            all.iter().copied().filter(|px| compared_px.is_empty() || compared_px.contains(px)).collect();
        let patches_per_image = settings.patches_per_image;
        let patches = KeptLevel { px: 0, form: LevelForm::Patches }.bytes(patches_per_image);
        let mut kept: Vec<KeptLevel> = Vec::new();
        for px in all {
            let form = if px == resolution_px { LevelForm::Pixels } else { LevelForm::Gaussian };
            let image = KeptLevel { px, form };
            // The level before is cut out of itself and of this one.
            let is_needed_above =
                kept.last().is_some_and(|above| above.px == 2 * px && above.form != LevelForm::Patches)
                    && compared.contains(&(2 * px));
            if is_needed_above || (compared.contains(&px) && image.bytes(patches_per_image) <= patches) {
                kept.push(image);
            } else if compared.contains(&px) {
                kept.push(KeptLevel { px, form: LevelForm::Patches });
            }
        }
        Ok(Self { resolution_px, patches_per_image, compared_px: compared, kept })
    }

    /// Side of the images, in pixels.
    #[must_use]
    pub fn resolution_px(&self) -> usize {
        self.resolution_px
    }

    /// Sides of the levels that are compared, finest first, in pixels.
    #[must_use]
    pub fn compared_px(&self) -> &[usize] {
        &self.compared_px
    }

    /// What is kept, finest first; a level may be kept only because the one above needs it.
    #[must_use]
    pub fn kept(&self) -> &[KeptLevel] {
        &self.kept
    }

    /// Descriptors per image and level.
    #[must_use]
    pub fn patches_per_image(&self) -> usize {
        self.patches_per_image
    }
}

/// A level of one image in the form in which it is kept.
#[derive(Debug, Clone, PartialEq)]
pub enum LevelRecord {
    /// [`LevelForm::Patches`], not normalised.
    Patches(Vec<f32>),
    /// [`LevelForm::Gaussian`]
    Gaussian(Planar<f32>),
    /// [`LevelForm::Pixels`]
    Pixels(Planar<u8>),
}

impl LevelRecord {
    fn gaussian(&self) -> Option<GaussianLevel<'_>> {
        match self {
            Self::Patches(_) => None,
            Self::Gaussian(level) => Some(GaussianLevel::Floats(level)),
            Self::Pixels(image) => Some(GaussianLevel::Bytes(image)),
        }
    }
}

/// What is kept of one image.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageRecord {
    /// What its patch positions are drawn by.
    pub key: ImageKey,
    /// As [`SwdLayout::kept`].
    pub levels: Vec<LevelRecord>,
}

/// Describes the images of one side; a pure function of the image and its name, for any thread.
#[derive(Debug, Clone)]
pub struct SwdDescriber {
    layout: SwdLayout,
    side: Side,
    seed: u64,
}

impl SwdDescriber {
    /// Draws patch positions of `side` by `seed`.
    #[must_use]
    pub fn new(layout: SwdLayout, side: Side, seed: u64) -> Self {
        Self { layout, side, seed }
    }

    /// What is kept of an image.
    #[must_use]
    pub fn layout(&self) -> &SwdLayout {
        &self.layout
    }

    /// Seed of the patch positions.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// What to keep of an image `[3,R,R]`, u8 0..=255, whose file is called `name`.
    ///
    /// # Errors
    /// [`MetricsError::MixedShapes`] when it has other sides or channels; `index` is what it is called there.
    pub fn describe(
        &self,
        index: usize,
        name: &str,
        image: &Planar<u8>,
    ) -> Result<ImageRecord, MetricsError> {
        let resolution_px = self.layout.resolution_px;
        let actual = (image.channels(), image.height(), image.width());
        if actual != (DESCRIPTOR_CHANNELS, resolution_px, resolution_px) {
            return Err(MetricsError::MixedShapes {
                index,
                expected_channels: DESCRIPTOR_CHANNELS,
                expected_width_px: resolution_px,
                expected_height_px: resolution_px,
                actual_channels: actual.0,
                actual_width_px: actual.2,
                actual_height_px: actual.1,
            });
        }
        let pyramid = GaussianPyramid::new(image)?;
        let level_of = |px: usize| (resolution_px / px).ilog2() as usize;
        let key = match pyramid.laplacian(pyramid.levels() - 1).gaussian {
            GaussianLevel::Floats(coarsest) => ImageKey::new(name, coarsest),
            GaussianLevel::Bytes(image) => ImageKey::new(name, &image.to_f32()),
        };
        let patches: Vec<Option<Vec<f32>>> = self
            .layout
            .kept
            .iter()
            .map(|level| {
                (level.form == LevelForm::Patches)
                    .then(|| self.cut(level.px, key, &pyramid.laplacian(level_of(level.px))))
            })
            .collect();
        let mut gaussian: Vec<Option<Planar<f32>>> = pyramid.into_coarser().into_iter().map(Some).collect();
        let levels = self.layout.kept.iter().zip(patches).map(|(level, patches)| match patches {
            Some(patches) => LevelRecord::Patches(patches),
            None => level_of(level.px)
                .checked_sub(1)
                .and_then(|i| gaussian[i].take())
                .map_or_else(|| LevelRecord::Pixels(image.clone()), LevelRecord::Gaussian),
        });
        Ok(ImageRecord { key, levels: levels.collect() })
    }

    /// The descriptors of a compared level, `[patches, 147]`, not normalised, of an image of which `level` and,
    /// unless that is the coarsest, the `next` one are kept.
    #[must_use]
    pub fn descriptors(
        &self,
        px: usize,
        key: ImageKey,
        level: &LevelRecord,
        next: Option<&LevelRecord>,
    ) -> Vec<f32> {
        match (level, level.gaussian()) {
            (LevelRecord::Patches(patches), _) => patches.clone(),
            (_, Some(gaussian)) => {
                let coarser = next.and_then(|next| match next {
                    LevelRecord::Gaussian(next) => Some(next),
                    _ => None,
                });
                self.cut(px, key, &LaplacianLevel { gaussian, coarser })
            }
            (_, None) => Vec::new(),
        }
    }

    fn cut(&self, px: usize, key: ImageKey, level: &LaplacianLevel<'_>) -> Vec<f32> {
        let centres = draw_centres(self.seed, self.side, px, key, self.layout.patches_per_image);
        cut_descriptors(level, &centres)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::laplacian_pyramid::laplacian_pyramid;
    use crate::patch_descriptors::extract_descriptors;

    fn picture(side: usize) -> Planar<u8> {
        let data = (0..3 * side * side).map(|i| ((i * 31) ^ (i * i / 77)) as u8).collect();
        Planar::from_data(3, side, side, data).unwrap()
    }

    fn kept(resolution_px: usize, compared: &[usize], patches_per_image: usize) -> Vec<(usize, LevelForm)> {
        let settings = SwdSettings { patches_per_image, ..SwdSettings::default() };
        let layout = SwdLayout::new(resolution_px, compared, &settings).unwrap();
        layout.kept().iter().map(|level| (level.px, level.form)).collect()
    }

    #[test]
    fn each_level_is_kept_in_its_smaller_form() {
        use LevelForm::{Gaussian, Patches, Pixels};
        let coarse = [(64, Gaussian), (32, Gaussian), (16, Gaussian)];
        let fine = [(512, Patches), (256, Patches), (128, Patches)];
        assert_eq!(kept(512, &[], 128), [&fine[..], &coarse[..]].concat());
        assert_eq!(kept(128, &[], 128), [&[(128, Pixels)][..], &coarse[..]].concat());
        assert_eq!(kept(128, &[], 4), [(128, Patches), (64, Patches), (32, Patches), (16, Patches)]);
        // A level that is not compared is kept where the one above is cut with it.
        assert_eq!(kept(128, &[128], 128), [(128, Pixels), (64, Gaussian)]);
        assert_eq!(kept(256, &[256, 32], 128), [(256, Patches), (32, Gaussian), (16, Gaussian)]);
    }

    #[test]
    fn descriptors_are_the_same_in_whatever_form_a_level_is_kept() {
        let image = picture(64);
        let pyramid = laplacian_pyramid(&image).unwrap();
        for patches_per_image in [3, 50, 400] {
            let settings = SwdSettings { patches_per_image, ..SwdSettings::default() };
            let describer = SwdDescriber::new(SwdLayout::new(64, &[], &settings).unwrap(), Side::Fake, 7);
            let record = describer.describe(0, "a.png", &image).unwrap();
            for (i, level) in record.levels.iter().enumerate() {
                let px = 64 >> i;
                let centres = draw_centres(7, Side::Fake, px, record.key, patches_per_image);
                let found = describer.descriptors(px, record.key, level, record.levels.get(i + 1));
                assert_eq!(found, extract_descriptors(&pyramid[i], &centres), "{px}");
                assert_eq!(found.len(), patches_per_image * DESCRIPTOR_LENGTH);
            }
        }
    }

    #[test]
    fn wrong_sizes_levels_and_settings_are_refused() {
        let settings = SwdSettings::default();
        assert!(matches!(SwdLayout::new(48, &[], &settings), Err(MetricsError::SwdImageSize { .. })));
        assert!(matches!(
            SwdLayout::new(64, &[64, 128], &settings),
            Err(MetricsError::Parameter { name: "level", .. })
        ));
        let none = SwdSettings { repeats: 0, ..settings };
        assert!(matches!(SwdLayout::new(64, &[], &none), Err(MetricsError::Parameter { .. })));
        let describer = SwdDescriber::new(SwdLayout::new(32, &[], &settings).unwrap(), Side::Real, 0);
        assert!(matches!(
            describer.describe(5, "a.png", &picture(64)),
            Err(MetricsError::MixedShapes { index: 5, .. })
        ));
    }
}
