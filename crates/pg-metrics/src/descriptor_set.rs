//! One side of the sliced Wasserstein distance: the descriptors of a set of images, collected image by
//! image (ProGAN, arXiv:1710.10196, section 5).

use pg_image::Planar;
use rayon::prelude::*;

use crate::MetricsError;
use crate::laplacian_pyramid::GaussianPyramid;
use crate::patch_descriptors::{DESCRIPTOR_CHANNELS, DESCRIPTOR_LENGTH, Side, cut_descriptors, draw_centres};

/// Side of the coarsest level, in pixels.
pub const SWD_LOWEST_PX: usize = 16;

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
    fn check(&self) -> Result<(), MetricsError> {
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

/// The sides of the pyramid's levels for images of side `resolution_px`: R, R/2, … 16.
///
/// # Errors
/// [`MetricsError::SwdImageSize`] unless R is a power of two from 16 to 65536.
pub fn swd_resolutions(resolution_px: usize) -> Result<Vec<usize>, MetricsError> {
    if !resolution_px.is_power_of_two() || !(SWD_LOWEST_PX..=65_536).contains(&resolution_px) {
        return Err(MetricsError::SwdImageSize { width_px: resolution_px, height_px: resolution_px });
    }
    Ok(std::iter::successors(Some(resolution_px), |r| Some(r / 2))
        .take_while(|&r| r >= SWD_LOWEST_PX)
        .collect())
}

/// The descriptors of one image, per level `[patches, 147]`, finest level first; not normalised.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageDescriptors {
    levels: Vec<Vec<f32>>,
}

/// Collects the descriptors of one side, image by image, in any order.
///
/// Memory: 588 bytes per descriptor, i.e. images * levels * patches per image * 588 (75 kB per image
/// and level in the paper's protocol).
#[derive(Debug, Clone)]
pub struct DescriptorSet {
    side: Side,
    settings: SwdSettings,
    resolutions_px: Vec<usize>,
    given: Vec<bool>,
    /// Per level `[images, patches, 147]`; a level is emptied when it has been compared.
    levels: Vec<Vec<f32>>,
}

impl DescriptorSet {
    /// An empty set for `image_count` images of `resolution_px` x `resolution_px` pixels.
    ///
    /// # Errors
    /// - [`MetricsError::SwdImageSize`] unless the side is a power of two of at least 16
    /// - [`MetricsError::TooFewImages`] below two images: there is no spread to normalise or to judge
    /// - [`MetricsError::Parameter`] for settings out of range
    pub fn new(
        side: Side,
        resolution_px: usize,
        image_count: usize,
        settings: SwdSettings,
    ) -> Result<Self, MetricsError> {
        settings.check()?;
        let resolutions_px = swd_resolutions(resolution_px)?;
        if image_count < 2 {
            let metric = "the sliced Wasserstein distance";
            return Err(MetricsError::TooFewImages { metric, expected: 2, actual: image_count });
        }
        let per_level = image_count * settings.patches_per_image * DESCRIPTOR_LENGTH;
        let levels = resolutions_px.iter().map(|_| vec![0.0; per_level]).collect();
        Ok(Self { side, settings, resolutions_px, given: vec![false; image_count], levels })
    }

    /// Number of images that the set is for.
    #[must_use]
    pub fn image_count(&self) -> usize {
        self.given.len()
    }

    /// Sides of the levels, finest first, in pixels.
    #[must_use]
    pub fn resolutions_px(&self) -> &[usize] {
        &self.resolutions_px
    }

    /// Computes the descriptors of image `index`; a pure function, for any thread.
    ///
    /// `image` is `[3,R,R]`, u8 0..=255. Its patch positions depend on seed, side, level and `index`.
    ///
    /// # Errors
    /// [`MetricsError::MixedShapes`] when it has other sides or channels than the set.
    pub fn describe(&self, index: usize, image: &Planar<u8>) -> Result<ImageDescriptors, MetricsError> {
        let resolution_px = self.resolutions_px[0];
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
        let SwdSettings { seed, patches_per_image, .. } = self.settings;
        let pyramid = GaussianPyramid::new(image)?;
        let levels = (0..pyramid.levels())
            .map(|level| {
                let side_px = pyramid.side_px(level);
                let centres = draw_centres(seed, self.side, side_px, index, patches_per_image);
                cut_descriptors(&pyramid, level, &centres)
            })
            .collect();
        Ok(ImageDescriptors { levels })
    }

    /// Files the descriptors of image `index`.
    ///
    /// # Errors
    /// [`MetricsError::ImageIndex`] when the index is beyond the set or was given before.
    pub fn insert(&mut self, index: usize, descriptors: &ImageDescriptors) -> Result<(), MetricsError> {
        let count = self.given.len();
        let Some(given) = self.given.get_mut(index) else {
            return Err(MetricsError::ImageIndex { index, count, problem: "out of range" });
        };
        if std::mem::replace(given, true) {
            return Err(MetricsError::ImageIndex { index, count, problem: "given twice" });
        }
        for (level, new) in self.levels.iter_mut().zip(&descriptors.levels) {
            level[index * new.len()..][..new.len()].copy_from_slice(new);
        }
        Ok(())
    }

    /// Describes and files the images `first_index..`, in parallel.
    ///
    /// # Errors
    /// Those of [`Self::describe`] (of the first image that fails) and [`Self::insert`].
    pub fn add_batch(&mut self, first_index: usize, images: &[Planar<u8>]) -> Result<(), MetricsError> {
        let described: Vec<_> =
            images.par_iter().enumerate().map(|(i, image)| self.describe(first_index + i, image)).collect();
        for (i, descriptors) in described.into_iter().enumerate() {
            self.insert(first_index + i, &descriptors?)?;
        }
        Ok(())
    }

    /// Keeps the first `image_count` images only, so that both sides have the same number.
    ///
    /// # Errors
    /// [`MetricsError::TooFewImages`] below two images.
    pub fn truncate(&mut self, image_count: usize) -> Result<(), MetricsError> {
        if image_count < 2 {
            let metric = "the sliced Wasserstein distance";
            return Err(MetricsError::TooFewImages { metric, expected: 2, actual: image_count });
        }
        self.given.truncate(image_count);
        for level in &mut self.levels {
            level.truncate(image_count * self.settings.patches_per_image * DESCRIPTOR_LENGTH);
        }
        Ok(())
    }

    pub(crate) fn settings(&self) -> SwdSettings {
        self.settings
    }

    /// Hands out the descriptors of a level; empty for a level that there is not, or was taken.
    pub(crate) fn take_level(&mut self, level: usize) -> Vec<f32> {
        self.levels.get_mut(level).map(std::mem::take).unwrap_or_default()
    }

    /// The first image that was never given.
    pub(crate) fn first_missing(&self) -> Option<usize> {
        self.given.iter().position(|given| !given)
    }
}
