//! The numbers that fix both networks' shapes.

/// Shape of generator and discriminator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Architecture {
    /// Full resolution in pixels, a power of two of at least 4.
    pub resolution_px: u32,
    /// Colour channels of the images: 1 or 3.
    pub image_channels: u32,
    /// Components of the latent.
    pub latent_size: u32,
    /// Feature maps before the cap: `fmap_base / 2^stage`.
    pub fmap_base: u32,
    /// Most feature maps of any layer.
    pub fmap_max: u32,
    /// Images per group of the minibatch standard deviation; 0 leaves the layer out.
    pub minibatch_stddev_group: u32,
}

impl Architecture {
    /// Feature maps at `stage` = log2(resolution) - 1: min(fmap_base / 2^stage, fmap_max)
    /// (arXiv:1710.10196, table 2).
    #[must_use]
    pub fn feature_maps(&self, stage: u32) -> i64 {
        i64::from((self.fmap_base >> stage).min(self.fmap_max))
    }

    /// The resolutions of all levels in pixels, 4 first.
    pub fn resolutions_px(&self) -> impl Iterator<Item = u32> + use<> {
        (2..=self.resolution_px.ilog2()).map(|log2| 1 << log2)
    }
}
